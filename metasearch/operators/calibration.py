"""Whether opinions predict measurements, and how much of them to put into a choice.

The judge sees pairs of measured ideas with their outcomes masked. Where it does no better than a
coin, judging is throttled. Where it does, its rating is one term of a regression on what was
measured; measured fitness and opinion are never added up.
"""

from __future__ import annotations

import math
import random
import re
import statistics
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from metasearch.operators.ranker_health import Agreement, masked_agreement
from metasearch.operators.ratings import Match

FLOOR = 0.57
"""Agreement below which a judge counts as uninformed: expected of one whose opinion correlates
with fitness by 0.2 (simulation)."""

HIDDEN = "[number]"
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d{1,30}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?")
_TELLING = 3
"""Digits from which on a number that agrees with a score is taken for it."""


@dataclass
class JudgeCheck:
    """The latest masked verdicts of a judge, with what was measured."""

    calls: int
    """How many of the latest ones count; a check is complete once there were so many."""
    total: int = 0
    """Masked verdicts asked for, invalid ones included."""
    _latest: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, share: float | None, apart: float) -> None:
        """Take in one verdict.

        Args:
            share: The first one's; ``None`` if the verdict was not valid.
            apart: The first one's measured lead.
        """
        self.total += 1
        if share is not None:
            self._latest.append((share, apart))
            if len(self._latest) > self.calls:
                self._latest.popleft()

    @property
    def agreement(self) -> Agreement:
        """How often verdict and measurement name the same one."""
        gains = [gain for _, apart in self._latest for gain in (apart, 0.0)]
        matches = [Match(2 * i, 2 * i + 1, share) for i, (share, _) in enumerate(self._latest)]
        return masked_agreement(matches, gains)

    def matches_wanted(self, full: int, unchecked: int, floor: float = FLOOR) -> int:
        """Matches that each new idea is worth.

        Args:
            full: If the judge passed.
            unchecked: As long as it has not been checked; 1 if it failed.
            floor: Agreement that it must reach.
        """
        if self.total < self.calls:
            return min(full, unchecked)
        return full if self.agreement.share >= floor else 1


def telling_pair(
    gains: Mapping[int, float], asked: Collection[frozenset[int]], rng: random.Random
) -> tuple[int, int] | None:
    """A pair of measured ones that differ by more than a standard deviation, in random order.

    Args:
        gains: Fitness, or its gain, by number; larger is better.
        asked: Pairs that the judge has had.
        rng: The only source of chance.

    Returns:
        ``None`` if there is no such pair any more.
    """
    if len(gains) < 2:
        return None
    spread = statistics.stdev(gains.values())
    numbers = sorted(gains)
    pairs = [
        (a, b)
        for i, a in enumerate(numbers)
        for b in numbers[i + 1 :]
        if abs(gains[a] - gains[b]) > spread and frozenset((a, b)) not in asked
    ]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    return (a, b) if rng.random() < 0.5 else (b, a)


def masked(text: str, scores: Collection[float]) -> str:
    """The text without the numbers that are one of these scores, or one of them rounded.

    Numbers of fewer than three digits stay: a count of 3 is no sign of a score of 3.
    """

    def hide(match: re.Match[str]) -> str:
        number = match[0]
        digits = re.sub(r"[eE].*|\D", "", number).lstrip("0")
        if len(digits) < _TELLING:
            return number
        decimals = len(number.partition(".")[2].lower().partition("e")[0])
        power = int(re.split("[eE]", number)[1]) if re.search("[eE]", number) else 0
        unit = 10.0 ** (power - decimals)
        value = float(number)
        told = any(abs(abs(value) - abs(s)) <= unit * (1 + 1e-9) for s in scores)
        return HIDDEN if told else number

    return _NUMBER.sub(hide, text)


@dataclass(frozen=True)
class Prospect:
    """What is known of an idea before it is measured."""

    rating: float
    """Standardised over all ideas."""
    parent: float
    """Fitness of the program that it would change, standardised like fitness."""
    novelty: float
    """Standardised."""


@dataclass(frozen=True)
class Forecast:
    """Expected fitness, in standard deviations of what was measured."""

    mean: float
    error: float

    def optimistic(self, kappa: float = 1.0) -> float:
        """Upper confidence bound ``mean + kappa * error``."""
        return self.mean + kappa * self.error


_PRIOR_MEAN = np.array([0.0, 0.2, 0.0, 0.0])
_PRIOR_SD = np.array([1.0, 0.2, 0.5, 0.2])
"""Of ``1, rating, parent, novelty``. That a rating is worth 0.2 of a standard deviation of
fitness is believed until measurements say otherwise."""
_PRIOR_WEIGHT = 4.0
"""Measurements that the prior's residual variance of 1 counts for."""


class Blend:
    """Ridge regression of fitness on what is known before, with a Gaussian prior.

    ``f = b0 + b1 rating + b2 parent + b3 novelty``, b1 from N(0.2, 0.2^2).
    """

    def __init__(self, measured: Sequence[tuple[Prospect, float]]) -> None:
        """Fit.

        Args:
            measured: Ideas with their standardised fitness.
        """
        rows = np.array([_row(prospect) for prospect, _ in measured]).reshape(-1, 4)
        fitness = np.array([f for _, f in measured], dtype=float)
        prior = np.diag(_PRIOR_SD**-2)
        variance = 1.0
        for _ in range(3):  # coefficients and residual variance depend on each other
            precision = prior + rows.T @ rows / variance
            self._covariance = np.linalg.inv(precision)
            self.coefficients = self._covariance @ (
                prior @ _PRIOR_MEAN + rows.T @ fitness / variance
            )
            left = fitness - rows @ self.coefficients
            variance = float(_PRIOR_WEIGHT + left @ left) / (_PRIOR_WEIGHT + len(measured))
        self._variance = variance

    def forecast(self, prospect: Prospect, rating_error: float = 0.0) -> Forecast:
        """What to expect.

        Args:
            prospect: What is known.
            rating_error: Standard error of the rating, in its unit.
        """
        row = _row(prospect)
        spread = float(row @ self._covariance @ row) + self._variance
        spread += (float(self.coefficients[1]) * rating_error) ** 2
        return Forecast(float(row @ self.coefficients), math.sqrt(spread))


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of some numbers."""

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """Of these; without any or with equal ones, everything is average."""
        if not values:
            return cls(0.0, 0.0)
        return cls(statistics.fmean(values), statistics.pstdev(values))

    def standardised(self, value: float) -> float:
        """In standard deviations from the mean."""
        return (value - self.mean) / self.spread if self.spread > 1e-12 else 0.0


def _row(prospect: Prospect) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([1.0, prospect.rating, prospect.parent, prospect.novelty])
