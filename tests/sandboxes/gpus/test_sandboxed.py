"""Real sandboxes with devices that are files: what a candidate sees, and what it may use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from metasearch.errors import CandidateFailure
from metasearch.outcome import Outcome
from metasearch.sandboxes.base import LeasedDevice, Limits, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.gpus.book import Book
from metasearch.sandboxes.gpus.leases import Leases
from metasearch.testing.fake_devices import MEMORY, FileDevices
from tests.sandboxes.checked import checked

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

GIB = 1024**3

PROGRAM = b"""
import os, time

def seen():
    return sorted(name for name in os.listdir("/dev") if name.startswith("nvidia"))

def variables():
    names = ("CUDA_VISIBLE_DEVICES", "METASEARCH_GPU_SHARE", "XLA_PYTHON_CLIENT_MEM_FRACTION")
    return [os.environ.get(name, "") for name in names]

def allocate(node, amount, seconds=0.0):
    file = open(f"/dev/{node}", "rb")
    file.seek(amount)
    time.sleep(seconds)
    return "done"

def allocate_in_children(node, amount):
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                allocate(node, amount, 60)
            os._exit(0)
    time.sleep(60)
"""


@pytest.fixture
def devices(tmp_path: Path) -> FileDevices:
    return FileDevices(3, tmp_path)


@pytest.fixture(params=["warm", "cold"])
async def provider(
    devices: FileDevices, request: pytest.FixtureRequest
) -> AsyncIterator[BubblewrapProvider]:
    bubblewrap = BubblewrapProvider(cold=request.param == "cold", devices=devices)
    async with checked(bubblewrap) as provider:
        yield provider


def leased(devices: FileDevices, *numbers: int, share: float = 1.0) -> SandboxSpec:
    return SandboxSpec(
        Limits(seconds=10),
        gpus=share if share < 1 else len(numbers),
        devices=tuple(
            LeasedDevice(
                devices.devices[n].uuid, devices.devices[n].node, share, int(share * MEMORY)
            )
            for n in numbers
        ),
    )


async def call(
    provider: BubblewrapProvider, spec: SandboxSpec, function: str, *arguments: object
) -> object:
    async with provider.open(spec) as sandbox:
        await sandbox.write({"program.py": PROGRAM})
        return await sandbox.call(f"program:{function}", *arguments)


async def test_a_candidate_sees_its_own_devices_and_no_other(
    provider: BubblewrapProvider, devices: FileDevices
) -> None:
    sets = [(), (0,), (2,), (0, 1), (0,)]
    seen = await asyncio.gather(
        *(call(provider, leased(devices, *numbers), "seen") for numbers in sets)
    )
    assert seen == [[f"nvidia{n}" for n in numbers] for numbers in sets]


async def test_variables_say_which_devices_and_what_share(
    provider: BubblewrapProvider, devices: FileDevices
) -> None:
    assert await call(provider, leased(devices), "variables") == ["", "", ""]
    whole = await call(provider, leased(devices, 0, 2), "variables")
    assert whole == ["GPU-fake-0,GPU-fake-2", "", ""]
    part = await call(provider, leased(devices, 1, share=0.25), "variables")
    assert part == ["GPU-fake-1", "0.25", "0.2250"]


async def test_who_uses_more_than_its_share_is_ended(
    provider: BubblewrapProvider, devices: FileDevices
) -> None:
    quarter = leased(devices, 0, share=0.25)
    assert await call(provider, quarter, "allocate", "nvidia0", 3 * GIB, 0.3) == "done"
    started = time.monotonic()
    with pytest.raises(CandidateFailure, match="its share is") as caught:
        await call(provider, quarter, "allocate", "nvidia0", 5 * GIB, 60)
    assert caught.value.outcome is Outcome.OUT_OF_MEMORY
    assert time.monotonic() - started < 8  # before the deadline of ten
    assert devices.usage("GPU-fake-0").processes == {}


async def test_what_children_use_counts_however_they_hide(
    provider: BubblewrapProvider, devices: FileDevices
) -> None:
    with pytest.raises(CandidateFailure, match="its share is") as caught:
        await call(
            provider,
            leased(devices, 0, share=0.5),
            "allocate_in_children",
            "nvidia0",
            5 * GIB,
        )
    assert caught.value.outcome is Outcome.OUT_OF_MEMORY
    assert devices.usage("GPU-fake-0").processes == {}


async def test_one_over_its_share_does_not_end_its_neighbour(
    provider: BubblewrapProvider, devices: FileDevices
) -> None:
    half = leased(devices, 0, share=0.5)
    greedy, modest = await asyncio.gather(
        call(provider, half, "allocate", "nvidia0", 9 * GIB, 5),
        call(provider, half, "allocate", "nvidia0", 7 * GIB, 1),
        return_exceptions=True,
    )
    assert isinstance(greedy, CandidateFailure)
    assert modest == "done"


async def test_a_whole_device_is_used_as_a_candidate_likes(
    provider: BubblewrapProvider, devices: FileDevices
) -> None:
    whole = leased(devices, 0)
    assert await call(provider, whole, "allocate", "nvidia0", MEMORY - 1, 0.3) == "done"


async def test_the_next_lease_waits_until_the_candidate_is_gone(
    provider: BubblewrapProvider, devices: FileDevices, tmp_path: Path
) -> None:
    leases = Leases(devices, 1, book=Book(tmp_path / "book"))
    for n in range(4):
        async with leases.take() as lease:
            spec = SandboxSpec(Limits(seconds=10), gpus=1, devices=lease.devices)
            node = Path(lease.devices[0].node).name
            async with provider.open(spec) as sandbox:
                await sandbox.write({"program.py": PROGRAM})
                calling = asyncio.create_task(
                    sandbox.call("program:allocate_in_children", node, GIB)
                )
                await asyncio.sleep(0.5)
                assert len(devices.usage(lease.devices[0].uuid).processes) == 2
            await asyncio.wait({calling})
        assert devices.usage(lease.devices[0].uuid).processes == {}, n
    assert leases.capacity == 3


@pytest.fixture
def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that opens the device as soon as it is imported."""
    package = tmp_path / "lib" / "site-packages"
    package.mkdir(parents=True)
    (package / "eager.py").write_text("kept = open('/dev/nvidia0')\n")
    tmp_path.chmod(0o755)
    monkeypatch.syspath_prepend(str(package))
    return "eager"


async def test_a_preload_that_opens_the_device_makes_candidates_start_cold(
    devices: FileDevices, eager: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider = BubblewrapProvider(devices=devices)
    spec = replace(leased(devices, 0), preload=(eager,))
    try:
        assert await call(provider, spec, "seen") == ["nvidia0"]
    finally:
        await provider.close()
    assert "starts threads or opens a GPU" in caplog.text
