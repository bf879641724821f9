"""Leases: a device is one candidate's at a time, and another's only when it is free again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from metasearch.candidate import DeviceUse
from metasearch.errors import PrerequisiteError, SandboxError
from metasearch.sandboxes.gpus.book import Book
from metasearch.sandboxes.gpus.leases import SLACK, Lease, Leases
from metasearch.testing.fake_devices import MEMORY, FakeDevices

GIB = 1024**3
FIRST, SECOND = "GPU-fake-0", "GPU-fake-1"

Make = Callable[..., Leases]


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, notices: list[str]) -> Make:
    """``make(devices, gpus)``: the leases of one of several engines on one machine."""

    def leases(devices: FakeDevices, gpus: float, patience: float = 5.0) -> Leases:
        return Leases(devices, gpus, book=Book(tmp_path), patience=patience, notice=notices.append)

    return leases


async def granted(leases: Leases, seconds: float = 0.3) -> bool:
    """Whether a lease can be had soon; it is returned at once."""

    async def take() -> None:
        async with leases.take():
            pass

    task = asyncio.create_task(take())
    _, waiting = await asyncio.wait({task}, timeout=seconds)
    if waiting:
        task.cancel()
        await asyncio.wait({task})
        return False
    await task
    return True


async def test_uses_are_told_of_the_devices_that_are_leased_now(make: Make) -> None:
    devices = FakeDevices(2)
    devices.busy[FIRST], devices.memory[FIRST] = 0.4, 0
    leases = make(devices, 1)
    assert await leases.uses() == []
    async with leases.take() as lease:
        assert [device.uuid for device in lease.devices] == [FIRST]
        assert await leases.uses() == [DeviceUse(FIRST, "Fake GPU", 0.4, 0, MEMORY)]
    assert await leases.uses() == []


@pytest.mark.parametrize(
    ("count", "gpus", "capacity"), [(3, 1, 3), (5, 2, 2), (2, 0.25, 8), (1, 0.333, 3), (1, 0.6, 1)]
)
def test_lanes_follow_from_devices(make: Make, count: int, gpus: float, capacity: int) -> None:
    assert make(FakeDevices(count), gpus).capacity == capacity


def test_no_device_is_an_error_that_says_why(make: Make) -> None:
    with pytest.raises(PrerequisiteError, match=r"gpus is 1, but there is no GPU: no driver"):
        make(FakeDevices(0), 1)


def test_too_few_devices_are_an_error_that_names_them(make: Make, tmp_path: Path) -> None:
    Book(tmp_path).quarantine(SECOND, "XID 79")
    with pytest.raises(PrerequisiteError) as caught:
        make(FakeDevices(2), 2)
    text = str(caught.value)
    assert "sandbox.gpus is 2, but there is 1 usable GPU: GPU-fake-0 (Fake GPU)" in text
    assert f"{SECOND} (Fake GPU): in quarantine: XID 79" in text
    assert str(Book(tmp_path).note(SECOND)) in text


async def test_whole_devices_are_had_by_one_at_a_time(make: Make) -> None:
    leases, other = make(FakeDevices(2), 1), make(FakeDevices(2), 1)
    async with leases.take() as one, other.take() as two:
        assert {one.devices[0].uuid, two.devices[0].uuid} == {FIRST, SECOND}
        assert one.devices[0].share == 1
        assert one.devices[0].memory == MEMORY
        assert not await granted(leases)
        assert not await granted(make(FakeDevices(2), 0.1))
    assert await granted(leases)
    assert await granted(make(FakeDevices(2), 2))


async def test_shares_go_side_by_side_up_to_the_whole(make: Make) -> None:
    leases = make(FakeDevices(1), 0.5)
    async with leases.take() as one, leases.take() as two:
        assert one.devices == two.devices
        assert one.devices[0].memory == MEMORY // 2
        assert not await granted(leases)
        assert not await granted(make(FakeDevices(1), 1))
    assert await granted(make(FakeDevices(1), 1))


async def test_several_devices_are_had_together_or_not_at_all(make: Make, tmp_path: Path) -> None:
    pair, single = make(FakeDevices(2), 2), make(FakeDevices(2), 1)
    async with single.take():
        assert not await granted(pair)
        assert await granted(single), "what a pair waits for is not kept from others"
    async with pair.take() as lease:
        assert [device.uuid for device in lease.devices] == [FIRST, SECOND]


async def test_candidates_get_theirs_in_the_order_of_asking(make: Make) -> None:
    leases, order = make(FakeDevices(1), 1), []

    async def candidate(number: int) -> None:
        async with leases.take():
            order.append(number)

    await asyncio.gather(*(candidate(number) for number in range(10)))
    assert order == list(range(10))


async def test_a_device_is_back_only_when_its_memory_is(make: Make) -> None:
    devices = FakeDevices(1)
    leases = make(devices, 1)
    taken = asyncio.Event()

    async def candidate() -> None:
        async with leases.take():
            devices.memory[FIRST] = 3 * GIB
            taken.set()

    using = asyncio.create_task(candidate())
    await taken.wait()
    assert not await granted(leases, 0.5)
    assert not using.done()
    devices.memory[FIRST] = SLACK // 2
    await asyncio.wait_for(using, 1)
    assert await granted(leases)


async def test_a_neighbours_memory_is_not_taken_for_what_a_candidate_left(
    make: Make, tmp_path: Path
) -> None:
    devices = FakeDevices(1)
    devices.memory[FIRST] = GIB  # a desktop, say
    leases = make(devices, 0.5, patience=0.3)
    async with leases.take():
        devices.memory[FIRST] = GIB + MEMORY // 2
        async with leases.take():
            pass
        assert leases.capacity == 2
        devices.memory[FIRST] = GIB
    assert leases.capacity == 2
    assert Book(tmp_path).taken(FIRST) == 0


async def test_memory_that_does_not_come_back_puts_a_device_in_quarantine(
    make: Make, notices: list[str]
) -> None:
    devices = FakeDevices(2)
    leases = make(devices, 1, patience=0.3)
    async with leases.take() as lease:
        devices.memory[FIRST] = 5 * GIB
    assert lease.fault == "", "what was measured counts: the device has not failed"
    assert leases.capacity == 1
    (notice,) = notices
    assert f"GPU {FIRST} is in quarantine: 0.3 s after a candidate's end {5 * GIB} bytes" in notice
    assert "remove" in notice
    async with make(devices, 1).take() as lease:
        assert lease.devices[0].uuid == SECOND


async def test_a_fault_of_the_device_is_no_fault_of_the_candidate(
    make: Make, notices: list[str]
) -> None:
    devices = FakeDevices(3)
    leases = make(devices, 1)
    async with leases.take() as lease:
        devices.reported = {FIRST: "the driver reported XID 79"}
    assert "XID 79" in lease.fault
    async with leases.take() as lease:
        assert lease.devices[0].uuid == SECOND
        devices.broken[SECOND] = "NVML: GPU is lost"
    assert "GPU is lost" in lease.fault
    assert leases.capacity == 1
    assert len(notices) == 2


async def test_a_driver_that_hangs_counts_as_a_fault(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(FakeDevices):
        def usage(self, uuid: str) -> object:  # type: ignore[override]
            if uuid == FIRST:
                time.sleep(0.5)
            return super().usage(uuid)

    monkeypatch.setattr("metasearch.sandboxes.gpus.leases._ANSWER", 0.1)
    leases = make(Hanging(2), 1)
    async with leases.take() as lease:
        assert lease.devices[0].uuid == SECOND


async def test_without_any_device_left_the_reason_is_told(make: Make) -> None:
    devices = FakeDevices(1)
    leases = make(devices, 1)
    devices.broken[FIRST] = "NVML: GPU is lost"
    with pytest.raises(SandboxError, match=r"there are 0 usable GPUs.*GPU is lost.*remove"):
        async with leases.take():
            pytest.fail("it cannot be had")


async def test_a_strangers_process_is_waited_for_and_named(
    make: Make, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.sandboxes.gpus.leases._SILENCE", 0.2)
    devices = FakeDevices(1)
    devices.processes[FIRST] = {os.getpid(): 2 * GIB}
    leases = make(devices, 1)
    assert not await granted(leases, 0.5)
    assert len(notices) == 1
    assert f"process {os.getpid()} (" in notices[0]
    devices.processes[FIRST] = {}
    assert await granted(leases)
    async with leases.take():
        devices.processes[FIRST] = {os.getpid(): GIB}
        devices.memory[FIRST] = GIB
    assert leases.capacity == 1, "it came meanwhile, and is not the candidate's"


@pytest.fixture
def isolated() -> Iterator[int]:
    """A process in a process namespace of its own."""
    line = ["bwrap", "--unshare-pid", "--die-with-parent", "--ro-bind", "/", "/"]
    with subprocess.Popen([*line, "sh", "-c", "echo; exec sleep 60"], stdout=PIPE) as outside:
        assert outside.stdout is not None
        if not outside.stdout.readline():
            pytest.skip("bubblewrap does not work here")
        (inside,) = psutil.Process(outside.pid).children(recursive=True)[-1:]
        yield inside.pid
        outside.kill()


@pytest.mark.sandbox
async def test_a_candidates_process_that_stays_puts_its_device_in_quarantine(
    make: Make, notices: list[str], isolated: int
) -> None:
    devices = FakeDevices(1)
    leases = make(devices, 1, patience=0.3)
    async with leases.take():
        devices.processes[FIRST] = {isolated: None}
    assert f"process {isolated} (" in notices[0]
    assert "was still on it" in notices[0]
    assert leases.capacity == 0


@pytest.mark.parametrize("moment", ["waiting", "using", "returning"])
async def test_cancelling_at_any_moment_returns_everything(make: Make, moment: str) -> None:
    devices = FakeDevices(1)
    leases = make(devices, 1)

    async def candidate() -> None:
        async with leases.take():
            devices.memory[FIRST] = GIB if moment == "returning" else 0
            await asyncio.sleep(0 if moment == "returning" else 60)

    tasks = [asyncio.create_task(candidate()) for _ in range(2 if moment == "waiting" else 1)]
    await asyncio.sleep(0.2)
    assert not any(task.done() for task in tasks)
    tasks[-1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(tasks[-1], 1)
    if moment == "returning":
        assert not await granted(leases), "its memory is not free yet"
        devices.memory[FIRST] = 0
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert await granted(leases)
    await asyncio.wait_for(leases.close(), 1)


ENGINE = """
import asyncio, sys
from pathlib import Path
from metasearch.sandboxes.gpus.book import Book
from metasearch.sandboxes.gpus.leases import Leases
from metasearch.testing.fake_devices import FakeDevices

async def main():
    async with Leases(FakeDevices(1), 1, book=Book(Path(sys.argv[1]))).take():
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another engine, which has the only device."""
    line = [sys.executable, "-c", ENGINE, str(tmp_path)]
    with subprocess.Popen(line, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.slow
async def test_what_a_killed_engines_candidate_still_uses_is_waited_for(
    make: Make, engine: subprocess.Popen[str]
) -> None:
    devices = FakeDevices(1)
    leases = make(devices, 1)
    assert not await granted(leases)
    engine.kill()
    engine.wait()
    devices.memory[FIRST] = 4 * GIB  # what runs on it dies a little later
    assert not await granted(leases, 0.5)
    devices.memory[FIRST] = 0
    assert await granted(leases)


@pytest.mark.slow
async def test_what_a_killed_engine_has_left_for_good_is_quarantined(
    make: Make, tmp_path: Path, notices: list[str]
) -> None:
    Book(tmp_path).keep_idle_memory(FIRST, 0)  # as an engine that was killed leaves it
    devices = FakeDevices(1)
    devices.memory[FIRST] = 4 * GIB
    leases = make(devices, 1, patience=0.2)
    with pytest.raises(SandboxError, match="left by an engine that was killed"):
        async with leases.take():
            pytest.fail("it cannot be had")
    assert len(notices) == 1


async def test_nothing_is_booked_while_another_engine_books(make: Make, tmp_path: Path) -> None:
    leases = make(FakeDevices(1), 1)
    with Book(tmp_path).alone():
        assert not await granted(leases)
    assert await granted(leases)


def test_a_lease_of_nothing_is_what_campaigns_without_gpus_have() -> None:
    assert Lease().devices == ()
