"""Whether what ranks proposals before they are measured is worth asking.

A judge, an Elo table and a surrogate are all rankers. Two numbers tell how far to trust one:
its agreement with measured fitness, and how often its first choices hold an improvement.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from metasearch.operators.ratings import Match


@dataclass(frozen=True)
class Agreement:
    """How often a judge and the measurements prefer the same item."""

    share: float
    """0.5 is chance; 0.5 also if nothing was judged."""
    judged: int


def masked_agreement(matches: Iterable[Match], gains: Sequence[float]) -> Agreement:
    """Agreement of verdicts on measured items with their fitness, which the judge did not see.

    A draw counts half; unreadable verdicts and pairs of equal fitness are left out. The
    number of distinct items limits what this can tell, more than the number of pairs.

    Args:
        matches: Verdicts given without sight of fitness.
        gains: Measured fitness of each item, larger is better.
    """
    right, judged = 0.0, 0
    for match in matches:
        apart = gains[match.first] - gains[match.second]
        if match.score is not None and apart != 0:
            leaning = match.score - 0.5
            right += 0.5 if leaning == 0 else float((leaning > 0) == (apart > 0))
            judged += 1
    return Agreement(right / judged if judged else 0.5, judged)


def consensus(answers: Sequence[str | None]) -> tuple[str | None, float]:
    """The commonest of several answers to one question, and the share that gave it.

    Agreement over samples as confidence, after *Internal Consistency and Self-Feedback in Large
    Language Models*. Unreadable answers (``None``) lower the share and never win; of equally
    common ones the first given wins. Without any answer it is ``(None, 0.0)``.
    """
    readable = Counter(answer for answer in answers if answer is not None)
    if not readable:
        return None, 0.0
    answer, count = readable.most_common(1)[0]
    return answer, count / len(answers)


def reward_pass_at_k(ranked: Sequence[Sequence[bool]], k: int) -> float:
    """Share of parents with an improvement among the ranker's first k children.

    Reward-Pass@k of M-STaR (arXiv 2412.17451); 0 if there are no parents.

    Args:
        ranked: For each parent, whether its children improved, in the ranker's order, its
            first choice first.
        k: How many of the first count; at least 1.
    """
    return sum(any(children[:k]) for children in ranked) / len(ranked) if ranked else 0.0


def random_pass_at_k(ranked: Sequence[Sequence[bool]], k: int) -> float:
    """What a ranker without knowledge would reach on the same children.

    The mean of ``1 - C(n - c, k) / C(n, k)`` for c improvements among n children.
    """
    if not ranked:
        return 0.0
    shares = []
    for children in ranked:
        n, improvements = len(children), sum(children)
        taken = min(k, n)
        shares.append(1 - math.comb(n - improvements, taken) / math.comb(n, taken))
    return math.fsum(shares) / len(shares)


def pass_at_k(ranked: Sequence[Sequence[bool]]) -> float:
    """What a perfect ranker would reach: the share of parents with any improvement."""
    return sum(any(children) for children in ranked) / len(ranked) if ranked else 0.0


def best_temperature(ranked: Mapping[float, Sequence[Sequence[bool]]], k: int = 2) -> float:
    """The temperature whose proposals reach the highest Reward-Pass@k; the lower one on ties.

    M-STaR tries 0.3 to 1.6 in steps of 0.1 and uses k = 2: heat finds more improvements, but
    from some point on the ranker no longer finds them among the rest.

    Args:
        ranked: For each temperature, the children as for :func:`reward_pass_at_k`.
        k: How many of the ranker's first choices will be evaluated.
    """
    return max(sorted(ranked), key=lambda temperature: reward_pass_at_k(ranked[temperature], k))
