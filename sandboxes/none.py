"""No isolation at all: for programs that somebody trusts as much as their own.

The runner and its limits are those of the other providers, but a candidate sees and can
change whatever its user can. Never taken unless it is asked for by name.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from metasearch.errors import CandidateFailure, PrerequisiteError, SandboxError
from metasearch.sandboxes import cgroups, rootfs, wire
from metasearch.sandboxes.asks import Answers
from metasearch.sandboxes.base import Limits, Sandbox, SandboxSpec
from metasearch.sandboxes.connection import Connection, Listener
from metasearch.sandboxes.owners import pid_namespace, start_time
from metasearch.sandboxes.pipes import Pipes
from metasearch.sandboxes.room import Room

_ENTRY = "from metasearch.sandboxes.runner.parent import main; main()"
_KILLS = 1000
"""How often what is left is killed: it may be forking."""
_NAME = re.compile(r"metasearch-none-(\d+)-(\d+)-(\d+)-.*")


class NoIsolation:
    """Satisfies :class:`metasearch.sandboxes.base.SandboxProvider`, and isolates nothing.

    Deadlines, output limits and processor time hold as elsewhere; memory and processes where
    control groups can be made; disk only for each file.
    """

    name = "none"

    def __init__(self) -> None:
        self._slots = cgroups.Slots(cgroups.trees())

    async def check(self) -> None:
        """Make sure that programs can be run."""
        try:
            async with self.open(SandboxSpec(Limits(seconds=30))) as sandbox:
                await sandbox.run(["true"])
        except (SandboxError, CandidateFailure) as error:
            raise PrerequisiteError(f"programs cannot be run here: {error}") from None

    def describe(self, spec: SandboxSpec) -> str:
        """What everybody who starts a campaign with it is told."""
        return (
            "none: UNSAFE, candidates run without any isolation and can read and change "
            "whatever this user can"
        )

    @asynccontextmanager
    async def open(
        self, spec: SandboxSpec, answers: Answers | None = None
    ) -> AsyncIterator[Sandbox]:
        """A process in a folder of its own, ended with what it has started."""
        if spec.image or spec.runtime:
            raise PrerequisiteError('sandbox.image and sandbox.runtime need provider = "docker"')

        async def lease(listener: Listener, to_call: bool) -> Connection:
            start = _PlainStart(spec, self._slots)
            return await Pipes.open(start, spec.limits, listener, to_call=to_call)

        room = Room(spec, lease, answers)
        try:
            yield room
        finally:
            await asyncio.shield(room.close())

    async def reap(self) -> int:
        """Remove the folders and control groups of killed runs, and what still runs in these."""
        count, _ = cgroups.reap()
        for folder in await asyncio.to_thread(_left_behind):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            count += 1
        return count

    async def close(self) -> None:
        """Remove control groups."""
        self._slots.close()


class _PlainStart:
    """Satisfies :class:`metasearch.sandboxes.launch.Launcher`."""

    inside_slot = False
    alive = True

    def __init__(self, spec: SandboxSpec, slots: cgroups.Slots) -> None:
        self._spec = spec
        self._slots = slots
        self.slot = slots.make()

    async def launch(
        self, order: dict[str, Any], program: tuple[int, int, int, int]
    ) -> tuple[socket.socket, _Plain]:
        """Start a keeper that gets these descriptors; our end of its control socket."""
        plain = _Plain(self._spec, order, self.slot)
        try:
            socket.send_fds(plain.socket, [plain.setup], list(program))
        except OSError as error:
            await plain.end()
            raise SandboxError(f"a program cannot be run: {error}") from None
        return plain.socket, plain

    def release(self) -> None:
        """Its slot is not used again: something may have got out of sight in it."""
        if self.slot is not None:
            self._slots.remove(self.slot)


class _Plain:
    """A keeper without namespaces, and the folder that stands in for a private file system."""

    def __init__(self, spec: SandboxSpec, order: dict[str, Any], slot: cgroups.Slot | None) -> None:
        self._slot = slot
        pid = os.getpid()
        prefix = f"metasearch-none-{pid_namespace()}-{pid}-{start_time(pid)}-"
        self._folder = tempfile.mkdtemp(prefix=prefix)
        # Nobody else can list processes for it; the group limits them, or nothing does.
        order = {**order, "room": self._folder, "accounted": True, "measure": False}
        order |= {"count_processes": False}
        self.setup = wire.encode(
            {
                "setup": {
                    "root": False,
                    "user": rootfs.OUTSIDE_USER,
                    "packages": rootfs.packages(),
                    "below_tmp": [],
                    "preload": list(spec.preload),
                    "cold": True,
                    "order": order,
                }
            }
        )
        self.socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-B", "-c", _ENTRY, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env={**dict(rootfs.environment(1)), "PATH": os.environ.get("PATH", os.defpath)},
            )

    async def end(self) -> None:
        """Kill it and what it has started, as far as that can be found; remove its folder."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        for _ in range(_KILLS):
            if self._slot is None or not self._slot.kill():
                break
            await asyncio.sleep(0.005)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


def _left_behind() -> list[Path]:
    """Folders of owners that are dead."""
    found = []
    for path in Path(tempfile.gettempdir()).glob("metasearch-none-*"):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match[1]) != pid_namespace():
            continue
        if path.stat().st_uid == os.getuid() and start_time(int(match[2])) != match[3]:
            found.append(path)
    return found
