"""What starts keepers: warm parents and their branches, and cold starts of one each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
from pathlib import Path
from typing import Any, Protocol

from metasearch.errors import SandboxError
from metasearch.sandboxes import rootfs, wire
from metasearch.sandboxes.base import SandboxSpec
from metasearch.sandboxes.cgroups import Slot, Slots
from metasearch.sandboxes.inside import START_SECONDS, Inside, check_setup, readable


class Started(Protocol):
    """What has been started beside a keeper, for it alone."""

    async def end(self) -> None:
        """Kill it, and wait until it is gone."""


class Launcher(Protocol):
    """What starts keepers. One that has a slot starts one at a time."""

    slot: Slot | None
    """Where what it starts belongs."""
    inside_slot: bool
    """Whether it is there from the start, or has to be put there."""

    async def launch(
        self, order: dict[str, Any], program: tuple[int, int, int, int]
    ) -> tuple[socket.socket, Started | None]:
        """A keeper with these descriptors; its control socket.

        They are the program's ends of questions, answers, stdout and stderr.
        """

    @property
    def alive(self) -> bool:
        """Whether it can start more."""

    def release(self) -> None:
        """What was started last is dead."""


class WarmFork:
    """Our end of a process that forks keepers: a warm parent or a branch of one."""

    slot: Slot | None = None
    inside_slot = True

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.pidfd = -1

    async def ready(self) -> bool:
        """Wait until it says that it is ready; ``False`` if it cannot fork keepers.

        Raises:
            PrerequisiteError: If a module cannot be imported.
            SandboxError: If it takes too long.
        """
        self._channel.setblocking(False)
        try:
            async with asyncio.timeout(START_SECONDS):
                await readable(self._channel.fileno())
        except TimeoutError:
            raise SandboxError(f"no warm parent within {START_SECONDS:.0f} seconds") from None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1 << 16, 1)
        except OSError:
            data, descriptors = b"", []
        if not data:
            raise ConnectionError
        (message,) = wire.FrameReader().feed(data)
        check_setup(message)
        if descriptors:
            self.pidfd = descriptors[0]
        return "ready" in message

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        # While it is being killed its socket is closed well before its pidfd tells.
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        poll.register(self._channel.fileno(), 0)
        return not poll.poll(0)

    async def launch(
        self, order: dict[str, Any], program: tuple[int, int, int, int]
    ) -> tuple[socket.socket, None]:
        """Have a keeper forked that gets these descriptors; our end of its control socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                await self._ask({"order": order}, [theirs.fileno(), *program])
            except BaseException:
                ours.close()
                raise
        return ours, None

    def release(self) -> None:
        """Nothing is kept of single keepers."""

    async def _ask(self, message: dict[str, Any], descriptors: list[int]) -> None:
        frame = wire.encode(message)
        while True:
            try:
                socket.send_fds(self._channel, [frame], descriptors)
            except BlockingIOError:
                # Hundreds of forks behind; a socket has no other way to say so.
                await asyncio.sleep(0.05)
            except OSError as error:
                raise SandboxError(f"the warm parent of sandboxes is gone: {error}") from None
            else:
                return

    async def trial(self) -> str:
        """Fork one keeper to no purpose; what is in the way, or nothing."""
        order = {"disk": 1 << 20, "output": 1, "pids": 8, "cpu": 1, "memory": 1 << 30}
        order |= {"accounted": True, "count_processes": False, "start": False, "measure": False}
        null = os.open(os.devnull, os.O_RDWR)
        try:
            control, _ = await self.launch(order, (null, null, null, null))
        finally:
            os.close(null)
        reader = wire.FrameReader()
        with control:
            # If the fork was refused, the other end may be closed already; why can still be read.
            with contextlib.suppress(OSError):
                control.send(wire.encode({"read": "nothing"}))
            while True:
                await readable(control.fileno())
                data, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 1)
                for descriptor in descriptors:
                    os.close(descriptor)
                for message in reader.feed(data):
                    if "opened" in message:
                        return ""
                    if "unmade" in message:
                        return str(message["unmade"])
                if not data:
                    return "it ended at once"

    async def end(self) -> None:
        """Kill it and every keeper that it has forked."""
        self._channel.close()
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            await readable(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = -1


class WarmParent(WarmFork):
    """A process in its own root that has the preload modules imported."""

    def __init__(self, spec: SandboxSpec) -> None:
        self._inside = Inside(spec, cold=None)
        super().__init__(self._inside.socket)
        self._idle: list[Branch] = []

    async def start(self) -> bool:
        """Wait for its imports; ``False`` if it cannot fork candidates from there.

        Raises:
            PrerequisiteError: If bubblewrap does not work, or a module cannot be imported.
            SandboxError: If it takes too long.
        """
        with contextlib.suppress(OSError):
            self._inside.socket.send(self._inside.setup)
        try:
            return await self.ready()
        except ConnectionError:
            raise await self._inside.complaint() from None

    async def branch(self, slots: Slots) -> WarmFork:
        """A fork of it that is in a slot of its own; itself where there are no slots."""
        while self._idle:
            branch = self._idle.pop()
            if branch.alive:
                return branch
            await branch.discard()
        slot = slots.make()
        if slot is None:
            return self
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        branch = Branch(self, ours, slot, slots, self._idle)
        try:
            with theirs:
                await self._ask({"branch": True}, [theirs.fileno()])
            await branch.ready()
            slot.put(pid_of(branch.pidfd))
        except (OSError, SandboxError) as error:
            await branch.discard()
            raise SandboxError(f"a warm parent could not be limited: {error}") from None
        return branch

    async def end(self) -> None:
        """Kill it and everything that it has forked."""
        for branch in self._idle:
            await branch.discard()
        await super().end()
        await self._inside.end()


class Branch(WarmFork):
    """A fork of a warm parent, in a slot: what it forks is in the slot from the start."""

    def __init__(
        self,
        parent: WarmParent,
        channel: socket.socket,
        slot: Slot,
        slots: Slots,
        idle: list[Branch],
    ) -> None:
        super().__init__(channel)
        self._parent = parent
        self.slot: Slot = slot
        self._slots = slots
        self._idle = idle

    @property
    def alive(self) -> bool:
        """Whether it can still fork. A dying parent is seen before what dies with it."""
        return self._parent.alive and super().alive

    def release(self) -> None:
        """Ready for the next candidate."""
        self._idle.append(self)

    async def discard(self) -> None:
        """End it and remove its slot."""
        await self.end()
        self._slots.remove(self.slot)


class ColdStart:
    """One bubblewrap and one interpreter for each candidate: slower, no less isolated."""

    inside_slot = False

    def __init__(self, spec: SandboxSpec, slot: Slot | None, idle: list[Slot]) -> None:
        self._spec = spec
        self._idle = idle
        self.slot = slot

    async def launch(
        self, order: dict[str, Any], program: tuple[int, int, int, int]
    ) -> tuple[socket.socket, Inside]:
        """Start a keeper that gets these descriptors; our end of its control socket."""
        if rootfs.may_become_another():
            # It has no user namespace of its own: its user's processes elsewhere would count.
            order = {**order, "count_processes": False}
        inside = Inside(self._spec, cold=order)
        try:
            socket.send_fds(inside.socket, [inside.setup], list(program))
        except OSError:
            raise await inside.complaint() from None
        return inside.socket, inside

    @property
    def alive(self) -> bool:
        """Always: nothing runs beside what it starts."""
        return True

    def release(self) -> None:
        """Its slot is free for the next candidate."""
        if self.slot is not None:
            self._idle.append(self.slot)


def pid_of(pidfd: int) -> int:
    """The process that a pidfd stands for, as we number it.

    Raises:
        OSError: If it has ended.
    """
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:") and int(line.split()[1]) > 0:
            return int(line.split()[1])
    raise ProcessLookupError("the process has ended")
