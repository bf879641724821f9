"""Leases of GPUs: had by one candidate, and by the next only when nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from metasearch.candidate import DeviceUse
from metasearch.errors import PrerequisiteError, SandboxError
from metasearch.sandboxes.base import LeasedDevice
from metasearch.sandboxes.gpus.book import UNITS, Book, Booking, units_of
from metasearch.sandboxes.gpus.devices import Device, DeviceFault, Devices, Usage
from metasearch.sandboxes.gpus.processes import is_isolated, name_of
from metasearch.sandboxes.gpus.survey import inventory, remedy

SLACK = 128 * 1024**2
"""Bytes by which memory in use may differ without anybody having them."""
PATIENCE = 30.0
"""Seconds in which a candidate's memory has to be free again after its end."""

_POLL = 0.1
_ANSWER = 10.0
"""Seconds in which the driver has to answer; one that hangs has lost a device."""
_SILENCE = 10.0
"""Seconds of waiting before a person is told what for."""

_log = logging.getLogger(__name__)


@dataclass
class Lease:
    """What one candidate may use."""

    devices: tuple[LeasedDevice, ...] = ()
    fault: str = ""
    """Why nothing measured on them counts, once they are returned: a device has failed."""


class Leases:
    """Gives each candidate the GPUs it needs, on the machine's common book.

    Used by one engine in one event loop. Candidates get theirs in the order in which they
    ask; between engines it is whoever finds a device free first.

    Args:
        devices: What there is.
        gpus: How many each candidate needs: 1, 2, ... or a fraction of one.
        book: Of this machine, if not given.
        patience: Seconds after which a device that does not become free is quarantined.
        notice: Told what a person should know, in one line.

    Raises:
        PrerequisiteError: There are not as many; says what there is, and why not more.
    """

    def __init__(
        self,
        devices: Devices,
        gpus: float,
        *,
        book: Book | None = None,
        patience: float = PATIENCE,
        notice: Callable[[str], None] = _log.warning,
    ) -> None:
        self._devices = devices
        self._gpus = gpus
        self._units = units_of(gpus)
        self._count = max(1, int(gpus))
        self._patience = patience
        self._notice = notice
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._returns: set[asyncio.Task[None]] = set()
        self._in_use: Counter[str] = Counter()
        self._in_the_way: dict[str, str] = {}
        """Why each device could not be had when it was looked at last."""
        self._leftover_since: dict[str, float] = {}
        try:
            self._found = {device.uuid: device for device in devices.found()}
        except PrerequisiteError as error:
            raise PrerequisiteError(f"{_asked(gpus)}, but there is no GPU: {error}") from None
        self._book = book or Book()
        if self.capacity == 0:
            raise PrerequisiteError(self._too_few())

    @property
    def capacity(self) -> int:
        """How many candidates can have theirs at once, if no other engine has any."""
        usable = len(self._usable())
        return usable // self._count if self._gpus >= 1 else usable * (UNITS // self._units)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Lease]:
        """Devices for one candidate, as soon as they are free; returned when the block ends.

        The block has to end the candidate. It is left when the devices are free again, or
        quarantined; if it is cancelled they are returned in the background.

        Raises:
            SandboxError: All devices that might have served are quarantined.
        """
        async with self._turn:
            bookings = await self._wait()
        lease = Lease(tuple(self._leased(self._found[uuid]) for uuid in bookings))
        self._in_use.update(bookings.keys())
        try:
            yield lease
        finally:
            returning = asyncio.create_task(self._return(bookings, lease))
            self._returns.add(returning)
            returning.add_done_callback(self._returns.discard)
            await asyncio.shield(returning)

    async def uses(self) -> list[DeviceUse]:
        """What goes on on the devices that candidates of this engine have now."""
        usages = await self._look(uuid for uuid, count in self._in_use.items() if count)
        return [
            DeviceUse(uuid, self._found[uuid].name, use.busy, use.memory, self._found[uuid].memory)
            for uuid, use in usages.items()
        ]

    async def close(self) -> None:
        """Wait until all is returned."""
        await asyncio.gather(*self._returns)
        self._devices.close()

    # Taking

    async def _wait(self) -> dict[str, Booking]:
        """The first devices that are free."""
        began, told = time.monotonic(), False
        while True:
            self._freed.clear()
            usages = await self._look(device.uuid for device in self._usable())
            if self.capacity == 0:
                raise SandboxError(self._too_few())
            if (bookings := self._try(usages)) is not None:
                return bookings
            if not told and time.monotonic() - began > _SILENCE:
                told = True
                reasons = "; ".join(f"{uuid}: {why}" for uuid, why in self._in_the_way.items())
                self._notice(f"Waiting for GPUs ({_asked(self._gpus)}): {reasons}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), _POLL)

    def _try(self, usages: Mapping[str, Usage]) -> dict[str, Booking] | None:
        """All that one candidate needs, or nothing."""
        bookings: dict[str, Booking] = {}
        self._in_the_way = {}
        with self._book.alone() as alone:
            if not alone:
                return None
            # Shares go to the device with most left, so that neighbours are few.
            for uuid in sorted(usages, key=self._book.taken):
                booking = self._book_if_clean(uuid, usages[uuid])
                if booking is not None:
                    bookings[uuid] = booking
                if len(bookings) == self._count:
                    return bookings
            for booking in bookings.values():
                booking.close()
        return None

    def _book_if_clean(self, uuid: str, usage: Usage) -> Booking | None:
        others = self._book.taken(uuid)
        if others + self._units > UNITS:
            self._in_the_way[uuid] = f"{others / UNITS:.0%} of it is leased"
        elif why := self._unaccounted(uuid, usage, others):
            self._in_the_way[uuid] = why
        elif (booking := self._book.book(uuid, self._units)) is not None:
            if others == 0:
                self._book.keep_idle_memory(uuid, usage.memory)
            return booking
        return None

    def _unaccounted(self, uuid: str, usage: Usage, others: int) -> str:
        """What uses the device besides those who have leased the others' part of it, if so."""
        if others == 0 and usage.processes:
            names = ", ".join(name_of(pid) for pid in usage.processes)
            return f"process {names} uses it, which has not leased it"
        if not (surplus := self._surplus(uuid, usage, others)):
            self._leftover_since.pop(uuid, None)
            return ""
        why = f"{surplus} bytes of its memory are in use by nobody who has leased it"
        since = self._leftover_since.setdefault(uuid, time.monotonic())
        if others == 0 and time.monotonic() - since > self._patience:
            self._quarantine(uuid, f"{why}, left by an engine that was killed")
        return why

    def _surplus(self, uuid: str, usage: Usage, others: int) -> int:
        """Bytes in use beyond what was in use before, and what the others may use."""
        idle = self._book.idle_memory(uuid)
        if idle is None:
            return 0
        surplus = usage.memory - idle - others * self._found[uuid].memory // UNITS
        return surplus if surplus > SLACK else 0

    # Returning

    async def _return(self, bookings: dict[str, Booking], lease: Lease) -> None:
        deadline = time.monotonic() + self._patience
        waiting = dict(bookings)
        while waiting:
            usages = await self._look(waiting)
            for uuid, booking in list(waiting.items()):
                left = self._left_on(uuid, usages[uuid], booking) if uuid in usages else ""
                if left and time.monotonic() < deadline:
                    continue
                if left:
                    self._quarantine(uuid, f"{self._patience:g} s after a candidate's end {left}")
                elif fault := self._book.quarantined(uuid):
                    lease.fault = f"{uuid}: {fault}"
                elif self._book.taken(uuid) == booking.units:
                    self._book.keep_idle_memory(uuid, None)
                booking.close()
                self._in_use[uuid] -= 1
                del waiting[uuid]
                self._freed.set()
            if waiting:
                await asyncio.sleep(_POLL)

    def _left_on(self, uuid: str, usage: Usage, booking: Booking) -> str:
        """What the candidate has left on a device, if anything."""
        others = self._book.taken(uuid) - booking.units
        candidates = [pid for pid in usage.processes if is_isolated(pid)]
        if others == 0 and candidates:
            # With neighbours it might be one of theirs; then memory alone has to tell.
            return f"process {', '.join(map(name_of, candidates))} was still on it"
        if others == 0 and usage.processes:
            return ""  # Somebody else has come, and nobody can tell whose memory it is.
        if surplus := self._surplus(uuid, usage, others):
            return f"{surplus} bytes of its memory were still in use"
        return ""

    # Faults

    async def _look(self, uuids: Iterable[str]) -> dict[str, Usage]:
        """What goes on on devices. Those that fail are quarantined and left out."""
        usages: dict[str, Usage] = {}
        for uuid in list(uuids):
            try:
                async with asyncio.timeout(_ANSWER):
                    usages[uuid] = await asyncio.to_thread(self._devices.usage, uuid)
            except DeviceFault as fault:
                self._quarantine(uuid, str(fault))
            except TimeoutError:
                self._quarantine(uuid, f"the driver gave no answer within {_ANSWER:g} s")
        reported: Mapping[str, str] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER):
                reported = await asyncio.to_thread(self._devices.faults)
        for uuid, reason in reported.items():
            if uuid in self._found:
                self._quarantine(uuid, reason)
                usages.pop(uuid, None)
        return usages

    def _quarantine(self, uuid: str, reason: str) -> None:
        if self._book.quarantined(uuid):
            return
        self._book.quarantine(uuid, reason)
        self._notice(f"GPU {uuid} is in quarantine: {reason}. {remedy(self._book, uuid)}")

    def _usable(self) -> list[Device]:
        return [
            device
            for device in self._found.values()
            if not device.problem and not self._book.quarantined(device.uuid)
        ]

    def _leased(self, device: Device) -> LeasedDevice:
        share = min(self._gpus, 1.0)
        return LeasedDevice(device.uuid, device.node, share, int(share * device.memory))

    def _too_few(self) -> str:
        return f"{_asked(self._gpus)}, but {inventory(list(self._found.values()), self._book)}"


def _asked(gpus: float) -> str:
    return f"sandbox.gpus is {gpus:g}"
