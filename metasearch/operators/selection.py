"""Choosing parents: by standing among peers, weighted against what was tried often."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from typing import TypeVar

from metasearch.objectives import dominates

Item = TypeVar("Item")


def standings(vectors: Sequence[Sequence[float]]) -> list[float]:
    """How well each gain vector stands among the others; larger is better.

    For one objective the gain itself; for several the number of others dominated minus the
    number that dominate it, so that no sum over objectives is ever formed.
    """
    if all(len(vector) == 1 for vector in vectors):
        return [vector[0] for vector in vectors]
    return [
        float(
            sum(dominates(one, other) for other in vectors)
            - sum(dominates(other, one) for other in vectors)
        )
        for one in vectors
    ]


def parent_weights(
    standing: Sequence[float], children: Sequence[int], sharpness: float
) -> list[float]:
    """Weights that favour good parents and those with few children.

    ``w = sigmoid(sharpness * (s - median) / MAD) / (1 + children)``: the weighted parent
    choice of ShinkaEvolve (arXiv 2509.19349), with the median absolute deviation as scale.

    Args:
        standing: One number per parent, larger is better.
        children: How many children each has had.
        sharpness: 0 ignores the standing; the paper uses 10.
    """
    middle = statistics.median(standing)
    spread = statistics.median(abs(s - middle) for s in standing)
    if spread == 0:
        spread = max(abs(s - middle) for s in standing) or 1.0
    weights = []
    for s, count in zip(standing, children, strict=True):
        z = max(-60.0, min(60.0, sharpness * (s - middle) / spread))
        weights.append(1.0 / (1.0 + math.exp(-z)) / (1 + count))
    return weights


def pick(items: Sequence[Item], weights: Sequence[float], rng: random.Random) -> Item:
    """One item, with probability proportional to its weight."""
    return rng.choices(items, weights=weights, k=1)[0]
