"""Novelty search: selection by how differently candidates behave, not by how well.

After Lehman and Stanley (2011) and the genetic algorithm of *Deep Neuroevolution* (arXiv
1712.06567). It finds its way where fitness leads into a trap. Behaviour is a vector of numbers
that the evaluator returns; all of a campaign have the same length.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metasearch.operators.uct import rank_values

Behaviour = Sequence[float]


@dataclass
class NoveltyArchive:
    """Behaviours that were met before, a random sample: what is like them is not new."""

    probability: float = 0.05
    """With which a behaviour is remembered."""
    capacity: int = 1000
    """Behaviours kept; further ones take the places of random others, so that a generation costs
    the same late in a search as early."""
    behaviours: list[Behaviour] = field(default_factory=list)

    def offer(self, behaviour: Behaviour, rng: random.Random) -> bool:
        """Remember the behaviour, or not, and say which.

        Chance and not novelty decides, so that the sample shows where the search has been.
        """
        remembered = rng.random() < self.probability
        if remembered and len(self.behaviours) < self.capacity:
            self.behaviours.append(behaviour)
        elif remembered:
            self.behaviours[rng.randrange(self.capacity)] = behaviour
        return remembered


def novelty(
    population: Sequence[Behaviour], archive: Sequence[Behaviour], neighbours: int = 10
) -> list[float]:
    """For each of the population its mean distance to the nearest of all others.

    Others are the rest of the population and the archive; if there are fewer than
    ``neighbours``, all of them. One that is alone is infinitely novel.
    """
    if not population:
        return []
    points = np.array([*population, *archive], dtype=float)
    if not np.isfinite(points).all():
        raise ValueError("a behaviour holds a number that is not finite: leave such ones out")
    # By a power of two, which rounds nothing, so that no square overflows.
    exponent = math.frexp(float(np.abs(points).max(initial=0.0)))[1]
    points = np.ldexp(points, -exponent)
    size = len(population)
    square = np.zeros((size, len(points)))
    for values in points.T:
        square += (values[:size, None] - values) ** 2
    square[np.arange(size), np.arange(size)] = math.inf
    count = min(neighbours, len(points) - 1)
    if count < 1:
        return [math.inf] * size
    nearest = np.sqrt(np.partition(square, count - 1, axis=1)[:, :count])
    return [float(distance) for distance in np.ldexp(nearest.mean(axis=1), exponent)]


def blend(gains: Sequence[float], novelties: Sequence[float], weight: float) -> list[float]:
    """``(1 - w) rank(gain) + w rank(novelty)``, ranks from 0 to 1; larger is better.

    Ranks, because gains and distances have no common unit.
    """
    return [
        (1 - weight) * gain + weight * new
        for gain, new in zip(rank_values(gains), rank_values(novelties), strict=True)
    ]


def stagnation_weight(stagnant: int, patience: int, base: float = 0.0) -> float:
    """Weight of novelty: ``base`` while the best improves, 1 after ``patience`` without.

    Args:
        stagnant: How many candidates (or generations) have passed since the best improved.
        patience: After how many only novelty counts; at least 1.
        base: The weight without stagnation, 0 to 1.
    """
    return base + (1 - base) * min(1.0, stagnant / patience)
