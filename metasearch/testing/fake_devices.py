"""GPUs that are none, for machines without one.

:class:`FakeDevices` says what it was told. For :class:`FileDevices` a device is a plain
file, so that real candidates in real sandboxes can be on it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.gpus.devices import Device, DeviceFault, Usage

MEMORY = 16 * 1024**3
"""Bytes of each fake device."""


class FakeDevices:
    """As many devices as wanted, of which a test sets what goes on there.

    Attributes:
        devices: What is found; empty means that there is no driver.
        memory: Bytes in use, by UUID.
        processes: On each device, by UUID.
        broken: Devices that do not answer, and what they say instead.
        busy: How much each computes, as far as it tells.
        reported: Faults that are reported with the next question.
    """

    def __init__(self, count: int, folder: Path = Path("/dev")) -> None:
        self.devices = [
            Device(f"GPU-fake-{n}", "Fake GPU", str(folder / f"nvidia{n}"), MEMORY)
            for n in range(count)
        ]
        self.memory = {device.uuid: 0 for device in self.devices}
        self.processes: dict[str, dict[int, int | None]] = {d.uuid: {} for d in self.devices}
        self.busy: dict[str, float] = {}
        self.broken: dict[str, str] = {}
        self.reported: dict[str, str] = {}

    def found(self) -> Sequence[Device]:
        """The devices; if there is none, that there is no driver."""
        if not self.devices:
            raise PrerequisiteError("no driver was found")
        return self.devices

    def usage(self, uuid: str) -> Usage:
        """As it was set."""
        if uuid in self.broken:
            raise DeviceFault(self.broken[uuid])
        return Usage(self.memory[uuid], dict(self.processes[uuid]), self.busy.get(uuid))

    def faults(self) -> Mapping[str, str]:
        """As they were set, once."""
        reported, self.reported = self.reported, {}
        return reported

    def close(self) -> None:
        """Nothing to let go of."""


class FileDevices(FakeDevices):
    """Devices that are files ``nvidia0``, ... in a folder.

    Every process that has the file open is on the device, and uses as many bytes of its
    memory as its place in the file says: to seek is to allocate.
    """

    def __init__(self, count: int, folder: Path) -> None:
        super().__init__(count, folder)
        for device in self.devices:
            Path(device.node).touch()
            Path(device.node).chmod(0o666)

    def usage(self, uuid: str) -> Usage:
        """By looking at what all processes of the machine have open."""
        node = next(device.node for device in self.devices if device.uuid == uuid)
        processes = dict(_users(Path(node).stat()))
        return Usage(self.memory[uuid] + sum(processes.values()), processes)


def _users(node: os.stat_result) -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*/fd"):
        places = []
        with contextlib.suppress(OSError):
            for opened in folder.iterdir():
                with contextlib.suppress(OSError):
                    if os.path.samestat(opened.stat(), node):
                        places.append(_place(folder.parent / "fdinfo" / opened.name))
        if places:
            yield int(folder.parent.name), sum(places)


def _place(info: Path) -> int:
    return int(info.read_text().split("pos:")[1].split()[0])
