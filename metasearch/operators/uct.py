"""The arithmetic of tree search over programs: values, what is backed up, and UCT.

After SWE-Search (arXiv 2410.20285). Visits, sums and maxima are recomputed from the nodes of
a tree, never updated in place, because values are ranks and change as programs arrive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Backup:
    """What the scored nodes of one subtree add up to; values are from 0 to 1."""

    visits: int = 0
    total: float = 0.0
    best: float = 0.0

    @property
    def mean(self) -> float:
        """Value of a node by mean backup."""
        return self.total / self.visits if self.visits else 0.0

    def scored(self, value: float) -> Backup:
        """With one more scored node; a failed one has value 0."""
        return Backup(
            self.visits + 1, self.total + value, max(self.best, value) if self.visits else value
        )

    def in_flight(self, value: float, expansions: int = 1) -> Backup:
        """With virtual visits for expansions that have no score yet.

        Each counts as one visit of its parent's value, which makes the path less attractive to
        the next descent without judging it. The best stays what was measured.
        """
        return Backup(self.visits + expansions, self.total + expansions * value, self.best)


def backups(parents: Sequence[int | None], values: Sequence[float | None]) -> list[Backup]:
    """For each node the backup over its subtree, itself included.

    Args:
        parents: Position of each node's parent, which stands before it; ``None`` for a root.
        values: Each node's value; ``None`` if it has none yet.
    """
    result = [Backup() for _ in parents]
    for position in reversed(range(len(parents))):
        value, parent = values[position], parents[position]
        if value is not None:
            result[position] = result[position].scored(value)
        if parent is not None:
            if parent >= position:
                raise ValueError(f"node {position} stands before its parent {parent}")
            below, above = result[position], result[parent]
            if below.visits:
                result[parent] = Backup(
                    above.visits + below.visits,
                    above.total + below.total,
                    max(above.best, below.best) if above.visits else below.best,
                )
    return result


def uct(
    value: float,
    parent_visits: int,
    visits: int,
    *,
    exploration: float,
    depth: int = 1,
    early: float = 0.0,
    early_decay: float = 1.0,
    late: float = 0.0,
) -> float:
    """``V + C sqrt(ln N(s) / N(s, a)) + a exp(-b (d - 1)) - g sqrt(d)``; larger goes first.

    Among siblings the depth terms cancel; they matter when nodes of different depth compete.

    Args:
        value: V, the value of the edit, 0 to 1.
        parent_visits: N(s), at least 1.
        visits: N(s, a); a node never visited comes before all others.
        exploration: C; about 1.41 for values that are ranks, 0.7 for min-max values.
        depth: d, of the child; the root has 0.
        early: a, the bonus of early depth.
        early_decay: b, how fast it fades.
        late: g, the penalty of late depth.
    """
    if visits == 0:
        return math.inf
    bonus = early * math.exp(-early_decay * (depth - 1)) - late * math.sqrt(depth)
    return value + exploration * math.sqrt(math.log(parent_visits) / visits) + bonus


def rank_values(gains: Sequence[float]) -> list[float]:
    """Values from 0 to 1 by rank; 1 is the best, equals share their mean rank.

    Nothing that keeps the order of the gains changes them. A single gain, and gains that are
    all equal, have the value 0.5.
    """
    if len(gains) == 1:
        return [0.5]
    order = sorted(range(len(gains)), key=lambda i: gains[i])
    values = [0.0] * len(gains)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and gains[order[end]] == gains[order[start]]:
            end += 1
        for i in order[start:end]:
            values[i] = (start + end - 1) / 2 / (len(gains) - 1)
        start = end
    return values


def minmax_values(gains: Sequence[float]) -> list[float]:
    """Values from 0 to 1 in proportion to the gain, for bounded and deterministic metrics.

    Gains that are all equal have the value 0.5.
    """
    scale = max(map(abs, gains), default=0.0) or 1.0
    low, high = min(gains, default=0.0) / scale, max(gains, default=0.0) / scale
    if low == high:
        return [0.5] * len(gains)
    return [(gain / scale - low) / (high - low) for gain in gains]
