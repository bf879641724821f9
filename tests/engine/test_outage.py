"""Waiting for what makes sandboxes to come back."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from pathlib import Path

import pytest

import metasearch
from metasearch.archive import Archive
from metasearch.candidate import EvaluationResult
from metasearch.engine import outage
from metasearch.engine.gate import Gate
from metasearch.engine.observer import Silent
from metasearch.engine.outage import Outage
from metasearch.errors import ModelUnavailable, SandboxUnavailable
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import ExchangeState
from metasearch.testing.model_server import Fault, ModelServer
from tests.engine.kit import engine_of, load, measure

EXAMPLE = Path(__file__).parents[2] / "examples" / "circle_packing"
GONE = "The Docker daemon does not answer. Start it with: systemctl start docker"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(outage, "LONGEST_WAIT", 0.02)


def test_a_campaign_waits_out_an_outage_and_blames_no_candidate(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=30, concurrency=4)
    run = archive.create(campaign)
    states: list[tuple[str, str]] = []
    calls = itertools.count()

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        if 6 <= next(calls) < 12:
            summary = archive.find(run.id)
            states.append((summary.state, summary.reason))
            raise SandboxUnavailable(GONE)
        return measure(request)

    engine, _, _ = engine_of(campaign, run, evaluate=evaluate)
    with run.hold():
        assert asyncio.run(engine.run()) == "evaluations"
        assert archive.find(run.id).state == "running"
    assert run.evaluations() == 30
    assert ("waiting", GONE) in states
    kinds = [event.kind for event in run.events()]
    assert kinds.count("paused") == kinds.count("reopened") >= 1
    assert all(c.outcome is not None for c in run.candidates())


def test_stopping_during_an_outage_keeps_the_queue(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=30, concurrency=4)
    run = archive.create(campaign)
    away = True

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        if away and request.number >= 5:
            asyncio.get_running_loop().call_later(0.05, engine.stop, "interrupted")
            raise SandboxUnavailable(GONE)
        return measure(request)

    engine, first, _ = engine_of(campaign, run, evaluate=evaluate)
    with run.hold():
        assert asyncio.run(engine.run()) == "interrupted"
    waiting = run.queued()
    assert waiting
    kinds = [event.kind for event in run.events()]
    assert "paused" in kinds
    assert "reopened" not in kinds
    away = False
    engine, second, _ = engine_of(campaign, run, evaluate=evaluate)
    with run.hold():
        assert asyncio.run(engine.run()) == "evaluations"
    assert run.evaluations() == 30
    assert all(run.candidate(c.number).outcome is not None for c in waiting)
    assert not set(first.bought) & set(second.bought)


def test_a_run_may_be_stopped_while_its_seed_waits(folder: Path, archive: Archive) -> None:
    campaign = load(folder)
    run = archive.create(campaign)

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        asyncio.get_running_loop().call_later(0.05, engine.stop, "interrupted")
        raise SandboxUnavailable(GONE)

    engine, models, _ = engine_of(campaign, run, evaluate=evaluate)
    with run.hold():
        assert asyncio.run(engine.run()) == "interrupted"
    assert models.bought == []
    assert [c.number for c in run.queued()] == [0]


async def test_what_waits_for_two_things_goes_on_when_both_are_back(
    folder: Path, archive: Archive
) -> None:
    run = archive.create(load(folder))
    errors = [SandboxUnavailable(GONE), ModelUnavailable("503"), ModelUnavailable("503")]
    states = []

    async def attempt() -> str:
        states.append(archive.find(run.id).state)
        if errors:
            raise errors.pop(0)
        return "done"

    with run.hold():
        waiting = Outage(run, Gate(), Silent())
        assert await waiting.sit_out(attempt) == "done"
        assert not waiting.lasts
        assert archive.find(run.id).state == "running"
    assert states == ["running", "waiting", "waiting", "waiting"]
    kinds = [e.kind for e in run.events() if e.kind in ("paused", "reopened")]
    assert kinds == ["paused", "paused", "reopened"]


async def test_an_outage_is_over_when_nobody_is_left_who_waits(
    folder: Path, archive: Archive
) -> None:
    """Or no step would ever open again."""
    run = archive.create(load(folder))

    async def attempt() -> None:
        raise ModelUnavailable("503") if not tried else ValueError("another fault")

    tried: list[int] = []
    with run.hold():
        waiting = Outage(run, Gate(), Silent())
        one = asyncio.create_task(waiting.sit_out(attempt))
        two = asyncio.create_task(waiting.sit_out(attempt))
        await asyncio.sleep(0.005)
        assert waiting.lasts
        one.cancel()
        await asyncio.sleep(0.001)
        assert waiting.lasts
        tried.append(1)
        with pytest.raises(ValueError, match="another fault"):
            await two
        assert not waiting.lasts


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_campaign_waits_for_a_provider_that_is_down(tmp_path: Path) -> None:
    program = (EXAMPLE / "program.py").read_text()
    end = "# EVOLVE-BLOCK-END"
    texts = [
        f"```python\n{program.replace(end, f'LABEL = {n}{chr(10)}{end}')}```" for n in range(40)
    ]

    def fault(number: int) -> Fault | None:
        return Fault(status=503) if 6 <= number < 30 else None

    with ModelServer(texts, faults=fault) as server:
        text = (EXAMPLE / "campaign.toml").read_text()
        text += f'\n[models]\ndefault = "openai/x"\napi_base = "{server.url}"\nretries = 0\n'
        mine = tmp_path / "mine"
        shutil.copytree(EXAMPLE, mine)
        (mine / "campaign.toml").write_text(text)
        ending = metasearch.run(
            mine, archive=tmp_path / "archive.db", evaluations=12, concurrency=3
        )
        answered = server.counts.answered
    assert (ending.reason, ending.report.evaluations) == ("evaluations", 12)
    with Archive.open(tmp_path / "archive.db", read_only=True) as opened:
        stored = opened.campaign(ending.report.campaign)
        calls = list(stored.all_exchanges())
        assert sum(call.state is ExchangeState.ANSWERED for call in calls) == answered
        assert any(call.state is ExchangeState.FAILED for call in calls)
        [reason] = {event.detail for event in stored.events() if event.kind == "paused"}
    assert "gave no reply in 1 attempts" in reason
