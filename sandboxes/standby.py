"""Containers that are up and waiting, each for one candidate, made anew in the background."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from metasearch.errors import SandboxError
from metasearch.sandboxes.container import Container

MOST = 16
"""Containers that wait at once, at most."""

_log = logging.getLogger(__name__)


class Standby:
    """The waiting containers of one spec.

    As many are kept ready as were in use at once so far: that follows the lanes.

    Args:
        make: Makes a container and sees it up.
        starts: How many may be made at once, over all specs.
    """

    def __init__(self, make: Callable[[], Awaitable[Container]], starts: asyncio.Semaphore) -> None:
        self._make = make
        self._starts = starts
        self._ready: deque[Container] = deque()
        self._waiters: deque[asyncio.Future[Container]] = deque()
        self._starting: set[asyncio.Task[Container]] = set()
        self._in_use: set[Container] = set()
        self._most_in_use = 0
        self._closed = False

    async def take(self) -> Container:
        """One that nothing has run in yet.

        Raises:
            PrerequisiteError: Containers of this spec cannot be made here.
            SandboxError: One could not be made.
        """
        container = None
        while container is None and self._ready:
            container = self._ready.popleft()
            if not container.alive:
                container.kill()
                container = None
        if container is None:
            container = await self._next()
        self._in_use.add(container)
        self._refill()
        return container

    def forget(self, container: Container) -> None:
        """A candidate is done; its container is not used again."""
        self._in_use.discard(container)

    async def close(self) -> None:
        """Remove those that wait, and those that are being made."""
        self._closed = True
        await asyncio.gather(*self._starting, return_exceptions=True)
        ready, self._ready = self._ready, deque()
        await asyncio.gather(*(container.end() for container in ready), return_exceptions=True)

    @property
    def idle(self) -> bool:
        """Whether nobody uses one or waits for one."""
        return not self._in_use and not self._waiters

    async def _next(self) -> Container:
        waiter: asyncio.Future[Container] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._refill()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._ready.append(waiter.result())
            raise

    def _refill(self) -> None:
        """Have as many made as are missing."""
        waiting = sum(not waiter.done() for waiter in self._waiters)
        self._most_in_use = max(self._most_in_use, len(self._in_use) + waiting, 1)
        target = min(self._most_in_use, MOST)
        missing = target + waiting - len(self._ready) - len(self._starting)
        for _ in range(0 if self._closed else missing):
            task = asyncio.create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._started)

    async def _start(self) -> Container:
        async with self._starts:
            if self._closed:
                raise SandboxError("the provider is closed")
            return await self._make()

    def _started(self, task: asyncio.Task[Container]) -> None:
        self._starting.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                if error is None:
                    waiter.set_result(task.result())
                else:
                    waiter.set_exception(error)
                return
        if error is None:
            self._ready.append(task.result())
        elif not self._closed:
            _log.info("no container could be made in advance: %s", error)
