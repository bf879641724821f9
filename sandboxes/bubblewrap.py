"""The bubblewrap provider: fresh namespaces for each candidate, forked from a warm parent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes import cgroups, inside, trial
from metasearch.sandboxes.asks import Answers
from metasearch.sandboxes.base import Sandbox, SandboxSpec
from metasearch.sandboxes.connection import Connection, Listener
from metasearch.sandboxes.gpus.devices import Devices
from metasearch.sandboxes.gpus.nvml import NvmlDevices
from metasearch.sandboxes.gpus.watch import watching
from metasearch.sandboxes.launch import ColdStart, Launcher, WarmParent
from metasearch.sandboxes.pipes import Pipes
from metasearch.sandboxes.room import Room

_REAP_ATTEMPTS = 60

_log = logging.getLogger(__name__)


class BubblewrapProvider:
    """Satisfies :class:`metasearch.sandboxes.base.SandboxProvider`.

    Args:
        cold: Start an interpreter for each candidate instead of forking a warm parent.
            Taken by itself where the kernel refuses nested namespaces.
        groups: Whether control groups may be used where they can be made. Without them
            memory and processes are watched from the keeper.
        devices: Where shares of a GPU's memory are read; the driver's if not given.
    """

    name = "bubblewrap"

    def __init__(
        self, *, cold: bool = False, groups: bool = True, devices: Devices | None = None
    ) -> None:
        self._cold = cold
        self._devices = devices or NvmlDevices()
        self._parents: dict[SandboxSpec, asyncio.Task[WarmParent | None]] = {}
        self._slots = cgroups.Slots(cgroups.trees() if groups else ())
        self._idle_slots: list[cgroups.Slot] = []

    async def check(self) -> None:
        """Make sure that sandboxes can be opened here, by opening one."""
        inside.bubblewrap()
        await trial.open_one(self, "bubblewrap")

    def describe(self, spec: SandboxSpec) -> str:
        """Where candidates run."""
        return self.name

    @asynccontextmanager
    async def open(
        self, spec: SandboxSpec, answers: Answers | None = None
    ) -> AsyncIterator[Sandbox]:
        """A fresh sandbox, destroyed with everything in it when the block ends."""

        async def lease(listener: Listener, to_call: bool) -> Connection:
            launcher = await self._launcher(spec)
            return await Pipes.open(launcher, spec.limits, listener, to_call=to_call)

        room = Room(spec, lease, answers)
        try:
            async with watching(room, spec.devices, self._devices):
                yield room
        finally:
            await asyncio.shield(room.close())

    async def reap(self) -> int:
        """Remove the control groups of killed runs. Processes and mounts die by themselves."""
        total = 0
        for _ in range(_REAP_ATTEMPTS):
            removed, remaining = cgroups.reap()
            total += removed
            if not remaining:
                break
            await asyncio.sleep(0.05)
        return total

    async def close(self) -> None:
        """End warm parents."""
        parents, self._parents = self._parents, {}
        for task in parents.values():
            task.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                parent = await task
                if parent is not None:
                    await parent.end()
        self._slots.close()
        self._devices.close()

    async def _launcher(self, spec: SandboxSpec) -> Launcher:
        """What starts the next candidate of this spec."""
        if spec.image or spec.runtime:
            raise PrerequisiteError(
                "The campaign names a container image or runtime, which bubblewrap cannot use. "
                'Set provider = "docker" under [sandbox], or take image and runtime out.'
            )
        parent = None if self._cold else await self._parent(spec)
        if parent is not None:
            return await parent.branch(self._slots)
        slot = self._idle_slots.pop() if self._idle_slots else self._slots.make()
        return ColdStart(spec, slot, self._idle_slots)

    async def _parent(self, spec: SandboxSpec) -> WarmParent | None:
        """The warm parent for what a spec imports and shows; a new one if it has died.

        One for each set of leased devices: there are no others in its root, and so none in
        those of the candidates that it forks.
        """
        key = SandboxSpec(
            preload=spec.preload, paths=spec.paths, hidden=spec.hidden, devices=spec.devices
        )
        task = self._parents.get(key)
        if task is None or (task.done() and not _usable(task)):
            self._parents[key] = asyncio.create_task(self._warm_up(key, instead_of=task))
        return await asyncio.shield(self._parents[key])

    async def _warm_up(
        self, spec: SandboxSpec, instead_of: asyncio.Task[WarmParent | None] | None
    ) -> WarmParent | None:
        if instead_of is not None:
            with contextlib.suppress(Exception):
                if (dead := await instead_of) is not None:
                    await dead.end()
        parent = WarmParent(spec)
        try:
            if not await parent.start():
                problem = f"importing {', '.join(spec.preload)} starts threads or opens a GPU"
            elif not (problem := await parent.trial()):
                return parent
        except BaseException:
            await parent.end()
            raise
        await parent.end()
        _log.warning("candidates start cold here, slower but no less isolated: %s", problem)
        return None


def _usable(task: asyncio.Task[WarmParent | None]) -> bool:
    if task.cancelled() or task.exception() is not None:
        return False
    parent = task.result()
    return parent is None or parent.alive
