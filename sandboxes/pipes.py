"""The connection to a sandbox on this machine: pipes handed to its keeper, death by pidfd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Sequence

from metasearch.errors import SandboxError
from metasearch.sandboxes import wire
from metasearch.sandboxes.base import Limits
from metasearch.sandboxes.connection import Listener, Message
from metasearch.sandboxes.inside import START_SECONDS
from metasearch.sandboxes.launch import Launcher, Started, pid_of
from metasearch.sandboxes.streams import Control, Fed, Line, Printed, Tap

FRAME_OVERHEAD = 8192
"""Bytes that a frame may take beside the value in it."""


class Pipes:
    """Satisfies :class:`metasearch.sandboxes.connection.Connection`."""

    def __init__(
        self, launcher: Launcher, limits: Limits, listener: Listener, *, to_call: bool
    ) -> None:
        self._launcher = launcher
        self._limits = limits
        self._listener = listener
        self._slot = launcher.slot
        # Nothing of the candidate may run before it is where it is limited.
        self.starts_itself = to_call and (self._slot is None or launcher.inside_slot)
        self._started: Started | None = None
        self._parts: list[Line | Tap] = []
        self._pidfd = -1
        self._dead = asyncio.Event()

    @classmethod
    async def open(
        cls, launcher: Launcher, limits: Limits, listener: Listener, *, to_call: bool
    ) -> Pipes:
        """Have a keeper started.

        Args:
            launcher: What starts it; released when the connection has ended.
            limits: What the candidate may use.
            listener: Who is told what happens.
            to_call: Whether the program is wanted at once.
        """
        pipes = cls(launcher, limits, listener, to_call=to_call)
        try:
            await pipes._launch()
        except BaseException:
            await pipes.end()
            raise
        return pipes

    async def _launch(self) -> None:
        if self._slot is not None:
            self._slot.limit(self._limits)
        questions, asking = os.pipe()
        answers, answering = os.pipe()
        out, out_writer = os.pipe()
        err, err_writer = os.pipe()
        theirs = (questions, answering, out_writer, err_writer)
        try:
            control, self._started = await self._launcher.launch(self._order(), theirs)
        except BaseException:
            for descriptor in (asking, answers, out, err):
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        budget = self._limits.output + FRAME_OVERHEAD
        self._control = Control(control, wire.DEFAULT_LIMIT, self._heard, self._control_ended)
        self._channel = Line(
            answers, asking, budget, self._listener.answered, self._listener.hung_up
        )
        self._taps = (Tap(out, self._listener.out), Tap(err, self._listener.err))
        self._parts = [self._channel, self._control, *self._taps]

    def _order(self) -> Message:
        limits = self._limits
        controllers = self._slot.controllers if self._slot else frozenset()
        return {
            "start": self.starts_itself,
            "disk": limits.disk,
            "output": limits.output,
            "pids": limits.pids,
            "cpu": limits.processor_seconds,
            "memory": limits.memory,
            "accounted": {"memory", "pids"} <= controllers,
            "measure": self.peak_memory is None,
            "count_processes": _KERNEL >= (5, 14),
        }

    @property
    def process(self) -> int:
        """The keeper, as we number it; 0 before it has started, and once it has ended."""
        with contextlib.suppress(OSError):
            return pid_of(self._pidfd) if self._pidfd >= 0 else 0
        return 0

    @property
    def unsent(self) -> int:
        """Bytes of frames that the program has not taken yet."""
        return self._channel.unsent

    def tell(self, order: Message) -> None:
        """An order to the keeper."""
        self._control.send(wire.encode(order))

    def send(self, frame: bytes) -> None:
        """A frame to the program."""
        self._channel.send(frame)

    def run(self, argv: Sequence[str], stdin: bytes, out: Printed, err: Printed) -> PipedCommand:
        """Have a command started."""
        stdin_reader, stdin_writer = os.pipe()
        out_reader, out_writer = os.pipe()
        err_reader, err_writer = os.pipe()
        theirs = [stdin_reader, out_writer, err_writer]
        self._control.hand(wire.encode({"run": list(argv)}), theirs)
        for descriptor in theirs:
            os.close(descriptor)
        return PipedCommand(Fed(stdin_writer, stdin), Tap(out_reader, out), Tap(err_reader, err))

    def drain(self) -> None:
        """Take what the program has printed already, without waiting."""
        for tap in self._taps:
            tap.drain()

    @property
    def out_of_memory(self) -> bool:
        """By the kernel's counter of the control group, where there is one."""
        return self._slot is not None and self._slot.out_of_memory

    @property
    def peak_memory(self) -> int | None:
        """By the control group, where there is one that can be asked."""
        return self._slot.peak_memory if self._slot is not None else None

    @property
    def intact(self) -> bool:
        """Whether what forks keepers is still alive."""
        return self._launcher.alive

    def kill(self) -> None:
        """Kill the keeper, and so all in its process namespace."""
        if self._pidfd >= 0 and not self._dead.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def end(self) -> None:
        """Kill everything inside, see it dead, and give everything back."""
        if self._pidfd >= 0:
            self.kill()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._dead.wait()
            except TimeoutError:
                raise SandboxError("a killed sandbox does not end") from None
            finally:
                os.close(self._pidfd)
                self._pidfd = -1
        for part in self._parts:
            part.close()
        if self._started is not None:
            await self._started.end()
            self._started = None
        self._launcher.release()

    def _heard(self, message: Message, descriptors: list[int]) -> None:
        if "started" in message and descriptors and self._pidfd < 0:
            self._keeper_started(descriptors.pop())
        elif message.get("opened") == "" and descriptors:
            with os.fdopen(descriptors.pop(), "rb") as file:
                message = {"content": file.read(self._limits.output + 1)}
        self._listener.heard(message)

    def _keeper_started(self, pidfd: int) -> None:
        self._pidfd = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._on_death)
        if self._slot is not None and not self._launcher.inside_slot:
            try:
                self._slot.put(pid_of(pidfd))
            except OSError as error:
                self._listener.died(SandboxError(f"it cannot be limited: {error}"))

    def _control_ended(self, error: wire.WireError | None) -> None:
        if self._pidfd < 0:
            self._listener.died(SandboxError("a sandbox ended before it was ready"))

    def _on_death(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._dead.set()
        self._listener.died(None)


class PipedCommand:
    """Satisfies :class:`metasearch.sandboxes.connection.Command`."""

    def __init__(self, feed: Fed, *taps: Tap) -> None:
        self._feed = feed
        self._taps = taps

    def close(self) -> None:
        """Take what it has printed already, then let go of its streams."""
        self._feed.close()
        for tap in self._taps:
            tap.drain()
            tap.close()


_KERNEL = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
