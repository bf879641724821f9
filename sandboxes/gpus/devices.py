"""What is asked of a list of GPUs, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Device:
    """A GPU of this machine."""

    uuid: str
    """Its name for life, such as ``GPU-5f3c...``; numbers change with every start."""
    name: str
    node: str
    """Its device file, such as ``/dev/nvidia0``."""
    memory: int
    """Bytes that programs can use: without what the driver keeps for itself."""
    problem: str = ""
    """Why it cannot be leased at all, if so."""


@dataclass(frozen=True)
class Usage:
    """What goes on on a device at one moment."""

    memory: int
    """Bytes in use."""
    processes: Mapping[int, int | None]
    """Computing processes and their bytes, which not every driver tells. Inside a container
    the driver tells of no process at all. A desktop's own drawing does not count."""
    busy: float | None = None
    """Share of the last moment, up to a second, in which anything computed; ``None`` where the
    driver does not tell."""


class DeviceFault(Exception):
    """A device does not answer, or has reported an error that is not its program's."""


class Devices(Protocol):
    """The GPUs of this machine. Methods may be called from any threads, several at once."""

    def found(self) -> Sequence[Device]:
        """All of them, those with a problem too.

        Raises:
            PrerequisiteError: Why none can be looked for: no driver, no library.
        """

    def usage(self, uuid: str) -> Usage:
        """What goes on on one.

        Raises:
            DeviceFault: It does not answer.
        """

    def faults(self) -> Mapping[str, str]:
        """Devices that have reported a fault since this was asked last, and which."""

    def close(self) -> None:
        """Let go of the driver."""
