"""Choosing by several objectives at once: NSGA-II, SPEA2 and the tournament between.

All functions take gains, an n x m table in which larger is better in every column, and return
positions in it. Nothing is added up over objectives but distances in units of each objective's
range. They compare all pairs: meant for populations of hundreds. The plain front of a whole
archive is :func:`metasearch.objectives.front`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Gains = Sequence[Sequence[float]]
Matrix = NDArray[np.float64]


def ranks(gains: Gains) -> list[int]:
    """Each row's front by non-dominated sorting; 0 is the best (Deb et al. 2002)."""
    points = _matrix(gains)
    above = _dominance(points)
    rank = np.full(len(points), -1)
    level = 0
    while (rank < 0).any():
        left = rank < 0
        rank[left & ~above[left].any(axis=0)] = level
        level += 1
    return [int(r) for r in rank]


def crowding(gains: Gains) -> list[float]:
    """How much room each row has among its neighbours of one front (Deb's sum).

    For each objective the distance between the next smaller and the next larger value, in
    units of the objective's range; infinite for the first and the last. An objective in which
    all are equal tells nothing and adds nothing. Rows with equal values share no room: between
    them the order of input decides which one is at the end.
    """
    points = _unit(_matrix(gains))
    room = np.zeros(len(points))
    for values in points.T:
        if len(values) and values.max() > values.min():
            order = np.argsort(values, kind="stable")
            room[order[1:-1]] += values[order[2:]] - values[order[:-2]]
            room[order[[0, -1]]] = math.inf
    if len(points) <= 2:
        room[:] = math.inf
    return [float(distance) for distance in room]


def nsga2(gains: Gains, count: int) -> list[int]:
    """The ``count`` best positions: front by front, in each those with most room first.

    NSGA-II's survivor selection (Deb et al. 2002); ties in the order of input. Fewer rows
    than ``count`` are all returned.
    """
    rank, room = _rank_and_room(gains)
    return sorted(range(len(rank)), key=lambda i: (rank[i], -room[i]))[:count]


def tournament_dcd(gains: Gains, count: int, rng: random.Random) -> list[int]:
    """``count`` winners of binary tournaments by dominance, then crowding, then a coin.

    NSGA-II's mating selection. Opponents come from random permutations, so that in every
    round each row plays once (one sits out if their number is odd). Any ``count`` is allowed;
    one row wins unopposed.

    Raises:
        ValueError: There are no rows, but winners are wanted.
    """
    rank, room = _rank_and_room(gains)
    above = _dominance(_matrix(gains))
    if not rank and count:
        raise ValueError("a tournament needs at least one row of gains")
    winners: list[int] = []
    while len(winners) < count:
        players = rng.sample(range(len(rank)), len(rank))
        if len(players) == 1:
            players *= 2
        for a, b in zip(players[::2], players[1::2], strict=False):
            if above[a, b] or above[b, a]:
                winners.append(a if above[a, b] else b)
            elif room[a] != room[b]:
                winners.append(a if room[a] > room[b] else b)
            else:
                winners.append(rng.choice((a, b)))
    return winners[:count]


def strengths(gains: Gains) -> list[int]:
    """SPEA2's strength: how many others each row dominates."""
    return [int(s) for s in _dominance(_matrix(gains)).sum(axis=1)]


def raw_fitness(gains: Gains) -> list[int]:
    """SPEA2's raw fitness: the sum of the strengths of a row's dominators; 0 is the best."""
    above = _dominance(_matrix(gains))
    return [int(r) for r in above.sum(axis=1) @ above]


def spea2(gains: Gains, count: int) -> list[int]:
    """The ``count`` rows that SPEA2 keeps (Zitzler, Laumanns and Thiele 2001).

    Fitness is raw fitness + density ``1 / (sigma_k + 2)`` with the distance ``sigma_k`` to
    the k-th neighbour, ``k = floor(sqrt(n))``. The front is filled up with the rows of the best
    fitness, or cut by taking away, one at a time, the row whose nearest neighbours are
    nearest. Distances are in units of each objective's range, so that no objective's scale
    decides. Fewer rows than ``count`` are all returned. In the order of input.
    """
    points = _matrix(gains)
    if len(points) <= count:
        return list(range(len(points)))
    raw = np.array(raw_fitness(gains))
    apart = _distances(_unit(points))
    kept = np.flatnonzero(raw == 0)
    if len(kept) < count:
        sigma = np.sort(apart, axis=1)[:, min(math.isqrt(len(points)), len(points) - 1) - 1]
        fitness = raw + 1 / (sigma + 2)
        kept = np.argsort(fitness, kind="stable")[:count]
    while len(kept) > count:
        nearest = np.sort(apart[np.ix_(kept, kept)], axis=1)
        kept = np.delete(kept, np.lexsort(nearest.T[::-1])[0])
    return sorted(int(i) for i in kept)


def _matrix(gains: Gains) -> Matrix:
    """As an array; what was not measured may not compete."""
    points = np.asarray(gains, dtype=float)
    if not points.size:
        return np.empty((len(gains), 1 if points.ndim < 2 else points.shape[1]))
    if points.ndim != 2:
        raise ValueError(f"gains are one row per candidate, not an array of {points.ndim} axes")
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(
            f"the gains of row {row} are {list(gains[row])}: leave out what has no finite scores"
        )
    return points


def _unit(points: Matrix) -> Matrix:
    """Each column in units of its range; a column without range becomes 0."""
    if not len(points):
        return points
    scale = np.abs(points).max(axis=0)
    scaled = points / np.where(scale > 0, scale, 1.0)
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    unit: Matrix = (scaled - low) / np.where(high > low, high - low, 1.0)
    return unit


def _dominance(points: Matrix) -> NDArray[np.bool_]:
    """Whether row i dominates row j."""
    n = len(points)
    no_worse, better = np.ones((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for values in points.T:
        no_worse &= values[:, None] >= values
        better |= values[:, None] > values
    return no_worse & better


def _distances(points: Matrix) -> Matrix:
    """Euclidean, between all pairs; infinite to itself."""
    square = np.zeros((len(points), len(points)))
    for values in points.T:
        square += (values[:, None] - values) ** 2
    apart = np.sqrt(square)
    np.fill_diagonal(apart, math.inf)
    return apart


def _rank_and_room(gains: Gains) -> tuple[list[int], list[float]]:
    """Each row's front, and its crowding distance within that front."""
    rank = ranks(gains)
    room = [0.0] * len(rank)
    for level in set(rank):
        front = [i for i, r in enumerate(rank) if r == level]
        for i, distance in zip(front, crowding([gains[i] for i in front]), strict=True):
            room[i] = distance
    return rank, room
