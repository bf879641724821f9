"""The pool leases devices for its evaluations, and returns them however these end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from metasearch.candidate import Place
from metasearch.errors import EvaluatorError, PrerequisiteError
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.outcome import Outcome
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.gpus.book import Book
from metasearch.sandboxes.gpus.devices import Device
from metasearch.sandboxes.gpus.leases import Leases
from metasearch.testing.fake_devices import MEMORY, FakeDevices, FileDevices

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

FIRST, SECOND = "GPU-fake-0", "GPU-fake-1"

PROGRAM = """
import os, time

def use(seconds, amount=1):
    (node,) = [name for name in os.listdir("/dev") if name.startswith("nvidia")]
    file = open(f"/dev/{node}", "rb")
    file.seek(amount)
    time.sleep(seconds)
    return int(node.removeprefix("nvidia"))
"""

QUICK = """
async def evaluate(candidate):
    return {"score": await candidate.call("use", 0.1)}
"""

SLOW = """
async def evaluate(candidate):
    return {"score": await candidate.call("use", 60)}
"""


@pytest.fixture
def devices(tmp_path: Path) -> FileDevices:
    return FileDevices(2, tmp_path)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "book")


Spec = Callable[..., EvaluationSpec]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    """``spec(source)``: with bubblewrap, whose workers see the same fake devices."""
    try:
        asyncio.run(_check())
    except PrerequisiteError as error:
        pytest.skip(str(error))
    site = tmp_path / "site"
    info = site / "fake_gpus-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: fake-gpus\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[metasearch.sandboxes]\nfake = fake_gpus:Provider\n")
    (site / "fake_gpus.py").write_text(
        "from pathlib import Path\n"
        "from metasearch.sandboxes.bubblewrap import BubblewrapProvider\n"
        "from metasearch.testing.fake_devices import FileDevices\n"
        "def Provider():\n"
        f"    return BubblewrapProvider(devices=FileDevices(2, Path({str(tmp_path)!r})))\n"
    )
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    def of(source: str, gpus: float = 1, **settings: Any) -> EvaluationSpec:
        return EvaluationSpec(
            **{
                "objectives": {"score": "maximize"},
                "file": "evaluator.py",
                "sources": {"evaluator.py": textwrap.dedent(source)},
                "provider": "fake",
                "sandbox": SandboxSpec(Limits(seconds=30, memory=64 * 1024**2), gpus=gpus),
                **settings,
            }
        )

    return of


async def _check() -> None:
    provider = BubblewrapProvider()
    try:
        await provider.check()
    finally:
        await provider.close()


def request(number: int = 1) -> EvaluationRequest:
    return EvaluationRequest(number=number, files={"program.py": PROGRAM})


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def on(devices: FileDevices) -> dict[str, list[int]]:
    """The processes on each device that has any."""
    usages = {device.uuid: devices.usage(device.uuid) for device in devices.devices}
    return {uuid: list(usage.processes) for uuid, usage in usages.items() if usage.processes}


@contextmanager
def stranger_on(device: Device) -> Iterator[None]:
    """This process, which has not leased the device, is on it."""
    with Path(device.node).open():
        yield


async def test_lanes_follow_the_devices_and_each_candidate_has_its_own(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    async with EvaluationPool(spec(QUICK), leases=Leases(devices, 1, book=book)) as pool:
        assert pool.lanes == min(2, psutil.cpu_count() or 1)
        results = await asyncio.gather(*(pool.evaluate(request(n)) for n in range(8)))
    assert {result.outcome for result in results} == {Outcome.SCORED}
    assert {result.scores["score"].value for result in results} == {0.0, 1.0}
    assert on(devices) == {}
    assert [book.taken(uuid) for uuid in (FIRST, SECOND)] == [0, 0]


async def test_it_tells_where_each_evaluation_begins(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    told: dict[int, Place] = {}
    leases = Leases(devices, 1, book=book)
    async with EvaluationPool(spec(QUICK), 2, leases=leases, placed=told.__setitem__) as pool:
        await asyncio.gather(pool.evaluate(request(1)), pool.evaluate(request(2)))
        await pool.evaluate(request(3))
        assert pool.busy == 0
        assert await pool.device_uses() == []
    assert {told[1].lane, told[2].lane} == {0, 1}
    assert {told[1].devices, told[2].devices} == {(FIRST,), (SECOND,)}
    assert told[3].lane == 0, "the lowest free lane is taken first"
    assert all(place.lanes == 2 for place in told.values())


async def test_a_worker_gets_the_devices_that_it_has_served_before(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    """Each worker has one warm parent for each device set: so there are few in all."""
    source = """
        import os
        async def evaluate(candidate):
            return {"score": await candidate.call("use", 0.3), "worker": os.getpid()}
    """
    leases = Leases(devices, 1, book=book)
    settings = {"metrics": ("worker",)}
    async with EvaluationPool(spec(source, **settings), lanes=2, leases=leases) as pool:
        both = await asyncio.gather(pool.evaluate(request(1)), pool.evaluate(request(2)))
        worker_of = {r.scores["score"].value: r.scores["worker"].value for r in both}
        assert len(set(worker_of.values())) == 2
        for free, busy in ((1.0, devices.devices[0]), (0.0, devices.devices[1])):
            with stranger_on(busy):
                result = await pool.evaluate(request())
            assert result.scores["score"].value == free
            assert result.scores["worker"].value == worker_of[free]


async def test_a_share_is_enforced_in_the_worker(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    source = f"""
        async def evaluate(candidate):
            return {{"score": await candidate.call("use", 20, {MEMORY // 2 + 1})}}
    """
    leases = Leases(devices, 0.5, book=book)
    async with EvaluationPool(spec(source, 0.5), lanes=4, leases=leases) as pool:
        assert pool.lanes == 4
        result = await pool.evaluate(request())
    assert result.outcome is Outcome.OUT_OF_MEMORY
    assert "its share is" in result.error


async def test_cancelling_returns_the_device_once_the_candidate_is_gone(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    async with EvaluationPool(spec(SLOW), lanes=1, leases=Leases(devices, 1, book=book)) as pool:
        task = asyncio.create_task(pool.evaluate(request()))
        await until(lambda: on(devices))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert on(devices) == {}
        await until(lambda: not book.taken(FIRST), 2)


async def test_a_worker_that_dies_leaves_its_device_to_the_next_attempt(
    spec: Spec, devices: FileDevices, book: Book, tmp_path: Path
) -> None:
    source = f"""
        import asyncio, os, pathlib, signal
        async def evaluate(candidate):
            died = pathlib.Path({str(tmp_path / "died")!r})
            using = asyncio.create_task(candidate.call("use", 60 if not died.exists() else 0))
            if not died.exists():
                await asyncio.sleep(1)
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return {{"score": await using}}
    """
    only = FileDevices(1, tmp_path)
    async with EvaluationPool(spec(source), leases=Leases(only, 1, book=book)) as pool:
        result = await pool.evaluate(request())
    assert (tmp_path / "died").exists()
    assert result.scores["score"].value == 0.0
    assert book.quarantined(FIRST) == ""
    assert book.taken(FIRST) == 0


async def test_a_worker_that_is_killed_for_being_stuck_returns_the_device(
    spec: Spec, devices: FileDevices, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.evaluation.process._GRACE", 0.5)
    source = """
        import asyncio
        async def evaluate(candidate):
            using = asyncio.create_task(candidate.call("use", 60))
            await asyncio.sleep(0.7)
            while True: pass
    """
    leases = Leases(devices, 1, book=book)
    async with EvaluationPool(spec(source, timeout=1.5), leases=leases) as pool:
        await pool.check()
        evaluation = asyncio.create_task(pool.evaluate(request()))
        await until(lambda: on(devices))
        with pytest.raises(EvaluatorError, match="evaluator itself took too long"):
            await evaluation
        assert on(devices) == {}
    assert book.taken(FIRST) == 0
    assert book.quarantined(FIRST) == ""


async def test_after_a_fault_the_candidate_is_measured_again_elsewhere(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    notices: list[str] = []
    leases = Leases(devices, 1, book=book, notice=notices.append)
    source = QUICK.replace("0.1", "1")
    async with EvaluationPool(spec(source), lanes=1, leases=leases) as pool:
        evaluation = asyncio.create_task(pool.evaluate(request()))
        await until(lambda: on(devices))
        assert list(on(devices)) == [FIRST]
        devices.reported = {FIRST: "the driver reported XID 79"}
        result = await evaluation
    assert result.scores["score"].value == 1.0
    assert len(notices) == 1
    assert "XID 79" in notices[0]


async def test_what_the_machine_lacks_is_told_with_the_first_lease(
    spec: Spec, devices: FileDevices, book: Book
) -> None:
    sandbox = SandboxSpec(Limits(seconds=30), preload=("no_such_module",), gpus=1)
    source = """
        async def evaluate(candidate):
            try:
                return {"score": await candidate.call("use", 0)}
            except Exception:
                return {"score": 0}
    """
    leases = Leases(devices, 1, book=book)
    async with EvaluationPool(spec(source, sandbox=sandbox), leases=leases) as pool:
        with pytest.raises(PrerequisiteError, match="no_such_module"):
            await pool.evaluate(request())
    assert book.taken(FIRST) == 0


def test_a_pool_without_enough_devices_is_refused(spec: Spec, book: Book) -> None:
    with pytest.raises(PrerequisiteError, match="gpus is 3, but there are 2 usable GPUs"):
        EvaluationPool(spec(QUICK, 3), leases=Leases(FakeDevices(2), 3, book=book))


ENGINE = """
    import asyncio, json, sys
    from pathlib import Path
    from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
    from metasearch.sandboxes.gpus.book import Book
    from metasearch.sandboxes.gpus.leases import Leases
    from metasearch.testing.fake_devices import FileDevices
    async def main():
        folder = Path(sys.argv[1])
        leases = Leases(FileDevices(1, folder), 1, book=Book(folder / "book"))
        given = json.load(sys.stdin)
        request = EvaluationRequest(number=0, files={"program.py": given["program"]})
        spec = EvaluationSpec.from_json(given["spec"])
        async with EvaluationPool(spec, leases=leases) as pool:
            await pool.evaluate(request)
    asyncio.run(main())
"""


async def test_after_kill_9_of_an_engine_another_gets_the_device_when_it_is_free(
    spec: Spec, tmp_path: Path, book: Book
) -> None:
    devices = FileDevices(1, tmp_path)
    leases = Leases(devices, 1, book=book)
    with _engine(tmp_path, {"program": PROGRAM, "spec": spec(SLOW).to_json()}) as engine:
        await until(lambda: on(devices))
        assert book.taken(FIRST) > 0
        waiting = asyncio.create_task(_state_when_granted(leases, devices))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        engine.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        assert await asyncio.wait_for(waiting, 20) == {}
        assert time.monotonic() - killed < 5
    assert book.quarantined(FIRST) == ""


async def _state_when_granted(leases: Leases, devices: FileDevices) -> dict[str, list[int]]:
    async with leases.take():
        return on(devices)


def _engine(folder: Path, given: dict[str, Any]) -> subprocess.Popen[str]:
    engine = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ENGINE), str(folder)],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert engine.stdin is not None
    json.dump(given, engine.stdin)
    engine.stdin.close()
    return engine
