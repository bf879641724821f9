"""The real thing, where there is one: CUDA in a sandbox, on a leased device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from metasearch.errors import CandidateFailure, PrerequisiteError
from metasearch.outcome import Outcome
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.gpus.book import Book
from metasearch.sandboxes.gpus.leases import Leases
from metasearch.sandboxes.gpus.nvml import NvmlDevices

pytestmark = [pytest.mark.gpu, pytest.mark.sandbox, pytest.mark.slow]

LIMITS = Limits(seconds=60, memory=8 * 1024**3, pids=256)

# Through the driver's own library, so that no package is needed.
PROGRAM = b"""
import ctypes, os, time, uuid

def _start():
    cuda = ctypes.CDLL("libcuda.so.1")
    def call(name, *arguments):
        code = getattr(cuda, name)(*arguments)
        assert code == 0, f"{name}: {code}"
    call("cuInit", 0)
    return call

def devices():
    call, count = _start(), ctypes.c_int()
    call("cuDeviceGetCount", ctypes.byref(count))
    found = []
    for number in range(count.value):
        raw = (ctypes.c_ubyte * 16)()
        call("cuDeviceGetUuid", raw, number)
        found.append(f"GPU-{uuid.UUID(bytes=bytes(raw))}")
    nodes = [name[6:] for name in os.listdir("/dev") if name.startswith("nvidia")]
    return found, sorted(name for name in nodes if name.isdigit())

def allocate(amount, seconds):
    call, context, place = _start(), ctypes.c_void_p(), ctypes.c_uint64()
    call("cuCtxCreate_v2", ctypes.byref(context), 0, 0)
    call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(amount))
    time.sleep(seconds)
    return "done"
"""


@pytest.fixture
def devices() -> Iterator[NvmlDevices]:
    devices = NvmlDevices()
    try:
        if not devices.found():
            pytest.skip("the NVIDIA driver knows no GPU")
    except PrerequisiteError as error:
        pytest.skip(str(error))
    yield devices
    devices.close()


@pytest.fixture
async def provider(devices: NvmlDevices) -> AsyncIterator[BubblewrapProvider]:
    provider = BubblewrapProvider()
    try:
        await provider.check()
    except PrerequisiteError as error:
        pytest.skip(str(error))
    yield provider
    await provider.close()


async def test_a_candidate_computes_on_its_leased_device_and_leaves_nothing(
    devices: NvmlDevices, provider: BubblewrapProvider, tmp_path: Path
) -> None:
    leases = Leases(devices, 1, book=Book(tmp_path))
    async with leases.take() as lease:
        (leased,) = lease.devices
        before = devices.usage(leased.uuid).memory
        spec = SandboxSpec(LIMITS, gpus=1, devices=lease.devices)
        async with provider.open(spec) as sandbox:
            await sandbox.write({"program.py": PROGRAM})
            found, nodes = await sandbox.call("program:devices")
            assert found == [leased.uuid]
            assert nodes == [leased.node.removeprefix("/dev/nvidia")]
            calling = asyncio.create_task(sandbox.call("program:allocate", 1024**3, 3))
            await asyncio.sleep(2)
            assert devices.usage(leased.uuid).memory > before + 1024**3
            assert await calling == "done"
    assert lease.fault == ""
    assert leases.capacity == len([d for d in devices.found() if not d.problem])


async def test_without_a_lease_there_is_no_device(provider: BubblewrapProvider) -> None:
    async with provider.open(SandboxSpec(LIMITS)) as sandbox:
        await sandbox.write({"program.py": PROGRAM})
        with pytest.raises(CandidateFailure) as caught:
            await sandbox.call("program:devices")
    assert caught.value.outcome is Outcome.CRASHED


async def test_memory_over_the_share_ends_a_candidate(
    devices: NvmlDevices, provider: BubblewrapProvider, tmp_path: Path
) -> None:
    leases = Leases(devices, 0.125, book=Book(tmp_path))
    async with leases.take() as lease:
        (leased,) = lease.devices
        spec = SandboxSpec(LIMITS, gpus=0.125, devices=lease.devices)
        async with provider.open(spec) as sandbox:
            await sandbox.write({"program.py": PROGRAM})
            with pytest.raises(CandidateFailure, match="its share is") as caught:
                await sandbox.call("program:allocate", leased.memory, 50)
    assert caught.value.outcome is Outcome.OUT_OF_MEMORY
    assert lease.fault == ""
