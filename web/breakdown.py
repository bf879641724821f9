"""What operators, models and islands have brought: counted over all settled candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from metasearch.web.decoding import OUTCOMES
from metasearch.web.points import Points

Way = Literal["operator", "model"]

COLUMNS = ("number", "outcome", "value", "record", "parent", "operator", "model", "island")

_Z = 1.959964
"""Of a 95 % interval."""

_REJECTED, _SCORED = OUTCOMES.index("rejected"), OUTCOMES.index("scored")


class Success(NamedTuple):
    """What one operator or model has brought."""

    name: str
    tried: int
    applied: int
    """Edits that gave a program to measure."""
    scored: int
    improved: int
    """Better than the main parent by the first objective."""
    records: int
    """Became the best."""
    low: float
    """Of the 95 % interval of the share that improved (Wilson 1927)."""
    high: float
    usd: float | None
    """``None`` if a price, or the bill, is unknown."""

    @property
    def share(self) -> float:
        """Of those tried that improved on their parent."""
        return self.improved / self.tried if self.tried else 0.0

    @property
    def usd_per_gain(self) -> float | None:
        """What an improvement has cost; ``None`` without one."""
        return self.usd / self.improved if self.usd is not None and self.improved else None


class IslandLine(NamedTuple):
    """How the best of one island has grown."""

    island: int
    candidates: int
    best: int
    """Number of its best candidate."""
    score: float
    numbers: tuple[int, ...]
    """Where its best got better."""
    scores: tuple[float, ...]


def successes(
    points: Points, sign: float, by: Way, bill: Mapping[str, float | None]
) -> list[Success]:
    """All operators or models, those first that were tried most.

    Args:
        points: With :data:`COLUMNS`.
        sign: 1 if larger is better by the first objective, else -1.
        by: What is put together.
        bill: What each has cost.
    """
    names = points.operators if by == "operator" else points.models
    code = points.columns[by]
    outcome = points.columns["outcome"]
    better = _better_than_parent(points, sign)
    rows = []
    for place, name in enumerate(names):
        own = code == place
        tried = int(own.sum())
        improved = int((own & better).sum())
        low, high = wilson(improved, tried)
        rows.append(
            Success(
                name=name,
                tried=tried,
                applied=int((own & (outcome != _REJECTED)).sum()),
                scored=int((own & (outcome == _SCORED)).sum()),
                improved=improved,
                records=int((own & (points.columns["record"] == 1)).sum()),
                low=low,
                high=high,
                usd=bill.get(name),
            )
        )
    return sorted((row for row in rows if row.tried), key=lambda row: (-row.tried, row.name))


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share; all of 0 to 1 without trials."""
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, _Z**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    spread = math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    half = _Z * spread / (1 + square / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def islands(points: Points, sign: float) -> list[IslandLine]:
    """How the best of each island has grown, by island."""
    numbers = points.columns["number"].astype(np.int64)
    island = points.columns["island"].astype(np.int64)
    gains = sign * points.columns["value"].astype(np.float64)
    lines = []
    for code in np.unique(island[island >= 0]):
        own = np.flatnonzero((island == code) & ~np.isnan(gains))
        if not len(own):
            continue
        ordered = own[np.argsort(numbers[own], kind="stable")]
        best = np.maximum.accumulate(gains[ordered])
        steps = ordered[np.concatenate([[True], best[1:] > best[:-1]])]
        lines.append(
            IslandLine(
                island=int(code),
                candidates=int((island == code).sum()),
                best=int(numbers[steps[-1]]),
                score=float(sign * gains[steps[-1]]),
                numbers=_ints(numbers[steps]),
                scores=tuple(float(sign * gain) for gain in gains[steps]),
            )
        )
    return lines


def _better_than_parent(points: Points, sign: float) -> npt.NDArray[np.bool_]:
    numbers = points.columns["number"].astype(np.int64)
    parents = points.columns["parent"].astype(np.int64)
    if not len(numbers):
        return np.zeros(0, bool)
    gains = sign * points.columns["value"].astype(np.float64)
    by_number = np.full(int(numbers.max()) + 2, np.nan)  # the last one stands for no parent
    by_number[numbers] = gains
    known = (parents >= 0) & (parents <= numbers.max())
    above = by_number[np.where(known, parents, len(by_number) - 1)]
    return np.asarray(gains > above)


def _ints(values: Sequence[int] | npt.NDArray[np.generic]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
