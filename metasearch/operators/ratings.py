"""Ratings from judged pairs: Elo for show, Bradley-Terry for decisions.

After *Towards an AI co-scientist* (arXiv 2502.18864). Matches are facts; ratings are folds over
them. A verdict that could not be read is a match without a score, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

START = 1200.0
"""Rating of one that has not played."""

SCALE = 400 / math.log(10)
"""Rating points to one logit: 400 points are odds of 10 to 1."""

_CONVERGED = 1e-9
"""Logits of the largest step."""
_STEPS = 200

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """One judged pair. Which one the judge sees first is to be left to chance."""

    first: int
    """Position of the item shown first."""
    second: int
    score: float | None
    """The first one's share: 1 won, 0 lost, 0.5 a draw, or a probability. ``None`` if the
    verdict could not be read."""
    weight: float = 1.0
    """How much the verdict counts; see :func:`soft_verdict`."""

    def __post_init__(self) -> None:
        if self.score is not None and not 0 <= self.score <= 1:
            raise ValueError(f"a match's score is a share from 0 to 1, not {self.score}")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"a match's weight is a share from 0 to 1, not {self.weight}")
        if self.first == self.second:
            raise ValueError(f"item {self.first} cannot play against itself")


@dataclass(frozen=True)
class Rating:
    """A Bradley-Terry rating in Elo points."""

    value: float
    error: float
    """Standard error, from the diagonal of the Hessian."""

    @property
    def interval(self) -> tuple[float, float]:
        """About 95 %."""
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error


def expected(rating: float, other: float) -> float:
    """Elo's expected score against the other: ``1 / (1 + 10^((other - rating) / 400))``."""
    return 1 / (1 + 10 ** ((other - rating) / 400))


def elo(items: int, matches: Iterable[Match], k: float = 32) -> list[float]:
    """Ratings match by match: ``R += K (S - E)``, zero-sum, in the order played.

    For display. The order of the matches counts, so decisions use :func:`bradley_terry`.
    """
    ratings = [START] * items
    for match in matches:
        if match.score is not None:
            a, b = match.first, match.second
            change = k * (match.score - expected(ratings[a], ratings[b]))
            ratings[a] += change
            ratings[b] -= change
    return ratings


def bradley_terry(items: int, matches: Iterable[Match]) -> list[Rating]:
    """Most probable ratings over all matches, whatever their order.

    Maximises ``sum w (S ln p + (1 - S) ln(1 - p)) - sum theta^2 / 2`` with
    ``p = 1 / (1 + exp(theta_b - theta_a))`` by damped Newton steps, each as costly as there are
    pairs that have met. The prior, a standard normal, keeps the ratings of the unbeaten finite.
    The error is ``SCALE / sqrt(1 + sum w p (1 - p))``.

    Raises:
        ArithmeticError: The steps do not become small.
    """
    met: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for match in matches:
        if match.score is not None:
            one, other, won = match.first, match.second, match.score
            if one > other:
                one, other, won = other, one, 1 - won
            met.setdefault((one, other), []).append((match.weight * won, match.weight))
    pairs = sorted(met)
    a = np.array([pair[0] for pair in pairs], dtype=int)
    b = np.array([pair[1] for pair in pairs], dtype=int)
    wins = np.array([math.fsum(won for won, _ in met[pair]) for pair in pairs])
    weight = np.array([math.fsum(each for _, each in met[pair]) for pair in pairs])

    def per_item(first: Vector, second: Vector) -> Vector:
        return np.asarray(np.bincount(a, first, items) + np.bincount(b, second, items), float)

    def hessian(bend: Vector) -> Callable[[Vector], Vector]:
        def times(x: Vector) -> Vector:
            pull = bend * (x[a] - x[b])
            return x + per_item(pull, -pull)

        return times

    theta = np.zeros(items)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(np.clip(theta[b] - theta[a], -300, 300)))
        missing = wins - weight * p
        bend = weight * p * (1 - p)
        bends = 1 + per_item(bend, bend)
        step = _solve(hessian(bend), bends, per_item(missing, -missing) - theta)
        # So long a step cannot overshoot: over it no term's bend changes by more than e^far.
        far = np.abs(step[a] - step[b]).max(initial=0)
        theta += step * (math.log1p(far) / far if far else 1.0)
        if np.abs(step).max(initial=0) < _CONVERGED:
            return [
                Rating(START + SCALE * float(t), SCALE / math.sqrt(h))
                for t, h in zip(theta, bends, strict=True)
            ]
    raise ArithmeticError(
        f"the ratings of {items} items do not converge in {_STEPS} steps; "
        f"one pair has matches of weight {weight.max():g}"
    )


def _solve(times: Callable[[Vector], Vector], diagonal: Vector, right: Vector) -> Vector:
    """``x`` with ``times(x) = right`` by conjugate gradients, scaled by the diagonal."""
    x, left = np.zeros_like(right), right.copy()
    direction = left / diagonal
    power = start = float(left @ direction)
    for _ in range(4 * len(right)):
        if power <= 1e-28 * start:
            break
        image = times(direction)
        length = power / float(direction @ image)
        x += length * direction
        left -= length * image
        before, power = power, float(left @ (left / diagonal))
        direction = left / diagonal + power / before * direction
    return x


def soft_verdict(probabilities: Sequence[float], exponent: float = 1.0) -> tuple[float, float]:
    """Score and weight of one pair from several opinions on it.

    The score is the mean; the weight ``(1 - B / ln 2)^exponent`` falls with the part of the
    uncertainty that comes from disagreement, ``B = H(mean) - mean H``: uncertainty-aware
    verdicts after UPO (arXiv 2409.11212). With hard votes B is only the votes' entropy.

    Args:
        probabilities: Each opinion's probability that the first is better; at least one.
        exponent: 0 weighs all pairs alike.
    """
    score = math.fsum(probabilities) / len(probabilities)
    opinions = math.fsum(map(_entropy, probabilities)) / len(probabilities)
    disagreement = max(0.0, _entropy(score) - opinions)
    return score, max(0.0, 1 - disagreement / math.log(2)) ** exponent


def both_orders(score: float | None, swapped: float | None) -> float | None:
    """The first item's score from two hard verdicts, the second one with the order swapped.

    A judge that contradicts itself gives a draw; one unreadable verdict makes the pair
    unreadable.

    Args:
        score: Of the item shown first.
        swapped: Of the other item, which was shown first in the second judgement.
    """
    if score is None or swapped is None:
        return None
    return score if score == 1 - swapped else 0.5


def slot_bias(matches: Iterable[Match]) -> float:
    """How much a judge favours the item shown first, in logits; 0 is fair.

    ``ln((wins + 1/2) / (losses + 1/2))`` of the first slot, for pairs judged in both orders or
    in random order. It tells large biases apart, not small ones: with 20 pairs in both
    orders its standard error is about 0.35.
    """
    scores = [match.score for match in matches if match.score is not None]
    won = math.fsum(scores)
    return math.log((won + 0.5) / (len(scores) - won + 0.5))


def _entropy(p: float) -> float:
    """Of a coin, in nats."""
    if not 0 <= p <= 1:
        raise ValueError(f"an opinion is a probability from 0 to 1, not {p}")
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)
