"""Whatever engines and candidates do, in any order, the book of leases stays right."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from metasearch.errors import SandboxError
from metasearch.sandboxes.gpus.book import UNITS, Book
from metasearch.sandboxes.gpus.leases import Lease, Leases
from metasearch.testing.fake_devices import FakeDevices

SIZES = (0.25, 0.333, 0.5, 1, 2)
ENGINES = 3


def _ignore(_: str) -> None:
    """What a person would be told."""


class Candidate:
    """Waits for a lease, then has it until it is told to end."""

    def __init__(self, leases: Leases) -> None:
        self.lease: Lease | None = None
        self.ending = asyncio.Event()
        self.task = asyncio.create_task(self._live(leases))

    async def _live(self, leases: Leases) -> None:
        async with AsyncExitStack() as stack:
            self.lease = await stack.enter_async_context(leases.take())
            await self.ending.wait()


class LeaseMachine(RuleBasedStateMachine):
    """Three engines with demands of their own on two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("metasearch.sandboxes.gpus.leases._POLL", 0.004)
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.book = Book(self.folder)
        self.devices = FakeDevices(2)
        self.uuids = [device.uuid for device in self.devices.devices]
        self.quarantined: set[str] = set()
        self.candidates: list[Candidate] = []
        self.engines: list[Leases] = []

    def do(self, change: Callable[[], object]) -> None:
        """Something happens, and then everybody has time to act."""

        async def act() -> None:
            change()
            await asyncio.sleep(0.03)

        waiting = [candidate for candidate in self.candidates if candidate.lease is None]
        self.runner.run(act())
        for candidate in waiting:
            devices = candidate.lease.devices if candidate.lease else ()
            assert self.quarantined.isdisjoint(device.uuid for device in devices)
        self.quarantined |= {uuid for uuid in self.uuids if self.book.quarantined(uuid)}
        for candidate in [c for c in self.candidates if c.task.done()]:
            self.candidates.remove(candidate)
            self.check_end(candidate)

    def check_end(self, candidate: Candidate) -> None:
        """Nobody fails but who waits for what is in quarantine."""
        error = None if candidate.task.cancelled() else candidate.task.exception()
        if error is not None:
            assert isinstance(error, SandboxError)
            assert candidate.lease is None
            assert self.quarantined

    def holders(self) -> list[Candidate]:
        return [c for c in self.candidates if c.lease is not None and not c.task.done()]

    def used_by(self, candidate: Candidate, sign: int) -> None:
        assert candidate.lease is not None
        for device in candidate.lease.devices:
            self.devices.memory[device.uuid] += sign * device.memory

    @rule(gpus=st.sampled_from(SIZES))
    def an_engine_starts(self, gpus: float) -> None:
        book, devices = Book(self.folder), self.devices
        self.do(lambda: self._try_engine(devices, gpus, book))

    def _try_engine(self, devices: FakeDevices, gpus: float, book: Book) -> None:
        # What goes on takes real time, so rules look for themselves whether they apply:
        # preconditions that differ from run to run would confuse the search.
        if len(self.engines) == ENGINES:
            return
        usable = sum(not book.quarantined(uuid) for uuid in self.uuids)
        if usable >= max(1, int(gpus)):
            self.engines.append(Leases(devices, gpus, book=book, patience=0.02, notice=_ignore))

    @rule(which=st.integers(0, ENGINES - 1))
    def a_candidate_asks(self, which: int) -> None:
        if self.engines and len(self.candidates) < 8:
            engine = self.engines[which % len(self.engines)]
            self.do(lambda: self.candidates.append(Candidate(engine)))

    @rule(which=st.integers(0, 7), leaves_memory=st.booleans())
    def a_candidate_computes_and_ends(self, which: int, leaves_memory: bool) -> None:
        holders = self.holders()
        if not holders:
            return
        candidate = holders[which % len(holders)]
        self.do(lambda: self.used_by(candidate, +1))
        if not leaves_memory:
            self.used_by(candidate, -1)
        self.do(candidate.ending.set)

    @rule(which=st.integers(0, 7))
    def a_candidate_is_cancelled(self, which: int) -> None:
        if self.candidates:
            self.do(self.candidates[which % len(self.candidates)].task.cancel)

    @rule(which=st.integers(0, 1))
    def a_device_reports_a_fault(self, which: int) -> None:
        if self.holders() and not self.quarantined:
            self.do(lambda: self.devices.reported.update({self.uuids[which]: "XID 79"}))

    @rule()
    def leftover_memory_is_freed_at_last(self) -> None:
        if not self.holders():
            self.devices.memory = dict.fromkeys(self.uuids, 0)

    @invariant()
    def no_device_is_leased_beyond_the_whole(self) -> None:
        for uuid in self.uuids:
            shares = [
                device.share
                for candidate in self.holders()
                for device in (candidate.lease.devices if candidate.lease else ())
                if device.uuid == uuid
            ]
            assert sum(shares) <= 1.0
            assert self.book.taken(uuid) <= UNITS

    def teardown(self) -> None:
        """Once candidates end and their memory is free, everybody gets theirs; nothing is left."""

        async def end() -> None:
            async with asyncio.timeout(20):
                while any(not candidate.task.done() for candidate in self.candidates):
                    for candidate in self.holders():
                        candidate.ending.set()
                    await asyncio.sleep(0.01)
                await asyncio.gather(*(engine.close() for engine in self.engines))

        for uuid in self.uuids:
            self.devices.memory[uuid] = 0
        self.runner.run(end())
        self.runner.close()
        self.patch.undo()
        self.quarantined |= {uuid for uuid in self.uuids if self.book.quarantined(uuid)}
        for candidate in self.candidates:
            self.check_end(candidate)
        left = [self.book.taken(uuid) for uuid in self.uuids]
        shutil.rmtree(self.folder)
        assert left == [0, 0], "everything is returned in the end"


TestLeaseMachine = pytest.mark.slow(LeaseMachine.TestCase)
TestLeaseMachine.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
