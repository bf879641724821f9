"""What there is to lease and in which state: what people are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metasearch.sandboxes.gpus.book import UNITS, Book
from metasearch.sandboxes.gpus.devices import Device, DeviceFault, Devices
from metasearch.sandboxes.gpus.processes import name_of

State = Literal["free", "leased", "used", "quarantined", "unusable"]


@dataclass(frozen=True)
class DeviceState:
    """One GPU as it is now."""

    uuid: str
    name: str
    memory: int
    """Bytes that programs can use."""
    used: int
    state: State
    reason: str
    """Who has it, or why nobody can."""


def survey(devices: Devices, book: Book | None = None) -> list[DeviceState]:
    """All GPUs of this machine, with its book if none is given.

    Raises:
        PrerequisiteError: Why none can be looked for.
    """
    found = devices.found()
    book = book or Book()
    return [_state(device, devices, book) for device in found]


def remedy(book: Book, uuid: str) -> str:
    """How a device comes out of quarantine."""
    return f"When it is in order again (see nvidia-smi), remove {book.note(uuid)}."


def inventory(found: Sequence[Device], book: Book) -> str:
    """What there is to lease, and why not more, for a message."""
    why = {device.uuid: _why_unusable(device, book)[1] for device in found}
    usable = [f"{device.uuid} ({device.name})" for device in found if not why[device.uuid]]
    text = "there is 1 usable GPU" if len(usable) == 1 else f"there are {len(usable)} usable GPUs"
    text += f": {', '.join(usable)}." if usable else "."
    rest = [f" {d.uuid} ({d.name}): {why[d.uuid]}" for d in found if why[d.uuid]]
    return text + "".join(rest)


def _why_unusable(device: Device, book: Book) -> tuple[State, str]:
    if device.problem:
        return "unusable", f"{device.problem}."
    if reason := book.quarantined(device.uuid):
        return "quarantined", f"in quarantine: {reason}. {remedy(book, device.uuid)}"
    return "free", ""


def _state(device: Device, devices: Devices, book: Book) -> DeviceState:
    state, reason = _why_unusable(device, book)
    used = 0
    if state != "unusable":
        try:
            usage = devices.usage(device.uuid)
        except DeviceFault as fault:
            state, reason = ("unusable", str(fault)) if state == "free" else (state, reason)
        else:
            used = usage.memory
            taken = book.taken(device.uuid)
            if state == "free" and taken:
                state, reason = "leased", f"{taken / UNITS:.0%} of it to campaigns"
            elif state == "free" and usage.processes:
                names = ", ".join(name_of(pid) for pid in usage.processes)
                state, reason = "used", f"by process {names}, outside of metasearch"
    return DeviceState(device.uuid, device.name, device.memory, used, state, reason)
