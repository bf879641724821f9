"""Control groups: exact limits on memory, processes and processor share, where we may make them.

Both kernel interfaces are served: one tree (version 2) and a tree per controller (version
1). A slot is a group that serves one candidate at a time, and the next one when that is
dead: a removed group lingers in the kernel as long as any page that it was charged for.
What a slot says about out-of-memory kills is the kernel's own
count, so no candidate can fake or hide one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from metasearch.sandboxes.base import Limits
from metasearch.sandboxes.owners import pid_namespace, start_time

_PERIOD = 100_000
_CONTROLLERS = ("memory", "pids", "cpu")
_OVERHEAD = 6 * 1024**2
"""Bytes for what is in a slot beside the candidate: its keeper, and a branch of the parent."""
_OVERHEAD_PIDS = 2
_NAME = re.compile(r"metasearch-(\d+)-(\d+)-(\d+)-\d+")
_numbers = itertools.count()


@dataclass(frozen=True)
class Tree:
    """A folder of the cgroup file system below which we may make groups."""

    folder: Path
    controllers: frozenset[str]
    unified: bool
    """Version 2."""
    top: Path
    """Where the file system is mounted."""


def trees(root: Path = Path("/")) -> tuple[Tree, ...]:
    """Where groups with a memory limit can be made here; empty if nowhere."""
    try:
        own = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ()
    found: list[Tree] = []
    for line in own:
        _, names, path = line.split(":", 2)
        controllers = frozenset(names.split(",")) & set(_CONTROLLERS)
        if names and not controllers:
            continue
        mount = _mounted(mounts, names)
        if mount is None:
            continue
        top = root / mount.lstrip("/")
        start = top / path.lstrip("/")
        tree = _version_1(start, top, controllers) if names else _version_2(start, top)
        if tree is not None:
            found.append(tree)
    return tuple(found) if any("memory" in tree.controllers for tree in found) else ()


def _mounted(mounts: list[str], names: str) -> str | None:
    for line in mounts:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == ("cgroup" if names else "cgroup2") and (
            not names or set(names.split(",")) <= set(options.split(","))
        ):
            return before.split()[4]
    return None


def _version_1(start: Path, top: Path, controllers: frozenset[str]) -> Tree | None:
    return Tree(start, controllers, False, top) if os.access(start, os.W_OK) else None


def _version_2(start: Path, top: Path) -> Tree | None:
    """The nearest group upwards whose children may have their own memory limit.

    A group that holds processes cannot give its children controllers, so our own group
    rarely serves; the groups above it often do.
    """
    for folder in (start, *start.parents):
        if not folder.is_relative_to(top):
            break
        if not os.access(folder, os.W_OK) or not os.access(folder / "cgroup.procs", os.W_OK):
            continue
        control = folder / "cgroup.subtree_control"
        with contextlib.suppress(OSError):
            for controller in set(_CONTROLLERS) - set(control.read_text().split()):
                with contextlib.suppress(OSError):
                    control.write_text(f"+{controller}")
            enabled = frozenset(control.read_text().split()) & set(_CONTROLLERS)
            if "memory" in enabled:
                return Tree(folder, enabled, True, top)
    return None


class Slot:
    """One group in each tree, for one candidate at a time."""

    def __init__(self, where: tuple[Tree, ...]) -> None:
        pid = os.getpid()
        name = f"metasearch-{pid_namespace()}-{pid}-{start_time(pid)}-{next(_numbers)}"
        self._groups = {tree: tree.folder / name for tree in where}
        self._set: dict[Path, str] = {}
        self._events = -1
        self._peak = -1
        self._kills_before = 0
        try:
            for tree, group in self._groups.items():
                group.mkdir()
                if "memory" in tree.controllers:
                    name = "memory.events" if tree.unified else "memory.oom_control"
                    self._events = os.open(group / name, os.O_RDONLY | os.O_CLOEXEC)
                    self._peak = _open_peak(group, tree)
        except OSError:
            self.remove()
            raise

    @property
    def controllers(self) -> frozenset[str]:
        """What it can limit."""
        return frozenset().union(*(tree.controllers for tree in self._groups))

    def limit(self, limits: Limits) -> None:
        """Set what the next candidate may use."""
        memory, pids = str(limits.memory + _OVERHEAD), str(limits.pids + _OVERHEAD_PIDS)
        quota = str(max(int(limits.cpus * _PERIOD), 1000))
        for tree, group in self._groups.items():
            if "memory" in tree.controllers and tree.unified:
                self._write(group / "memory.max", memory)
                self._write(group / "memory.swap.max", "0", optional=True)
            elif "memory" in tree.controllers:
                self._write_version_1(group, memory)
            if "pids" in tree.controllers:
                self._write(group / "pids.max", pids)
            if "cpu" in tree.controllers and tree.unified:
                self._write(group / "cpu.max", f"{quota} {_PERIOD}")
            elif "cpu" in tree.controllers:
                self._write(group / "cpu.cfs_quota_us", quota)
        self._kills_before = self._kills()
        if self._peak >= 0:
            os.pwrite(self._peak, b"0", 0)

    def put(self, pid: int) -> None:
        """Move a process in; what it forks from then on is inside too."""
        for group in self._groups.values():
            (group / "cgroup.procs").write_text(str(pid))

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process here since the limits were set."""
        return self._kills() > self._kills_before

    @property
    def peak_memory(self) -> int | None:
        """Most bytes charged to it at once since the limits were set, its keeper's among them.

        ``None`` where the kernel cannot start this count anew for each candidate.
        """
        return int(os.pread(self._peak, 32, 0)) if self._peak >= 0 else None

    def kill(self) -> bool:
        """Kill what is in the groups; whether there was anything."""
        found = False
        for group in self._groups.values():
            for pid in (group / "cgroup.procs").read_text().split():
                found = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        return found

    def remove(self) -> None:
        """Take the groups away."""
        for descriptor in (self._events, self._peak):
            if descriptor >= 0:
                os.close(descriptor)
        self._events = self._peak = -1
        for group in self._groups.values():
            with contextlib.suppress(OSError):
                group.rmdir()

    def _kills(self) -> int:
        for line in os.pread(self._events, 4096, 0).splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
        return 0

    def _write_version_1(self, group: Path, memory: str) -> None:
        with_swap = group / "memory.memsw.limit_in_bytes"
        if self._set.get(group / "memory.limit_in_bytes") == memory:
            return
        # The limit with swap may never be below the one without.
        self._write(with_swap, "-1", optional=True)
        self._write(group / "memory.limit_in_bytes", memory)
        self._write(with_swap, memory, optional=True)

    def _write(self, file: Path, value: str, *, optional: bool = False) -> None:
        if self._set.get(file) == value:
            return
        try:
            file.write_text(value)
        except OSError:
            if not optional:
                raise
        self._set[file] = value


def _open_peak(group: Path, tree: Tree) -> int:
    """The file of a group's peak of memory; -1 if it cannot be reset (version 2 before 6.12)."""
    name = "memory.peak" if tree.unified else "memory.max_usage_in_bytes"
    with contextlib.suppress(OSError):
        descriptor = os.open(group / name, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, b"0", 0)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return -1


class Slots:
    """All slots of one provider."""

    def __init__(self, where: tuple[Tree, ...]) -> None:
        self._trees = where
        self._all: set[Slot] = set()

    def make(self) -> Slot | None:
        """A new slot, or ``None`` where groups cannot be made."""
        if not self._trees:
            return None
        try:
            slot = Slot(self._trees)
            slot.limit(Limits())
        except OSError:
            # There, but not ours to write in, as in many containers.
            self._trees = ()
            return None
        self._all.add(slot)
        return slot

    def remove(self, slot: Slot) -> None:
        """Take a slot away for good."""
        self._all.discard(slot)
        slot.remove()

    def close(self) -> None:
        """Remove all of them."""
        for slot in list(self._all):
            self.remove(slot)


def _groups_below(top: Path) -> list[Path]:
    return [
        Path(folder) / name
        for folder, names, _ in os.walk(top)
        for name in names
        if name.startswith("metasearch-")
    ]


def reap() -> tuple[int, int]:
    """Remove the groups of dead owners, and what may still run in them.

    Returns:
        How many are gone, and how many could not be removed yet because what was in them
        is still dying.
    """
    removed: set[str] = set()
    remaining: set[str] = set()
    for tree in trees():
        # Everywhere: a killed owner may have belonged to another group than ours.
        for group in _groups_below(tree.top):
            match = _NAME.fullmatch(group.name)
            if match is None or int(match[1]) != pid_namespace():
                continue
            if start_time(int(match[2])) == match[3]:
                continue
            with contextlib.suppress(OSError):
                for pid in (group / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
            try:
                group.rmdir()
                removed.add(group.name)
            except OSError:
                remaining.add(group.name)
    return len(removed - remaining), len(remaining)
