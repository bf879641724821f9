"""Who plays whom, and how: pairing for a tournament of ideas.

After *Towards an AI co-scientist* (arXiv 2502.18864): similar ones are compared more often,
newer ones and the best come first, the best are debated. The paper gives no probabilities;
these and their checks in simulation are in ``docs/strategies/co_scientist.md``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

TOP_BONUS = 0.3
"""Weight that the top quartile has besides that of those who have played little."""
RATING_SPAN = 100.0
"""Rating points over which an opponent's weight falls to 1/e."""
SIMILARITY_SPAN = 0.2
"""Similarity over which an opponent's weight rises e-fold, where similarity counts."""
SIMILAR_SHARE = 0.4
"""Share of the matches in which it does. If it always did, ratings would hold within groups of
similar ideas and not between them."""
SETTLED = 2
"""Matches that one must have played before it is debated."""


@dataclass(frozen=True)
class Contestant:
    """One who may play."""

    number: int
    rating: float
    played: int
    """Matches, those with an invalid verdict and those in flight included."""
    measured: bool = False
    """Whether it has a fitness: two such are not compared by opinion."""


Pair = frozenset[int]
Similarity = Callable[[int, int], float]
"""Of two contestants by their numbers, 0 to 1."""


def top_quartile(ratings: Sequence[float]) -> float:
    """The rating from which on one belongs to the best quarter."""
    return float(np.quantile(ratings, 0.75)) if ratings else math.inf


def choose_pair(
    contestants: Sequence[Contestant],
    played: Collection[Pair],
    in_flight: Collection[Pair],
    similarity: Similarity,
    rng: random.Random,
    *,
    needing: Collection[int] | None = None,
    similar_share: float = SIMILAR_SHARE,
) -> tuple[int, int] | None:
    """Two that should be compared next, in the order in which the judge is to see them.

    The first one with ``p ~ 1 / (1 + n) + 0.3 [top quartile]``, its opponent with
    ``p ~ exp(-|difference of ratings| / 100) * g``, where ``g = exp(similarity / 0.2)`` in 0.4
    of the cases and 1 in the others. A pair meets again only when all pairs have met.

    Args:
        contestants: All who may play.
        played: Pairs that have met.
        in_flight: Pairs that are being judged.
        similarity: Asked for the opponents of the first one only.
        rng: The only source of chance; also of the order.
        needing: If given, one of these plays.
        similar_share: Instead of 0.4.

    Returns:
        ``None`` if there is no pair at all.
    """
    best = top_quartile([each.rating for each in contestants])
    for barred in ([*played, *in_flight], list(in_flight)):
        closed = set(barred)
        firsts = [c for c in contestants if needing is None or c.number in needing]
        while firsts:
            weights = [1 / (1 + c.played) + TOP_BONUS * (c.rating >= best) for c in firsts]
            first = rng.choices(firsts, weights=weights)[0]
            opponents = [
                other
                for other in contestants
                if other.number != first.number
                and not (other.measured and first.measured)
                and Pair((first.number, other.number)) not in closed
            ]
            if opponents:
                second = _opponent(first, opponents, similarity, similar_share, rng)
                pair = [first.number, second.number]
                rng.shuffle(pair)
                return pair[0], pair[1]
            firsts.remove(first)
    return None


def debated(pair: Sequence[Contestant], best: float) -> bool:
    """Whether two are worth a debate: both in the top quartile, both no newcomers.

    Args:
        pair: The two.
        best: As :func:`top_quartile` says.
    """
    return all(each.rating >= best and each.played >= SETTLED for each in pair)


def _opponent(
    first: Contestant,
    opponents: Sequence[Contestant],
    similarity: Similarity,
    similar_share: float,
    rng: random.Random,
) -> Contestant:
    exponents = [-abs(first.rating - other.rating) / RATING_SPAN for other in opponents]
    if rng.random() < similar_share:
        exponents = [
            exponent + similarity(first.number, other.number) / SIMILARITY_SPAN
            for exponent, other in zip(exponents, opponents, strict=True)
        ]
    highest = max(exponents)
    return rng.choices(opponents, weights=[math.exp(e - highest) for e in exponents])[0]
