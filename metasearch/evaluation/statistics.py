"""What a handful of measurements says: the mean and its 95 % interval.

Per-example scores get the percentile bootstrap; for 0/1 scores its limit is known exactly
(quantiles of a binomial), so nothing is drawn. Repeats of one number get Student's t.
scipy.special has the distributions; scipy.stats would cost a worker another 50 MB.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

RESAMPLES = 10_000
"""Bootstrap resamples: the ends of an interval then move by about 1 % of its width."""

NORMAL_FROM = 10_000
"""From so many examples on, the bootstrap's normal limit is used, and they are not kept."""

_CHUNK = 1_000_000
_TAIL = 0.025


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float
    samples: int
    median: float
    """Of the bootstrap distribution; equals ``value`` where there is none."""
    examples: tuple[float, ...] = ()
    """What it is an estimate of, if that is one number for each of fewer than 10,000 examples."""


def mean(values: Sequence[float]) -> float:
    """The mean, rounded once and never outside the values."""
    try:
        middle = math.fsum(values) / len(values)
    except OverflowError:
        largest = max(map(abs, values))
        middle = math.fsum(value / largest for value in values) / len(values) * largest
    return min(max(middle, min(values)), max(values))


def of_examples(values: Sequence[float], seed: int) -> Estimate:
    """Mean and bootstrap interval of per-example scores, which are taken as independent."""
    n, middle = len(values), mean(values)
    if min(values) == max(values):
        low, median, high = middle, middle, middle
    elif all(value in (0.0, 1.0) for value in values):
        low, median, high = binomial_quantiles(n, round(sum(values)))
    elif n < NORMAL_FROM:
        low, median, high = _bootstrap(values, seed)
    else:
        half = 1.959963984540054 * _deviation(values, middle) / math.sqrt(n)
        low, median, high = middle - half, middle, middle + half
    kept = tuple(values) if n < NORMAL_FROM else ()
    return replace(_estimate(middle, low, high, n, median), examples=kept)


def of_repeats(values: Sequence[float]) -> Estimate:
    """Mean and t-interval of one number measured several times."""
    n, middle = len(values), mean(values)
    if min(values) == max(values):
        return Estimate(middle, middle, middle, n, middle)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 1 - _TAIL)) * _deviation(values, middle) / math.sqrt(n)
    return _estimate(middle, middle - half, middle + half, n, middle)


def binomial_quantiles(n: int, successes: int) -> tuple[float, float, float]:
    """The 2.5, 50 and 97.5 % quantiles of Binomial(n, successes / n), divided by n.

    The exact percentile bootstrap of a 0/1 vector.
    """
    import numpy as np
    from scipy.special import bdtr

    if successes in (0, n):
        return (successes / n,) * 3
    cumulative = bdtr(np.arange(n + 1, dtype=float), n, successes / n)
    low, median, high = np.searchsorted(cumulative, (_TAIL, 0.5, 1 - _TAIL)) / n
    return float(low), float(median), float(high)


def _bootstrap(values: Sequence[float], seed: int) -> tuple[float, float, float]:
    import numpy as np

    scale = max(abs(value) for value in values)
    scaled = np.asarray(values, dtype=float) / scale
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(values))
    means = np.concatenate(
        [
            scaled[rng.integers(len(values), size=(min(rows, RESAMPLES - done), len(values)))].mean(
                axis=1
            )
            for done in range(0, RESAMPLES, rows)
        ]
    )
    low, median, high = np.percentile(means, (100 * _TAIL, 50, 100 * (1 - _TAIL)))
    return float(low) * scale, float(median) * scale, float(high) * scale


def _deviation(values: Sequence[float], middle: float) -> float:
    """Sample standard deviation; scaled, so that large values do not overflow."""
    scale = max(abs(value - middle) for value in values)
    if not math.isfinite(scale):
        return sys.float_info.max
    squares = math.fsum(((value - middle) / scale) ** 2 for value in values)
    return scale * math.sqrt(squares / (len(values) - 1))


def _estimate(value: float, low: float, high: float, samples: int, median: float) -> Estimate:
    """With ends that are finite and, rounding aside, hold the mean."""
    top = sys.float_info.max
    return Estimate(value, max(min(low, value), -top), min(max(high, value), top), samples, median)
