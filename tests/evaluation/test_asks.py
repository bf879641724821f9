"""Asks from a candidate in a real sandbox to the engine's side of a real worker process."""

from __future__ import annotations

import asyncio
import os
import re
import textwrap
import time
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from metasearch.errors import BudgetExhausted, ModelError
from metasearch.evaluation import AnswerAsk, EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.outcome import Outcome
from metasearch.sandboxes.asks import Answer, Ask, Given, Refused
from metasearch.sandboxes.base import Limits, SandboxSpec

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

EVALUATOR = """
from metasearch.evaluation import CandidateFailure

async def evaluate(candidate):
    return {"score": await candidate.call("value")}

def blocking(candidate):
    try:
        candidate.call("crash")
    except CandidateFailure:
        pass
    return {"score": candidate.call("value")}
"""

ASKING = """
import metasearch_runner

def value():
    return sum(float(metasearch_runner.ask(f"{n}").text) for n in range(3))

def crash():
    metasearch_runner.ask("100")
    raise ValueError
"""


def spec(**settings: Any) -> EvaluationSpec:
    return EvaluationSpec(
        **{
            "objectives": {"score": "maximize"},
            "file": "evaluator.py",
            "sources": {"evaluator.py": EVALUATOR},
            "asks_at_once": 2,
            "provider": "bubblewrap",
            "sandbox": SandboxSpec(Limits(seconds=5, memory=256 * 1024**2)),
            **settings,
        }
    )


@pytest.fixture
async def pool() -> AsyncIterator[EvaluationPool]:
    async with EvaluationPool(spec(), lanes=2) as pool:
        yield pool


def request(source: str = ASKING) -> EvaluationRequest:
    return EvaluationRequest(number=1, files={"program.py": textwrap.dedent(source)})


def given(text: str) -> Answer:
    return Given(text, "stop", 1, 1, 0.0)


class Desk:
    """Answers with the question, remembers the questions of each attempt; may fail or wait."""

    def __init__(self, fail: Exception | None = None, wait: float = 0.0) -> None:
        self.attempts: list[list[str]] = []
        self.fail = fail
        self.wait = wait

    def attend(self) -> AnswerAsk:
        self.attempts.append([])
        asked = self.attempts[-1]

        async def answer(ask: Ask) -> Answer:
            asked.append(ask.messages[0][1])
            if self.fail is not None and len(asked) == 2:
                raise self.fail
            await asyncio.sleep(self.wait)
            return given(ask.messages[0][1])

        return answer


async def test_asks_are_answered_in_their_order(pool: EvaluationPool) -> None:
    desk = Desk()
    result = await pool.evaluate(request(), desk.attend)
    assert result.scores["score"].value == 3.0
    assert desk.attempts == [["0", "1", "2"]]


async def test_evaluations_side_by_side_get_their_own_answers(pool: EvaluationPool) -> None:
    desks = [Desk(wait=0.02) for _ in range(6)]
    sources = [ASKING.replace('f"{n}"', f'f"{{n + {k}}}"') for k in range(6)]
    work = [pool.evaluate(request(s), d.attend) for s, d in zip(sources, desks, strict=True)]
    results = await asyncio.gather(*work)
    assert [r.scores["score"].value for r in results] == [3.0 + 3 * k for k in range(6)]


async def test_all_sandboxes_of_an_evaluation_share_one_attendant() -> None:
    from metasearch.evaluation.spec import StageSpec

    desk = Desk()
    async with EvaluationPool(spec(stages=(StageSpec("blocking"),), repeats=2), lanes=1) as pool:
        result = await pool.evaluate(request(), desk.attend)
    assert result.scores["score"].value == 3.0
    assert desk.attempts == [["100", "0", "1", "2"] * 2]


@pytest.mark.parametrize("error", [BudgetExhausted("all gone", "usd"), ModelError("it is down")])
async def test_what_fails_on_our_side_ends_the_evaluation_and_nothing_else(
    pool: EvaluationPool, error: Exception
) -> None:
    with pytest.raises(type(error), match=str(error)) as caught:
        await pool.evaluate(request(), Desk(fail=error).attend)
    assert caught.value is error
    result = await pool.evaluate(request(), Desk().attend)
    assert result.outcome is Outcome.SCORED
    await asyncio.sleep(0.3)
    workers = psutil.Process(os.getpid()).children()
    assert len(workers) == 1, "the worker that served it serves on"


async def test_when_a_worker_dies_in_mid_ask_the_evaluation_begins_anew(
    pool: EvaluationPool,
) -> None:
    desk = Desk(wait=0.3)
    task = asyncio.create_task(pool.evaluate(request(), desk.attend))
    while not desk.attempts or len(desk.attempts[0]) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    for worker in psutil.Process(os.getpid()).children():
        worker.kill()
    result = await task
    assert result.scores["score"].value == 3.0
    assert desk.attempts == [["0", "1"], ["0", "1", "2"]]


async def test_the_whole_evaluation_is_limited_while_a_model_is_slow() -> None:
    async with EvaluationPool(spec(timeout=1.5), lanes=1) as pool:
        await pool.check()
        began = time.monotonic()
        result = await pool.evaluate(request(), Desk(wait=30).attend)
        assert time.monotonic() - began < 20
        assert result.outcome is Outcome.TIMED_OUT
        told = r"took longer than 1\.5 s, 1\.\d s of it inside .* 1\.\d s went by until models"
        assert re.search(told, result.error), result.error


async def test_cancelling_gives_up_the_asks(pool: EvaluationPool) -> None:
    desk = Desk(wait=30)
    task = asyncio.create_task(pool.evaluate(request(), desk.attend))
    while not desk.attempts or not desk.attempts[0]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [t for t in others if "_serve" in repr(t.get_coro())] == []


async def test_an_uncaught_refusal_is_the_candidate_s_outcome(pool: EvaluationPool) -> None:
    async def answer(ask: Ask) -> Answer:
        return Refused("all 0 calls are used up", "calls")

    result = await pool.evaluate(request(), lambda: answer)
    assert result.outcome is Outcome.CRASHED
    assert "BudgetExceeded: all 0 calls are used up" in result.error
    assert "value" in result.error
