"""Choosing parents: by standing among peers, by chance, by need, and a mate to go with one."""

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


def score_child_weights(accuracies: Sequence[float], children: Sequence[int]) -> list[float]:
    """Parent weights of the Darwin Goedel Machine (arXiv 2505.22954).

    ``w = sigmoid(10 * (accuracy - 0.5)) / (1 + children)``, and 0 for a parent that has
    nothing left to solve. If that is all of them, all weights are 0 and none can be picked.

    Args:
        accuracies: Share of tasks solved, 0 to 1.
        children: How many *functioning* children each has; failed ones do not count.
    """
    for accuracy in accuracies:
        if not 0 <= accuracy <= 1:
            raise ValueError(f"an accuracy is a share from 0 to 1, not {accuracy}")
    return [
        0.0 if accuracy == 1 else 1 / (1 + math.exp(-10 * (accuracy - 0.5))) / (1 + count)
        for accuracy, count in zip(accuracies, children, strict=True)
    ]


def boltzmann_weights(standing: Sequence[float], temperature: float) -> list[float]:
    """``w = exp((s - max) / temperature)``: the best has weight 1; heat makes all alike.

    Args:
        standing: One number per item, larger is better.
        temperature: Above 0, in the unit of the standing.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, not {temperature}")
    best = max(standing, default=0.0)
    return [math.exp((s - best) / temperature) for s in standing]


def tournament(standing: Sequence[float], size: int, rng: random.Random) -> int:
    """Position of the best of ``size`` draws with replacement; larger is better.

    With size 1 the choice is uniform. Equals win in the order they are drawn.
    """
    return max(rng.choices(range(len(standing)), k=size), key=lambda i: standing[i])


def ideal_mate(
    ideal: Sequence[float], descriptors: Sequence[Sequence[float]], size: int, rng: random.Random
) -> int:
    """Position of the one, of ``size`` draws without replacement, closest to the ideal.

    Mate choice of *All You Need Is Sex for Diversity*: the first parent, chosen by fitness,
    carries an inherited and mutated descriptor of the mate that it looks for.

    Args:
        ideal: Descriptor that the first parent looks for.
        descriptors: Of all who may be the second parent, in the same space.
        size: How many it meets; all of them if there are fewer.
        rng: Decides whom.
    """
    met = rng.sample(range(len(descriptors)), min(size, len(descriptors)))
    return min(met, key=lambda i: math.dist(ideal, descriptors[i]))


def pick(items: Sequence[Item], weights: Sequence[float], rng: random.Random) -> Item:
    """One item, with probability proportional to its weight."""
    return rng.choices(items, weights=weights, k=1)[0]
