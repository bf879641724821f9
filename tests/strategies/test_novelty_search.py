"""Novelty search: which ones become parents, what the model is told, and the trap."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate, EvaluationResult, Outcome
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.errors import CampaignError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models import Ledger
from metasearch.objectives import Objective
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies.novelty_search import NoveltySearch
from metasearch.testing.scripted import ScriptedModels, ScriptedPool, scored
from tests.operators.test_novelty_search import GOAL, walk

TASK = Task(
    description="Reach the goal.",
    objectives=(Objective(name="score"),),
    seed_program=Program(files={"program.py": "x, y = 0.0, 0.0\n"}),
    metrics=("x", "y"),
)


def candidate(number: int, score: float, x: float, y: float = 0.0) -> Candidate:
    return Candidate(
        number=number,
        step=number,
        outcome=Outcome.SCORED,
        digest=str(number),
        scores={"score": score, "x": x, "y": y},
        operator="mutate",
        seq=number,
    )


def search(**options: object) -> NoveltySearch:
    return NoveltySearch(TASK, NoveltySearch.Options.model_validate(options))


def test_the_most_novel_of_parents_and_children_are_the_next_population() -> None:
    strategy = search(population=2, children=4, neighbours=1, remembered=0.0)
    strategy.observe(candidate(0, score=9.0, x=0.0))
    for number, x in enumerate((0.1, 0.2, 5.0, -7.0), start=1):
        strategy.observe(candidate(number, score=-float(number), x=x))
    assert [c.number for c in strategy.population] == [4, 0], "the best by fitness stays"
    assert strategy.children == []


def test_with_no_weight_fitness_alone_decides_until_the_search_stagnates() -> None:
    strategy = search(population=2, children=4, neighbours=1, remembered=0.0, weight=0, patience=4)
    strategy.observe(candidate(0, score=0.0, x=0.0))
    for number, x in enumerate((0.1, 0.2, -7.0, 0.3), start=1):
        strategy.observe(candidate(number, score=float(number), x=x))
    assert [c.number for c in strategy.population] == [4, 3]
    for number, x in enumerate((50.0, 0.11, 0.12, 0.13), start=5):
        strategy.observe(candidate(number, score=-1.0, x=x))
    assert [c.number for c in strategy.population] == [5, 4]


def test_descriptors_count_alike_whatever_their_units() -> None:
    strategy = search()
    places = [candidate(1, 0.0, 0.0, 0.0), candidate(2, 0.0, 1e9, 1e-9), candidate(3, 0.0, 5e8)]
    known, remembered = strategy.in_common_units(places)
    assert known == [[0.0, 0.0], [1.0, 1.0], [0.5, 0.0]]
    assert remembered == []


def test_an_unknown_descriptor_names_those_there_are() -> None:
    with pytest.raises(CampaignError, match="'z', which is no public metric; there are: score, x"):
        search(descriptors=["z"])


def place(text: str) -> tuple[float, float]:
    x, y = re.findall(r"x, y = (\S+), (\S+)", text)[0]
    return float(x), float(y)


def walker(seed: int) -> Callable[[Sequence[Message]], str]:
    """A model that takes one step in the maze; it does not see where it leads."""
    rng = random.Random(seed)

    def answer(messages: Sequence[Message]) -> str:
        x, y = walk(place(messages[1].content), rng)
        return f"A step.\n```python\nx, y = {x!r}, {y!r}\n```\n"

    return answer


def at_place(request: EvaluationRequest) -> EvaluationResult:
    x, y = place(request.files["program.py"])
    return scored(score=-math.dist((x, y), GOAL), x=x, y=y)


def best_in_the_trap(
    tmp_path: Path, archive: Archive, weight: float, evaluations: int
) -> tuple[float, str]:
    (tmp_path / "program.py").write_text("x, y = 0.0, 0.0\n")
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "campaign.toml").write_text(
        'name = "maze"\ntask = "Reach the goal."\nconcurrency = 1\n'
        '[objectives]\nscore = "maximize"\n[evaluator]\nmetrics = ["x", "y"]\n'
        f"[budget]\nevaluations = {evaluations}\ntarget = -0.1\n"
    )
    campaign = load_campaign(tmp_path, {})
    run = archive.create(campaign)
    strategy = search(weight=weight, patience=10**6)
    models, pool = ScriptedModels(run, walker(1)), ScriptedPool(at_place)
    ledger = Ledger(usd=None, tokens=None, spent=run.usage())
    engine = Engine(campaign, run, strategy, TASK, models, ledger, pool, Silent())
    with run.hold():
        reason = asyncio.run(engine.run())
    (best,) = run.best()
    assert "Known already: x = " in models.prompts[-1][1].content
    return best.scores["score"], reason


@pytest.mark.slow
def test_novelty_leaves_the_trap_that_fitness_stays_in(tmp_path: Path, archive: Archive) -> None:
    score, reason = best_in_the_trap(tmp_path, archive, 0.0, 1500)
    assert reason == "evaluations"
    assert score < -0.45
    score, reason = best_in_the_trap(tmp_path, archive, 1.0, 6000)
    assert reason == "target"
