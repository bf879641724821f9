"""Runs a strategy on a real archive with a scripted model and a scripted evaluator."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, Role
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate, EvaluationResult
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.engine.opening import task_of
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models import Ledger
from metasearch.step import Reply, Strategy, Task
from metasearch.strategies import load_strategy
from metasearch.testing.scripted import ScriptedModels, ScriptedPool

Answer = Callable[[Sequence[Message]], str]
Measure = Callable[[EvaluationRequest], EvaluationResult]


class Killed(SystemExit):
    """Stands for ``kill -9``: asyncio lets it end the whole loop at once."""


class _Models(ScriptedModels):
    """Keeps the temperatures of what it is asked, too."""

    def __init__(self, run: CampaignArchive, answer: Answer) -> None:
        super().__init__(run, answer)
        self.temperatures: list[float | None] = []

    async def ask(
        self,
        *,
        step: int,
        call: int,
        role: Role,
        messages: Sequence[Message],
        model: str,
        temperature: float | None,
        schema: type[BaseModel] | None = None,
    ) -> Reply:
        known = len(self.bought)
        reply = await super().ask(
            step=step,
            call=call,
            role=role,
            messages=messages,
            model=model,
            temperature=temperature,
            schema=schema,
        )
        if len(self.bought) > known:
            self.temperatures.append(temperature)
        return reply


@dataclass
class Laboratory:
    """One campaign and how it is answered and measured."""

    campaign: Campaign
    archive: Archive
    answer: Answer
    measure: Measure
    prompts: list[Sequence[Message]] = field(default_factory=list)
    """The messages of all calls that were paid for, over all runs of all campaigns."""
    temperatures: list[float | None] = field(default_factory=list)
    """Likewise."""
    bought: list[tuple[int, int]] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)

    def start(self) -> CampaignArchive:
        """A new, empty run."""
        return self.archive.create(self.campaign)

    def strategy(self) -> Strategy:
        """The campaign's strategy, fresh."""
        return load_strategy(self.campaign.settings.strategy, self.task)

    @property
    def task(self) -> Task:
        """As strategies get it."""
        return task_of(self.campaign)

    def run(self, run: CampaignArchive, strategy: Strategy | None = None) -> str:
        """Run, or go on; returns the reason of its end."""
        run.mark_lost()
        models, pool = _Models(run, self.answer), ScriptedPool(self.measure)
        ledger = Ledger(usd=None, tokens=None, spent=run.usage())
        engine = Engine(
            self.campaign,
            run,
            strategy or self.strategy(),
            self.task,
            models,
            ledger,
            pool,
            Silent(),
        )
        try:
            with run.hold():
                return asyncio.run(engine.run())
        finally:
            self.prompts += models.prompts
            self.bought += models.bought
            self.temperatures += models.temperatures
            self.evaluated += pool.evaluated

    def run_killed(self, run: CampaignArchive, share: float, seed: int = 1) -> int:
        """Run to the end, killed again and again at model calls and evaluations; how often."""
        rng = random.Random(seed)
        answer, measure = self.answer, self.measure

        def dying_answer(messages: Sequence[Message]) -> str:
            if rng.random() < share:
                raise Killed
            return answer(messages)

        def dying_measure(request: EvaluationRequest) -> EvaluationResult:
            if rng.random() < share:
                raise Killed
            return measure(request)

        kills = 0
        self.answer, self.measure = dying_answer, dying_measure
        try:
            while True:
                try:
                    self.run(run)
                    return kills
                except Killed:
                    kills += 1
                    gc.collect()  # CPython 3.11 fails if coroutines are finalised in ast.parse
        finally:
            self.answer, self.measure = answer, measure


def write_campaign(
    folder: Path, program: str, objectives: str, files: Mapping[str, str] | None = None
) -> None:
    """A campaign folder; ``objectives`` is the body of its section."""
    (folder / "program.py").write_text(program)
    (folder / "evaluator.py").write_text("")
    (folder / "campaign.toml").write_text(
        f'name = "laboratory"\ntask = "Solve it."\n[objectives]\n{objectives}\n'
    )
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def load(folder: Path, strategy: str, options: Mapping[str, Any], **settings: Any) -> Campaign:
    """The campaign with a strategy, its options, and further settings (``__`` for a dot)."""
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    return load_campaign(
        folder, {"strategy.name": strategy, "strategy.options": dict(options), **overrides}
    )


def history(run: CampaignArchive) -> list[tuple[object, ...]]:
    """What two equal runs have in common."""
    return [
        (c.step, c.outcome, c.digest, c.scores, c.parents, c.operator, c.name, c.thought)
        for c in run.candidates()
    ]


def scored(run: CampaignArchive) -> list[Candidate]:
    """The run's scored candidates in the archive's order."""
    return [c for c in run.candidates() if c.scored]
