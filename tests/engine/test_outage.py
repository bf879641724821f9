"""Waiting for what makes sandboxes to come back."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.candidate import EvaluationResult
from metasearch.engine import outage
from metasearch.errors import SandboxUnavailable
from metasearch.evaluation import EvaluationRequest
from tests.engine.test_engine import archive, engine_of, folder, load, measure

__all__ = ["archive", "folder"]

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
