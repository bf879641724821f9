"""How many evaluations this machine can run at once, and what it is that bounds them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from metasearch.sandboxes.base import SandboxSpec

RESERVE = 512 * 1024**2
"""Memory kept free for the engine and the workers."""

_MOST = 1024
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


@dataclass(frozen=True)
class Lanes:
    """How many evaluations run at once, and why not more."""

    count: int
    reasons: str
    """Such as ``cores: 2 / 1 each; memory: 23.1 GB / 1.1 GB each; devices: none asked``."""

    def __str__(self) -> str:
        return f"{self.count} ({self.reasons})"


def plan_lanes(
    spec: SandboxSpec,
    machine: Machine | None = None,
    *,
    devices: int = 0,
    asked: int | None = None,
) -> Lanes:
    """As many candidates as have their cores, their full memory and their devices.

    Args:
        spec: What each candidate may use.
        machine: What there is; this machine if not given.
        devices: How many candidates have their GPUs at once; counts only if ``spec`` asks
            for any.
        asked: A person's own number takes the place of cores and memory, which can be shared
            out more thinly. Devices cannot: beyond them candidates would only wait.

    Returns:
        At least one lane.
    """
    machine = machine or Machine.here()
    limits = spec.limits
    by_cores = math.floor(machine.cores / limits.cpus)
    by_memory = (machine.memory - RESERVE) // limits.memory
    reasons = [
        f"cores: {machine.cores} / {limits.cpus:g} each",
        f"memory: {_size(machine.memory)} / {_size(limits.memory)} each",
    ]
    if asked is not None:
        count, reasons = asked, [f"{asked} asked for"]
    else:
        count = max(1, min(by_cores, by_memory, _MOST))
    if spec.gpus:
        count = min(count, devices)
        reasons.append(f"devices: {spec.gpus:g} each, enough for {devices}")
    else:
        reasons.append("devices: none asked")
    return Lanes(max(1, count), "; ".join(reasons))


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB"


def _words(path: Path) -> list[str]:
    """The words of a small system file; none where the kernel has no such file."""
    try:
        return path.read_text("ascii").split()
    except OSError:
        return []
