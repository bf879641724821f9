"""Operators that know how much of the budget is spent.

After *Discovering Temporally-Aware Reinforcement Learning Algorithms* (ICLR 2024): what is
right at the beginning of a search is wrong at its end. A schedule depends on the share that
is spent, so a longer budget stretches it and does not shift it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class Progress:
    """How far a search has come, as an input of operators and prompts."""

    spent: float
    """n / N, 0 to 1."""
    scale: float
    """ln N: how long the whole search is."""

    @classmethod
    def of(cls, done: float, budget: float) -> Progress:
        """After ``done`` of ``budget``, in whatever unit both are.

        Raises:
            ValueError: The budget is not above 0.
        """
        if not budget > 0:
            raise ValueError(f"a budget is above 0, not {budget}")
        return cls(min(1.0, max(0.0, done / budget)), math.log(budget))


class Schedule(BaseModel):
    """Options of :func:`explore_probability`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    explore: float = Field(default=0.6, ge=0, le=1)
    """Share of choices that explore at the beginning."""
    exponent: float = Field(default=1.0, ge=0)
    """0 keeps that share; the larger, the earlier it falls towards 0."""


def explore_probability(progress: Progress, base: float, exponent: float) -> float:
    """``P(explore) = p0 (1 - n / N)^c``; larger exponents turn to exploitation earlier.

    Args:
        progress: How much is spent.
        base: p0, the probability at the beginning, 0 to 1.
        exponent: c, at least 0; 0 is a constant probability.
    """
    return base * float((1 - progress.spent) ** exponent)


def learn_exponent(
    score: Callable[[float, random.Random], float],
    rng: random.Random,
    *,
    start: float = 1.0,
    generations: int = 30,
    pairs: int = 8,
    deviation: float = 0.5,
    rate: float = 0.5,
) -> float:
    """An exponent that scores well, by evolution strategies on its logarithm.

    Each generation tries mirrored pairs ``ln c +- s e`` and moves along the mean of
    ``e sign(difference)``. Only the order within a pair counts, so the unit of the score
    does not matter, and both of a pair meet the same chance.

    Args:
        score: What a campaign (or several) with this exponent reaches; larger is better. All
            its chance comes from the generator it is given.
        rng: Of the search.
        start: The first exponent, above 0.
        generations: How many steps are made.
        pairs: Pairs tried per step.
        deviation: s, of the tries around the current logarithm.
        rate: Length of the first step; it falls to a fifth by the last.
    """
    logarithm = math.log(start)
    for generation in range(generations):
        slope = 0.0
        for _ in range(pairs):
            noise, seed = rng.gauss(0, 1), rng.random()
            up = score(math.exp(logarithm + deviation * noise), random.Random(seed))
            down = score(math.exp(logarithm - deviation * noise), random.Random(seed))
            slope += noise * ((up > down) - (up < down)) / pairs
        logarithm += rate * (1 - 0.8 * generation / generations) * slope
    return math.exp(logarithm)
