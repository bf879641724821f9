"""Cost-aware bandits: which arm gives most improvements for the money, learnt from what came.

An arm is a model, a temperature and an operator together. A proposal is one pull of it: it
improved on its first parent or did not, and it had a cost. The value of an arm is its
improvements over its costs, so the best arm has the largest ratio of the two means, as in
budgeted bandits (Tran-Thanh et al., arXiv 1204.1909; Xia et al., arXiv 1505.00146).

Why only whether it improved, and not by how much: a share has no unit and no outliers. One
lucky jump or a rescaled objective changes nothing, and the large gains at the beginning of a
search do not drown the later ones. In return, many small steps count more than one large one.
Only of repairs the reward is a share: see :mod:`metasearch.models.credit`.

Improvements grow rare as a search goes on, for all arms alike, and an arm that was asked only
early would look good for ever. So what lies back fades: with each further pull, of whichever
arm, it counts ``1 - 1 / memory`` of what it did (Garivier and Moulines, arXiv 0805.3415).

Two ways to choose:

- ``ucb``: the largest upper bound of the share of improvements, over the mean cost. The bound
  is that of KL-UCB (Garivier and Cappé, arXiv 1102.2490), UCB1 (Auer, Cesa-Bianchi and
  Fischer 2002) with the bound that fits shares, at half the logarithm of the theory, since a
  campaign has hundreds of pulls and not millions.
- ``thompson``: the largest draw from each arm's posterior (Thompson 1933), but no less than
  its mean (optimistic sampling: May et al., JMLR 13, 2012), over the mean cost. The prior of
  each arm is one improvement at the rate of all arms together.

Neither gives an arm up. With ``f = (K / (K + t)) ** (1 / 3)`` after ``t`` pulls of ``K`` arms, one
that was never tried comes first with probability ``f``; and once all were, the next pull is
forced with probability ``explore * f``, drawn so that each arm gets the same money by it.
This decays, but its sum grows without end. Even an untried arm is never certain, since a
model that refuses every prompt brings no proposal to learn from.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from metasearch.exchange import Usage

Unit = Literal["usd", "tokens", "seconds"]
"""What cost is counted in."""

CHEAPEST = 0.01
"""No arm counts as cheaper than this share of the dearest one: what a free model proposes has
to be evaluated all the same."""

_CONFIDENCE = 0.5
"""Of the logarithm of all pulls, in the upper bound."""
_HALVINGS = 30
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Arm:
    """What a choice decides; ``None`` is what it leaves open."""

    model: str
    temperature: float | None = None
    operator: str | None = None


@dataclass(frozen=True)
class Pull:
    """One settled proposal."""

    arm: Arm
    reward: float
    """1 if it improved and 0 if not; of a repair its credit, from 0 to 1."""
    usage: Usage
    """Of all calls that led to it."""


@dataclass(frozen=True)
class Tally:
    """Sums over pulls."""

    pulls: float = 0.0
    improvements: float = 0.0
    usd: float = 0.0
    unpriced: float = 0.0
    """Pulls whose USD nobody knows."""
    tokens: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, pull: Pull) -> Tally:
        """A single pull."""
        usd, usage = pull.usage.usd, pull.usage
        return cls(1.0, pull.reward, usd or 0.0, float(usd is None), usage.tokens, usage.seconds)

    def plus(self, other: Tally, keep: float = 1.0) -> Tally:
        """The sum of both, with this one counted only so much."""
        return Tally(
            self.pulls * keep + other.pulls,
            self.improvements * keep + other.improvements,
            self.usd * keep + other.usd,
            self.unpriced * keep + other.unpriced,
            self.tokens * keep + other.tokens,
            self.seconds * keep + other.seconds,
        )

    def cost(self, unit: Unit) -> float:
        """The sum of the costs."""
        return {"usd": self.usd, "tokens": self.tokens, "seconds": self.seconds}[unit]


@dataclass(frozen=True)
class History:
    """All pulls so far, folded in their order. Immutable: a step keeps what it opened with."""

    memory: int
    """After so many further pulls one counts about a third."""
    total: Mapping[Arm, Tally] = field(default_factory=dict)
    """All pulls counted alike."""
    recent: Mapping[Arm, Tally] = field(default_factory=dict)
    """Those that lie back counted less: what is chosen by."""

    def after(self, pull: Pull) -> History:
        """The history with one more pull."""
        nothing, one = Tally(), Tally.of(pull)
        keep = 1.0 - 1.0 / self.memory
        recent = {arm: tally.plus(nothing, keep) for arm, tally in self.recent.items()}
        recent[pull.arm] = recent.get(pull.arm, nothing).plus(one)
        total = {**self.total, pull.arm: self.total.get(pull.arm, nothing).plus(one)}
        return History(self.memory, total, recent)

    @property
    def unit(self) -> Unit:
        """USD if every price is known and not all are free; else tokens; else seconds."""
        everything = _sum(self.total.values())
        if everything.usd > 0 and not everything.unpriced:
            return "usd"
        return "tokens" if everything.tokens > 0 else "seconds"

    def of(self, arm: Arm) -> Tally:
        """What is known of an arm; of all operators together if it names none."""
        return _sum(
            tally
            for known, tally in self.recent.items()
            if (known.model, known.temperature) == (arm.model, arm.temperature)
            and arm.operator in (None, known.operator)
        )


class Value(NamedTuple):
    """Improvements per unit of cost."""

    mean: float
    low: float
    """Of the 95 % interval of the share of improvements (Wilson 1927), at the mean cost."""
    high: float


def value(tally: Tally, unit: Unit) -> Value | None:
    """What an arm has been worth; ``None`` if it has cost nothing."""
    cost, n = tally.cost(unit), tally.pulls
    if not cost:
        return None
    share, z = tally.improvements / n, _NORMAL_95
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    pulls = n / cost
    low = max(0.0, middle - reach) if tally.improvements else 0.0
    return Value(share * pulls, low * pulls, (middle + reach) * pulls)


def ucb(history: History, arms: Sequence[Arm], explore: float, rng: random.Random) -> Arm:
    """The arm to pull by upper confidence bounds."""

    def bounds(tallies: Sequence[Tally]) -> list[float]:
        width = _CONFIDENCE * math.log(1.0 + _sum(tallies).pulls)
        return [upper_bound(t.improvements / t.pulls, t.pulls, width) for t in tallies]

    return _choose(history, arms, explore, rng, bounds)


def thompson(history: History, arms: Sequence[Arm], explore: float, rng: random.Random) -> Arm:
    """The arm to pull by draws from posteriors."""

    def draws(tallies: Sequence[Tally]) -> list[float]:
        everything = _sum(tallies)
        against = (everything.pulls + 2.0) / (everything.improvements + 1.0) - 1.0
        drawn = []
        for tally in tallies:
            a = 1.0 + tally.improvements
            b = against + tally.pulls - tally.improvements
            drawn.append(max(rng.betavariate(a, b), a / (a + b)))
        return drawn

    return _choose(history, arms, explore, rng, draws)


def upper_bound(share: float, pulls: float, width: float) -> float:
    """The largest share ``q`` with ``pulls * kl(share, q) <= width``, of Bernoulli variables."""
    low, high = share, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if pulls * _divergence(share, middle) > width:
            high = middle
        else:
            low = middle
    return low


def _choose(
    history: History,
    arms: Sequence[Arm],
    explore: float,
    rng: random.Random,
    shares: Callable[[Sequence[Tally]], list[float]],
) -> Arm:
    """An untried arm, a forced one, or the best by its index."""
    known = {arm: history.of(arm) for arm in arms}
    tried = {arm: tally for arm, tally in known.items() if tally.pulls}
    untried = [arm for arm in arms if arm not in tried]
    pulls = _sum(history.total.values()).pulls
    drawn = rng.random() / (len(arms) / (len(arms) + pulls)) ** (1 / 3)
    if untried and (drawn < 1.0 or not tried):
        return rng.choice(untried)
    tallies = list(tried.values())
    costs = _costs(tallies, history.unit)
    if not untried and drawn < explore:
        return rng.choices(list(tried), [1.0 / cost for cost in costs])[0]
    values = [share / cost for share, cost in zip(shares(tallies), costs, strict=True)]
    best = max(values)
    return rng.choice([arm for arm, v in zip(tried, values, strict=True) if v == best])


def _costs(tallies: Sequence[Tally], unit: Unit) -> list[float]:
    """The mean cost of a pull of each; all alike if nothing costs anything."""
    means = [tally.cost(unit) / tally.pulls for tally in tallies]
    least = max(means) * CHEAPEST or 1.0
    return [max(mean, least) for mean in means]


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of Bernoulli variables, for ``p <= q``."""
    if p < 1 <= q:
        return math.inf
    failing = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return failing + (p * math.log(p / q) if p > 0 else 0.0)


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total = total.plus(tally)
    return total
