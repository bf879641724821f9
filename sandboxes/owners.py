"""Whose it is: names by which what a killed process left behind can be told from the rest."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

OWNER_LABEL = "metasearch.owner"
"""On containers: whose they are."""
CAMPAIGN_LABEL = "metasearch.campaign"
"""On containers, for people: which campaign they serve."""
DEVICES_LABEL = "metasearch.devices"
"""On containers, for people: the GPUs that were leased for them, by UUID."""


@dataclass(frozen=True)
class Owner:
    """One process of one boot of one machine."""

    machine: str
    boot: str
    namespace: int
    """Its process namespace: numbers of processes mean nothing in another one."""
    pid: int
    start: str
    """When it started, in the kernel's ticks: numbers of processes are used again."""

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(_machine(), _boot(), pid_namespace(), pid, start_time(pid) or "")

    def __str__(self) -> str:
        return f"{self.machine}/{self.boot}/{self.namespace}/{self.pid}/{self.start}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Back from ``str``; ``None`` if it is something else."""
        machine, boot, namespace, pid, start = (*text.split("/"), *[""] * 5)[:5]
        if text.count("/") != 4 or not (namespace.isdigit() and pid.isdigit()):
            return None
        return cls(machine, boot, int(namespace), int(pid), start)

    @property
    def is_dead(self) -> bool:
        """Whether it was a process of this machine that is certainly no more."""
        if self.machine != _machine():
            return False
        if self.boot != _boot():
            return True
        return self.namespace == pid_namespace() and start_time(self.pid) != self.start


def start_time(pid: int) -> str | None:
    """When a process of this namespace started; ``None`` if there is none of this number."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return None


def pid_namespace() -> int:
    """The number of our process namespace."""
    return Path("/proc/self/ns/pid").stat().st_ino


def _machine() -> str:
    with contextlib.suppress(OSError):
        if name := Path("/etc/machine-id").read_text("ascii").strip():
            return name
    return socket.gethostname().replace("/", "_")


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
