"""The front of two objectives: what nothing else beats in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Gains = npt.NDArray[np.float64]


def front(first: Gains, second: Gains) -> list[int]:
    """Places that nothing dominates, the largest first gain first; of equals the earliest.

    Args:
        first: Gains of all, larger is better; NaN without a score.
        second: Likewise, as long.
    """
    known = np.flatnonzero(~(np.isnan(first) | np.isnan(second)))
    ordered = known[np.lexsort((known, -second[known], -first[known]))]
    if not len(ordered):
        return []
    before = np.concatenate([[-np.inf], np.maximum.accumulate(second[ordered])[:-1]])
    return [int(place) for place in ordered[second[ordered] > before]]


def hypervolume(first: Sequence[float], second: Sequence[float]) -> float:
    """The area between a front and the worst corner of its own box.

    Args:
        first: Gains of the front, falling.
        second: Likewise, rising.
    """
    if not first:
        return 0.0
    worst_first, worst_second = min(first), min(second)
    area, below = 0.0, worst_second
    for one, other in zip(first, second, strict=True):
        area += (one - worst_first) * (other - below)
        below = other
    return area


def knee(first: Sequence[float], second: Sequence[float]) -> int | None:
    """Where a front bends most: farthest from the line between its ends, in units of its box.

    ``None`` if no place lies beyond that line.
    """
    if len(first) < 3:
        return None
    x, y = np.array(first, np.float64), np.array(second, np.float64)
    x, y = (x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)
    beyond = x + y - 1  # the ends are (1, 0) and (0, 1)
    place = int(np.argmax(beyond))
    return place if beyond[place] > 1e-9 else None
