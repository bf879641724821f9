"""The gate: whether the engine goes on, and waiting at it until something has changed."""

from __future__ import annotations

import asyncio
import contextlib


class Parked(Exception):
    """The engine is stopping: the step ends here, unfinished, and a later run resumes it.

    Raised before anything is asked or evaluated, so that nothing paid for is lost.
    """


class Gate:
    """Open until somebody closes it for a reason; then whoever waits at it is parked."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why it is closed; the first reason counts."""
        self._changed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether the engine opens nothing new."""
        return self.reason is not None

    def close(self, reason: str) -> None:
        """Let nothing new through."""
        if self.reason is None:
            self.reason = reason
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def news(self) -> None:
        """Wait until something has ended or begun, or the gate is closed."""
        await self._changed.wait()

    async def change(self) -> None:
        """Wait until something has ended or begun.

        Raises:
            Parked: The gate is closed.
        """
        if not self.closed:
            await self._changed.wait()
        if self.closed:
            raise Parked

    async def pause(self, seconds: float) -> None:
        """Let so much time pass.

        Raises:
            Parked: The gate is closed.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self.change()
