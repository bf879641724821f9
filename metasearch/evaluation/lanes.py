"""How many evaluations this machine can run at once."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from metasearch.sandboxes.base import Limits

RESERVE = 512 * 1024**2
"""Memory kept free for the engine and the workers."""

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What this process may use."""

    cores: int
    memory: int
    """Bytes available now."""

    @classmethod
    def here(cls, cgroup: Path = _CGROUP) -> Machine:
        """Cores by affinity and CPU quota, memory by what is free under the cgroup's limit."""
        cores = float(len(os.sched_getaffinity(0)))
        quota = _words(cgroup / "cpu.max")
        if len(quota) == 2 and quota[0].isdigit():
            cores = min(cores, int(quota[0]) / int(quota[1]))
        memory = int(psutil.virtual_memory().available)
        limit, used = _words(cgroup / "memory.max"), _words(cgroup / "memory.current")
        if limit and used and limit[0].isdigit():
            memory = min(memory, int(limit[0]) - int(used[0]))
        return cls(cores=max(1, math.floor(cores)), memory=max(0, memory))


def default_lanes(limits: Limits, machine: Machine | None = None) -> int:
    """As many candidates as have their cores and their full memory; at least one."""
    machine = machine or Machine.here()
    by_cores = math.floor(machine.cores / limits.cpus)
    by_memory = (machine.memory - RESERVE) // limits.memory
    return max(1, min(by_cores, by_memory, 1024))


def _words(path: Path) -> list[str]:
    """The words of a small system file; none where the kernel has no such file."""
    try:
        return path.read_text("ascii").split()
    except OSError:
        return []
