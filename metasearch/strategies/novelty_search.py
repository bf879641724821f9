"""Novelty search: parents are those that behave unlike all others, however well they do.

The genetic algorithm of *Deep Neuroevolution* (Such et al., arXiv 1712.06567) with novelty
(Lehman and Stanley 2011) as its score: a population makes children by mutation alone; of both
together the most novel ones are the next population (truncation; in the paper of the children
and the elite), and a random sample of all behaviours is remembered. The best by fitness always
stays (elitism). Behaviour is what the evaluator measures, named by ``descriptors``. With a
``weight`` below 1 fitness counts too, until the search stagnates.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.errors import CampaignError
from metasearch.formats import EDITS, EditName
from metasearch.operators.deepening import Repairs
from metasearch.operators.novelty_search import (
    Behaviour,
    NoveltyArchive,
    blend,
    novelty,
    stagnation_weight,
)
from metasearch.operators.prompts import evolve_message, show, task_message
from metasearch.operators.proposals import propose
from metasearch.prompts import extended
from metasearch.step import Step, Task
from metasearch.strategies.mechanisms import Steered

_SHOWN = 8
"""Behaviours that a prompt lists."""


class NoveltySearch:
    """See the module."""

    paper: ClassVar[str] = "Deep Neuroevolution, arXiv 1712.06567; Lehman and Stanley 2011"
    idea: ClassVar[str] = "the most novel behaviours are the parents; the best by fitness stays"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    class Options(Steered):
        """Options of ``novelty_search``."""

        descriptors: tuple[str, ...] = ()
        """Metrics that describe behaviour; by default all of ``evaluator.metrics``, and the
        objectives if there are none."""
        population: int = Field(default=20, ge=1, le=1000)
        """Parents of a generation."""
        children: int = Field(default=40, ge=1, le=10_000)
        """Scored children that make a generation."""
        neighbours: int = Field(default=10, ge=1)
        """Nearest behaviours that novelty is the mean distance to (10 in the paper)."""
        remembered: float = Field(default=0.05, ge=0, le=1)
        """Probability that a behaviour enters the archive of those met before."""
        weight: float = Field(default=1.0, ge=0, le=1)
        """Of novelty against fitness, both by rank; 1 is novelty alone."""
        patience: int = Field(default=200, ge=1)
        """Scored candidates without a better one after which novelty alone counts."""
        repairs: Repairs = 1
        """Turns that the model gets to correct an edit that cannot be used."""
        edit: EditName = "files"

    def __init__(self, task: Task, options: Options) -> None:
        objectives = tuple(objective.name for objective in task.objectives)
        known = (*objectives, *task.metrics)
        for name in options.descriptors:
            if name not in known:
                raise CampaignError(
                    f"strategy.options.descriptors names {name!r}, which is no public metric; "
                    f"there are: {', '.join(known)}. Further ones are declared in "
                    "evaluator.metrics."
                )
        self.task = task
        self.options = options
        self.descriptors = options.descriptors or task.metrics or objectives
        self.population: list[Candidate] = []
        self.children: list[Candidate] = []
        self.archive = NoveltyArchive(options.remembered)
        self.best: Candidate | None = None
        self.stagnant = 0

    def observe(self, candidate: Candidate) -> None:
        """Fold: count progress, remember some behaviours, turn over full generations."""
        if not candidate.scored:
            return
        self.stagnant += 1
        if self.best is None or self.gain(candidate) > self.gain(self.best):
            self.best, self.stagnant = candidate, 0
        # A fold has no generator, and must remember the same whenever it is made.
        self.archive.offer(self.behaviour(candidate), random.Random(candidate.number))
        self.children.append(candidate)
        if not self.population or len(self.children) >= self.options.children:
            self.turn_over()

    def turn_over(self) -> None:
        """Parents and children compete; the best by fitness stays in any case."""
        everyone = [*self.population, *self.children]
        scores = self.scores(everyone)
        order = sorted(range(len(everyone)), key=lambda i: -scores[i])
        self.population = [everyone[i] for i in order[: self.options.population]]
        if self.best is not None and self.best not in self.population:
            self.population[-1] = self.best
        self.children = []

    def scores(self, candidates: Sequence[Candidate]) -> list[float]:
        """By novelty, by fitness, or between: see :func:`operators.novelty_search.blend`."""
        weight = stagnation_weight(self.stagnant, self.options.patience, self.options.weight)
        places, remembered = self.in_common_units(candidates)
        new = novelty(places, remembered, self.options.neighbours)
        return blend([self.gain(c) for c in candidates], new, weight)

    async def step(self, ctx: Step) -> None:
        """Mutate a parent, any of them; say which behaviours there are already."""
        parent = show(ctx, ctx.rng.choice(self.population))
        edit = EDITS[self.options.edit]
        others = ctx.rng.sample(self.population, min(_SHOWN, len(self.population)))
        request = evolve_message(ctx, parent)
        different = ctx.render(
            "behave_differently",
            descriptors=self.descriptors,
            own=self.described(parent.candidate),
            others=[self.described(other) for other in others],
        )
        await propose(
            ctx,
            [task_message(ctx, edit), extended(request, different)],
            parent,
            answer_format=edit,
            operator="mutate",
            repairs=self.options.repairs,
        )

    def gain(self, candidate: Candidate) -> float:
        """Fitness: the first objective, larger is better."""
        first = self.task.objectives[0]
        return first.gain(candidate.scores[first.name])

    def behaviour(self, candidate: Candidate) -> tuple[float, ...]:
        """The descriptors' values."""
        return tuple(candidate.scores[name] for name in self.descriptors)

    def in_common_units(
        self, candidates: Sequence[Candidate]
    ) -> tuple[Sequence[Behaviour], Sequence[Behaviour]]:
        """Behaviours of the candidates and of the archive, each descriptor by its range."""
        rows = np.array([*map(self.behaviour, candidates), *self.archive.behaviours])
        low, spread = rows.min(axis=0), np.ptp(rows, axis=0)
        units = ((rows - low) / np.where(spread > 0, spread, 1.0)).tolist()
        return units[: len(candidates)], units[len(candidates) :]

    def described(self, candidate: Candidate) -> str:
        """A behaviour in words."""
        values = zip(self.descriptors, self.behaviour(candidate), strict=True)
        return ", ".join(f"{name} = {value:.6g}" for name, value in values)
