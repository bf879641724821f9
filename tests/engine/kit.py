"""Engines on a real archive with scripted models and evaluators, for the tests beside this."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from metasearch.archive import CampaignArchive
from metasearch.campaign import Campaign
from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult, Outcome
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models import Ledger
from metasearch.step import Strategy, Task
from metasearch.strategies import load_strategy
from metasearch.testing.scripted import ScriptedModels, ScriptedPool, failed, scored


class Killed(SystemExit):
    """Stands for ``kill -9``: asyncio lets it end the whole loop at once."""


def load(folder: Path, **settings: object) -> Campaign:
    return load_campaign(folder, {key.replace("__", "."): value for key, value in settings.items()})


def x_of(text: str) -> int:
    return int(re.findall(r"x = \D*?(-?\d+)", text)[0])  # the offline model may put it into a term


def bump(messages: Sequence[Message]) -> str:
    """A model that changes the current x by an amount that depends on the whole prompt."""
    current = x_of(messages[1].content)
    amount = random.Random(messages[1].content).choice([-1, 1, 2, 3, 5, 8])
    return f"I change x.\n```python\nx = {current + amount}\n```\n"


def measure(request: EvaluationRequest) -> EvaluationResult:
    """x itself; every seventh crashes."""
    x = x_of(request.files["program.py"])
    return scored(score=float(x)) if x == 0 or x % 7 else failed(Outcome.CRASHED, "seven")


def engine_of(
    campaign: Campaign,
    run: CampaignArchive,
    *,
    answer: Callable[[Sequence[Message]], str] = bump,
    evaluate: Callable[[EvaluationRequest], EvaluationResult] = measure,
    strategy: Strategy | None = None,
) -> tuple[Engine, ScriptedModels, ScriptedPool]:
    task = Task(
        description=campaign.settings.task,
        objectives=campaign.objectives,
        seed_program=campaign.seed_program,
    )
    run.mark_lost()
    models, pool = ScriptedModels(run, answer), ScriptedPool(evaluate)
    ledger = Ledger(usd=None, tokens=None, spent=run.usage())
    chosen = strategy or load_strategy(campaign.settings.strategy, task)
    return Engine(campaign, run, chosen, task, models, ledger, pool, Silent()), models, pool


def run_once(campaign: Campaign, run: CampaignArchive, **parts: object) -> str:
    engine, _, _ = engine_of(campaign, run, **parts)  # type: ignore[arg-type]
    with run.hold():
        return asyncio.run(engine.run())


def history(run: CampaignArchive) -> list[tuple[object, ...]]:
    return [(c.step, c.outcome, c.digest, c.scores, c.parents) for c in run.candidates()]


def killer(rng: random.Random, share: float) -> Callable[[], None]:
    def maybe() -> None:
        if rng.random() < share:
            raise Killed

    return maybe
