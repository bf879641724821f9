"""The whole way: pool, worker, evaluator, and a candidate in a real sandbox."""

from __future__ import annotations

import asyncio
import os
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from metasearch.errors import CampaignError, EvaluatorError, PrerequisiteError
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec, Outcome
from metasearch.sandboxes.base import Limits, SandboxSpec

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

HARNESS = """
import numpy as np
import program

def fit(x):
    return np.asarray(x) * program.factor()
"""

EVALUATOR = """
import os
import numpy as np
from metasearch.evaluation import CandidateFailure

LABELS = np.arange(4.0)

async def evaluate(candidate):
    task = candidate.source.splitlines()[0].removeprefix("# ")
    if task == "harness":
        fitted = await candidate.call("harness:fit", LABELS)
        assert isinstance(fitted, np.ndarray)
        return {"score": float(fitted.sum())}
    if task == "run":
        script = "print(input()); open('left', 'w').write('7')"
        done = await candidate.run(["python3", "-c", script], stdin="said")
        assert done.exit_code == 0, done.stderr
        assert done.stdout == b"said\\n"
        return {"score": int(await candidate.read("left"))}
    if task == "examples":
        hits = []
        for n in range(4):
            try:
                hits.append(await candidate.call("example", n) == n)
            except CandidateFailure:
                hits.append(False)
        return {"score": hits}
    return {"score": await candidate.call("value")}
"""


def spec(**limits: Any) -> EvaluationSpec:
    return EvaluationSpec(
        objectives={"score": "maximize"},
        file="evaluator.py",
        sources={"evaluator.py": EVALUATOR, "harness.py": HARNESS},
        harness=("harness.py",),
        provider="bubblewrap",
        sandbox=SandboxSpec(
            limits=Limits(**{"seconds": 2.0, "memory": 256 * 1024**2, "output": 100_000, **limits}),
            preload=("numpy",),
        ),
    )


@pytest.fixture
async def pool() -> AsyncIterator[EvaluationPool]:
    async with EvaluationPool(spec(), lanes=2) as pool:
        yield pool


def request(source: str) -> EvaluationRequest:
    return EvaluationRequest(number=1, files={"program.py": textwrap.dedent(source)})


@pytest.mark.parametrize(
    ("source", "score"),
    [
        ("# harness\ndef factor(): return 2", 12.0),
        ("# run", 7.0),
        ("# examples\nimport os\ndef example(n): return n if n != 2 else os._exit(1)", 0.75),
        ("# call\ndef value(): return 3", 3.0),
    ],
)
async def test_a_candidate_is_scored(pool: EvaluationPool, source: str, score: float) -> None:
    result = await pool.evaluate(request(source))
    assert result.outcome is Outcome.SCORED, result.error
    assert result.scores["score"].value == score


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return 1 / 0", Outcome.CRASHED),
        ("import os; os._exit(0)", Outcome.CRASHED),
        ("while True: pass", Outcome.TIMED_OUT),
        ("x = bytearray(1 << 30); x[:] = b'x' * (1 << 30); return 1", Outcome.OUT_OF_MEMORY),
        ("return 'x' * 1_000_000", Outcome.OUTPUT_LIMIT),
        ("return float('nan')", Outcome.INVALID),
        ("return None", Outcome.INVALID),
        ("return object()", Outcome.INVALID),
    ],
)
async def test_each_way_to_fail_has_its_outcome(
    pool: EvaluationPool, body: str, outcome: Outcome
) -> None:
    result = await pool.evaluate(request(f"def value():\n    print('so far')\n    {body}"))
    assert result.outcome is outcome, result.error
    assert result.error
    assert result.stdout == "so far\n"


async def test_the_candidate_sees_neither_the_evaluator_nor_its_environment(
    pool: EvaluationPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        import os
        def value():
            seen = [n for n in os.listdir(".") if n not in ("program.py", "harness.py")]
            seen += [n for n in os.environ if "SECRET" in n]
            seen += [n for n in os.listdir("/proc/self/fd") if "socket" in n]
            return len([n for n in seen if n != "__pycache__"])
    """
    monkeypatch.setenv("SECRET_KEY", "hush")
    result = await pool.evaluate(request(source))
    assert result.scores["score"].value == 0, result.stdout


async def test_cancelling_ends_the_candidate(pool: EvaluationPool) -> None:
    await pool.check()
    before = set(psutil.Process().children(recursive=True))
    work = pool.evaluate(request("import time\ndef value(): time.sleep(1.7)"))
    task = asyncio.create_task(work)
    await asyncio.sleep(0.5)
    during = set(psutil.Process().children(recursive=True)) - before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert during
    _, alive = psutil.wait_procs(list(during), timeout=0.5)
    assert alive == []


async def test_nothing_is_left_when_a_worker_is_killed(pool: EvaluationPool) -> None:
    await pool.check()
    task = asyncio.create_task(pool.evaluate(request("import time\ndef value(): time.sleep(60)")))
    await asyncio.sleep(0.5)
    children = psutil.Process().children()
    family = psutil.Process().children(recursive=True)
    started = time.monotonic()
    for worker in children:
        worker.kill()
    _, alive = psutil.wait_procs([p for p in family if p not in children], timeout=5)
    assert alive == [], f"after {time.monotonic() - started} s"
    result = await task  # once more, in a new worker
    assert result.outcome is Outcome.TIMED_OUT


async def test_limits_that_allow_nothing_are_told_at_check() -> None:
    async with EvaluationPool(spec(seconds=1e-6), lanes=1) as pool:
        with pytest.raises(CampaignError, match="empty program"):
            await pool.check()


async def test_a_package_that_cannot_be_preloaded_is_told_at_check() -> None:
    wanted = EvaluationSpec(
        objectives={"score": "maximize"},
        file="evaluator.py",
        sources={"evaluator.py": EVALUATOR},
        sandbox=SandboxSpec(preload=("no_such_package",)),
    )
    async with EvaluationPool(wanted, lanes=1) as pool:
        with pytest.raises(PrerequisiteError, match="no_such_package"):
            await pool.check()


async def test_a_value_the_evaluator_cannot_send_is_its_error(tmp_path: Path) -> None:
    wanted = EvaluationSpec(
        objectives={"score": "maximize"},
        file="evaluator.py",
        sources={
            "evaluator.py": "def evaluate(candidate): return candidate.call('value', object())"
        },
    )
    async with EvaluationPool(wanted, lanes=1) as pool:
        with pytest.raises(EvaluatorError, match="cannot be sent"):
            await pool.evaluate(request("def value(x): return 1"))


def test_this_process_has_no_children_left() -> None:
    mine = [p for p in psutil.Process(os.getpid()).children() if p.is_running()]
    assert [p for p in mine if "metasearch.evaluation.worker" in " ".join(p.cmdline())] == []
