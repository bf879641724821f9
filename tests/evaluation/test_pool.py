"""The pool and its worker processes: nothing a user's evaluator does harms the engine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from metasearch.errors import CampaignError, EvaluatorError, SandboxError
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec, Outcome
from metasearch.evaluation.process import TAIL, WorkerProcess
from metasearch.evaluation.spec import StageSpec

pytestmark = pytest.mark.slow

SIMPLE = """
async def evaluate(candidate):
    return {"score": await candidate.call("value")}
"""

Spec = Callable[..., EvaluationSpec]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    """``spec(source)``: with a sandbox that is none, installed as a plug-in of the worker."""
    info = tmp_path / "site" / "unsafe_local-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: unsafe-local\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[metasearch.sandboxes]\n"
        "unsafe-local = metasearch.testing.local_sandbox:UnsafeLocalProvider\n"
    )
    paths = [str(info.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    def of(source: str, function: str = "evaluate", **settings: Any) -> EvaluationSpec:
        return EvaluationSpec(
            **{
                "objectives": {"score": "maximize"},
                "file": "evaluator.py",
                "sources": {"evaluator.py": textwrap.dedent(source)},
                "folder": str(tmp_path),
                "stages": (StageSpec(function),),
                "provider": "unsafe-local",
                **settings,
            }
        )

    return of


def request(number: int = 1, source: str = "def value(): return 4") -> EvaluationRequest:
    return EvaluationRequest(number=number, files={"program.py": source})


def workers_of(parent: int) -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process(parent).children(recursive=True)
        if "metasearch.evaluation.worker" in " ".join(process.cmdline())
    ]


async def test_candidates_are_evaluated_and_nothing_is_left(spec: Spec) -> None:
    async with EvaluationPool(spec(SIMPLE), lanes=2) as pool:
        await pool.check()
        sources = [f"def value(): return {n}" for n in range(20)]
        work = [pool.evaluate(request(n, source)) for n, source in enumerate(sources)]
        results = await asyncio.gather(*work)
        assert len(workers_of(os.getpid())) <= 2
        assert pool.busy == 0
    assert [result.scores["score"].value for result in results] == list(range(20))
    assert workers_of(os.getpid()) == []


async def test_lanes_bound_what_runs_at_once(spec: Spec) -> None:
    source = """
        import asyncio
        running = most = 0
        async def evaluate(candidate):
            global running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.05)
            running -= 1
            return {"score": most}
    """
    async with EvaluationPool(spec(source), lanes=6) as pool:
        results = await asyncio.gather(*(pool.evaluate(request(n)) for n in range(30)))
    highest = max(result.scores["score"].value for result in results)
    assert highest <= 6
    assert highest >= 2, "a worker serves several evaluations at once"


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("def evalute(candidate): pass", CampaignError, "did you mean 'evalute'"),
        ("def evaluate(candidate:", EvaluatorError, "SyntaxError"),
        ("raise ValueError('no data')", EvaluatorError, "no data"),
        ("import os; os._exit(3)", EvaluatorError, "exit code 3"),
        ("print('last words'); import os; os.abort()", EvaluatorError, "(?s)SIGABRT.*last words"),
    ],
)
async def test_check_tells_what_is_wrong_with_the_evaluator(
    spec: Spec, source: str, kind: type[Exception], message: str
) -> None:
    async with EvaluationPool(spec(source), lanes=1) as pool:
        with pytest.raises(kind, match=message):
            await pool.check()


async def test_an_unknown_sandbox_is_told_at_check(spec: Spec) -> None:
    async with EvaluationPool(spec(SIMPLE, provider="bubblewarp"), lanes=1) as pool:
        with pytest.raises(Exception, match="bubblewarp"):
            await pool.check()


async def test_a_bug_in_the_evaluator_reaches_the_engine_with_its_traceback(spec: Spec) -> None:
    source = "def evaluate(candidate):\n    return {'score': 1 / candidate.call('value')}\n"
    async with EvaluationPool(spec(source), lanes=1) as pool:
        with pytest.raises(EvaluatorError, match=r"(?s)evaluator\.py.*line 2.*ZeroDivisionError"):
            await pool.evaluate(request(source="def value(): return 0"))
        again = await pool.evaluate(request())
    assert again.scores["score"].value == 0.25


async def test_a_sandbox_that_breaks_once_costs_a_second_try(spec: Spec, tmp_path: Path) -> None:
    source = f"""
import pathlib
from metasearch.errors import SandboxError
def value():
    marker = pathlib.Path({str(tmp_path)!r}, "broke")
    if not marker.exists():
        marker.touch()
        raise SandboxError("gone")
    return 3
"""
    async with EvaluationPool(spec(SIMPLE), lanes=1) as pool:
        result = await pool.evaluate(request(source=source))
    assert result.outcome is Outcome.SCORED


async def test_a_broken_sandbox_stays_a_broken_sandbox(spec: Spec) -> None:
    source = "from metasearch.errors import SandboxError\ndef value(): raise SandboxError('gone')"
    async with EvaluationPool(spec(SIMPLE), lanes=1) as pool:
        with pytest.raises(SandboxError, match="gone"):
            await pool.evaluate(request(source=source))


async def test_a_worker_that_dies_once_is_replaced(spec: Spec, tmp_path: Path) -> None:
    source = f"""
        import os, pathlib, signal
        async def evaluate(candidate):
            marker = pathlib.Path({str(tmp_path)!r}, "died")
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return {{"score": 1.0}}
    """
    async with EvaluationPool(spec(source), lanes=1) as pool:
        result = await pool.evaluate(request())
    assert result.outcome is Outcome.SCORED


async def test_a_worker_that_dies_again_is_the_evaluators_error(spec: Spec) -> None:
    source = """
        import os
        async def evaluate(candidate):
            print("about to leave")
            os._exit(9)
    """
    async with EvaluationPool(spec(source), lanes=1) as pool:
        with pytest.raises(EvaluatorError, match=r"(?s)#5.*exit code 9.*about to leave"):
            await pool.evaluate(request(5))


async def test_a_dead_worker_is_seen_although_its_child_holds_the_pipe(spec: Spec) -> None:
    source = """
        import os, time
        async def evaluate(candidate):
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
            os._exit(1)
    """
    started = time.monotonic()
    async with EvaluationPool(spec(source), lanes=1) as pool:
        with pytest.raises(EvaluatorError, match="exit code 1"):
            await pool.evaluate(request())
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("how", ["def", "async def"])
async def test_an_evaluator_may_print_a_hundred_megabytes(spec: Spec, how: str) -> None:
    source = f"""
        import sys
        {how} evaluate(candidate):
            for _ in range(100):
                sys.stdout.write("x" * 999_999 + "\\n")
                sys.stderr.write("y" * 999_999 + "\\n")
            print("the end", file=sys.stderr)
            return {{"score": 1.0}}
    """
    worker = WorkerProcess(spec(source))
    try:
        await worker.ready()
        before = psutil.Process().memory_info().rss
        evaluation = asyncio.create_task(worker.evaluate(request()))
        highest, longest = before, 0.0
        while not evaluation.done():
            started = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - started)
            highest = max(highest, psutil.Process().memory_info().rss)
        assert (await evaluation).outcome is Outcome.SCORED
        while not worker.printed.endswith("the end\n"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert len(worker.printed) == TAIL
        assert highest - before < 20_000_000
        assert longest < 1.0, "the engine has other things to do"
    finally:
        await worker.close()


async def test_an_evaluator_that_never_gives_way_is_ended(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.evaluation.process._GRACE", 0.5)
    source = "async def evaluate(candidate):\n    while True: pass\n"
    async with EvaluationPool(spec(source, timeout=0.5), lanes=1) as pool:
        await pool.check()
        with pytest.raises(EvaluatorError, match="evaluator itself took too long"):
            await pool.evaluate(request())
    assert workers_of(os.getpid()) == []


@pytest.mark.parametrize(("longest", "limit"), [(0.1, 0.5), (0.7, 0.7), (60.0, 1.0)])
async def test_an_evaluator_that_never_finishes_loading_is_ended(
    spec: Spec, monkeypatch: pytest.MonkeyPatch, longest: float, limit: float
) -> None:
    monkeypatch.setattr("metasearch.evaluation.process._LEAST_LOADING", 0.5)
    monkeypatch.setattr("metasearch.evaluation.process._LOADING", 1.0)
    async with EvaluationPool(spec("while True: pass", timeout=longest), lanes=1) as pool:
        with pytest.raises(EvaluatorError, match=f"did not finish loading within {limit:g} s"):
            await pool.check()
    assert workers_of(os.getpid()) == []


async def test_what_the_evaluator_prints_is_logged_once_it_is_closed(
    spec: Spec, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "metasearch.evaluator")
    source = "def evaluate(candidate):\n    print('got', 4)\n    return {'score': 1.0}\n"
    async with EvaluationPool(spec(source), lanes=1) as pool:
        await pool.evaluate(request())
    assert [record.getMessage() for record in caplog.records] == ["got 4\n"]


async def test_what_an_error_has_quoted_is_not_logged_again(
    spec: Spec, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "metasearch.evaluator")
    source = "import os\nprint('last words')\nos._exit(3)"
    async with EvaluationPool(spec(source), lanes=1) as pool:
        with pytest.raises(EvaluatorError, match="last words"):
            await pool.check()
    assert caplog.records == []


async def test_cancelling_returns_soon_and_leaves_the_pool_usable(spec: Spec) -> None:
    program = "import asyncio\nasync def value(): await asyncio.sleep(60)"
    async with EvaluationPool(spec(SIMPLE), lanes=1) as pool:
        await pool.check()
        task = asyncio.create_task(pool.evaluate(request(source=program)))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 20
        assert pool.busy == 0
        assert (await pool.evaluate(request())).scores["score"].value == 4.0
        assert len(workers_of(os.getpid())) == 1


async def test_closing_does_not_wait_for_a_thread_that_never_ends(spec: Spec) -> None:
    source = "import time\ndef evaluate(candidate):\n    time.sleep(60)\n"
    async with EvaluationPool(spec(source), lanes=1) as pool:
        await pool.check()
        task = asyncio.create_task(pool.evaluate(request()))
        await asyncio.sleep(0.2)
        task.cancel()
        started = time.monotonic()
    assert time.monotonic() - started < 20
    assert workers_of(os.getpid()) == []


def test_workers_end_with_a_killed_engine(spec: Spec, tmp_path: Path) -> None:
    engine = """
        import asyncio, json, sys
        from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
        async def main():
            async with EvaluationPool(EvaluationSpec.from_json(json.load(sys.stdin)), 1) as pool:
                await pool.check()
                print("ready", flush=True)
                await pool.evaluate(EvaluationRequest(number=0, files={"program.py": ""}))
        asyncio.run(main())
    """
    stuck = spec("async def evaluate(candidate):\n    while True: pass\n")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(engine)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        json.dump(stuck.to_json(), process.stdin)
        process.stdin.close()
        assert process.stdout.readline() == "ready\n"
        workers = workers_of(process.pid)
        assert len(workers) == 1
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=3)
    assert alive == []


def test_a_worker_imports_nothing_heavy() -> None:
    heavy = ("pydantic", "litellm", "sqlalchemy", "numpy", "scipy", "psutil")
    code = f"""
        import sys, metasearch.evaluation.worker
        print([name for name in {heavy!r} if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
