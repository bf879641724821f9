"""What operators, models and islands have brought: counted over all settled candidates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from metasearch.archive import Cost, operator_and_model
from metasearch.exchange import Usage
from metasearch.web.decoding import MAX_NAMES, OUTCOMES
from metasearch.web.points import Points

Way = Literal["operator", "model"]

COLUMNS = ("number", "outcome", "value", "record", "parent", "operator", "model", "island")

_Z = 1.959964
"""Of a 95 % interval."""

MOST = 12
"""Operators, and models, that a matrix shows: those that were tried most."""

_CODES = MAX_NAMES + 1

_REJECTED, _SCORED = OUTCOMES.index("rejected"), OUTCOMES.index("scored")


class Success(NamedTuple):
    """What one operator or model, or one together with the other, has brought."""

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


class Matrix(NamedTuple):
    """What each operator has brought with each model."""

    operators: tuple[str, ...]
    """Rows, those first that were tried most."""
    models: tuple[str, ...]
    """Columns, likewise."""
    cells: Mapping[tuple[str, str], Success]
    """By operator and model: those that were tried."""

    def shade(self, cell: Success) -> int:
        """0 to 4: how much of the largest share that improved the cell's share is."""
        most = max(each.share for each in self.cells.values())
        return min(4, int(5 * cell.share / most)) if most else 0


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
    tallies = _tallies(points, sign, points.columns[by])
    rows = (_success(tallies, n, name, bill.get(name)) for n, name in enumerate(names))
    return sorted((row for row in rows if row.tried), key=lambda row: (-row.tried, row.name))


def matrix(points: Points, sign: float, costs: Iterable[Cost]) -> Matrix | None:
    """Operators against models; ``None`` unless several of both made candidates with each other.

    Args:
        points: With :data:`COLUMNS`.
        sign: 1 if larger is better by the first objective, else -1.
        costs: The bill by ``pair``.
    """
    rows, columns = (points.columns[way].astype(np.int64) for way in ("operator", "model"))
    tallies = _tallies(points, sign, rows * _CODES + columns)
    usd = {operator_and_model(cost.name): cost.usage.usd for cost in costs}
    found = {
        (operator, model): _success(
            tallies, row * _CODES + column, operator, usd.get((operator, model))
        )
        for row, operator in enumerate(points.operators)
        for column, model in enumerate(points.models)
        if model and tallies["tried"][row * _CODES + column]
    }
    operators, models = (_most_tried(found, place) for place in (0, 1))
    if len(operators) < 2 or len(models) < 2:
        return None
    cells = {pair: one for pair, one in found.items() if pair[0] in operators and pair[1] in models}
    return Matrix(operators, models, cells)


def bill(costs: Iterable[Cost], by: Way) -> dict[str, float | None]:
    """Out of the bill by ``pair`` that of each operator, or of each model, in USD."""
    groups: dict[str, list[Usage]] = {}
    for cost in costs:
        name = operator_and_model(cost.name)[by == "model"]
        groups.setdefault(name, []).append(cost.usage)
    return {name: reduce(add, usages).usd for name, usages in groups.items()}


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


def _tallies(
    points: Points, sign: float, code: npt.NDArray[np.generic]
) -> dict[str, npt.NDArray[np.int64]]:
    """By code: how many candidates were tried, applied and so on."""
    outcome = points.columns["outcome"]
    sorts = {
        "tried": np.ones(len(code), bool),
        "applied": outcome != _REJECTED,
        "scored": outcome == _SCORED,
        "improved": _better_than_parent(points, sign),
        "records": points.columns["record"] == 1,
    }
    whole = code.astype(np.int64)
    return {name: np.bincount(whole[of], minlength=_CODES**2) for name, of in sorts.items()}


def _success(
    tallies: Mapping[str, npt.NDArray[np.int64]], code: int, name: str, usd: float | None
) -> Success:
    counts = {tally: int(values[code]) for tally, values in tallies.items()}
    low, high = wilson(counts["improved"], counts["tried"])
    return Success(name=name, **counts, low=low, high=high, usd=usd)


def _most_tried(cells: Mapping[tuple[str, str], Success], place: int) -> tuple[str, ...]:
    tried: Counter[str] = Counter()
    for pair, cell in cells.items():
        tried[pair[place]] += cell.tried
    return tuple(name for name, _ in tried.most_common(MOST))


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
