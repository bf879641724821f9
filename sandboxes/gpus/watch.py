"""Ending a candidate that uses more of a shared device's memory than its share.

No driver limits memory by process, so this is a look every tenth of a second: a candidate
can be over its share for that long, and its neighbours may run out of memory meanwhile.
Where the driver does not tell what a process uses (inside containers), nothing is enforced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from metasearch.outcome import Outcome
from metasearch.sandboxes.base import LeasedDevice
from metasearch.sandboxes.gpus.devices import DeviceFault, Devices
from metasearch.sandboxes.gpus.processes import descends_from

INTERVAL = 0.1
"""Seconds between two looks."""

_log = logging.getLogger(__name__)


class Watched(Protocol):
    """A running sandbox."""

    @property
    def process(self) -> int:
        """Its first process, as we number it; 0 while there is none."""

    def exceed(self, outcome: Outcome, message: str) -> None:
        """End it, by the candidate's fault."""


@contextlib.asynccontextmanager
async def watching(
    sandbox: Watched, leased: Sequence[LeasedDevice], devices: Devices
) -> AsyncIterator[None]:
    """While the block runs, hold the sandbox to its shares; whole devices need no watch."""
    shared = [device for device in leased if device.share < 1]
    if not shared:
        yield
        return
    watch = asyncio.create_task(_watch(sandbox, shared, devices))
    try:
        yield
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def _watch(sandbox: Watched, shared: Sequence[LeasedDevice], devices: Devices) -> None:
    while True:
        await asyncio.sleep(INTERVAL)
        for device in shared if sandbox.process else ():
            try:
                used = await asyncio.to_thread(_used, sandbox.process, device.uuid, devices)
            except DeviceFault as fault:
                # The engine sees it too, and keeps the device from the next candidates.
                _log.warning("the memory share of %s is not watched: %s", device.uuid, fault)
                return
            if used > device.memory:
                sandbox.exceed(
                    Outcome.OUT_OF_MEMORY,
                    f"used {used} bytes of GPU memory; its share is {device.memory}",
                )
                return


def _used(process: int, uuid: str, devices: Devices) -> int:
    """Bytes of a device's memory that a process and all that it has started use."""
    processes = devices.usage(uuid).processes
    return sum(used or 0 for pid, used in processes.items() if descends_from(pid, process))
