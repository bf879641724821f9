"""The balance of exploration and exploitation, watched and kept: B-STaR (arXiv 2412.17256).

Too cold, and a parent's children are all alike; too hot, and hardly any is better than it. The
balance score of a parent falls either way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WANTED = 8
"""Different improvements of one parent that are enough: n* of the released code."""


@dataclass(frozen=True)
class Children:
    """What became of one parent's children in a window."""

    useful: int
    """n': different ones that are better than the parent."""
    selected: int
    """n: all that were accepted, repetitions included."""

    def score(self, wanted: int = WANTED) -> float:
        """``min(n' / n*, 1) * n' / n``; 0 without children."""
        if not self.selected:
            return 0.0
        return min(self.useful / wanted, 1.0) * self.useful / self.selected


@dataclass(frozen=True)
class Balance:
    """The balance of a window."""

    score: float
    """Mean of the parents' scores; 0 without parents."""
    exploration: float
    """Mean number of different improvements of a parent."""
    exploitation: float
    """Precision: share of the accepted that are different improvements."""


def balance(parents: Sequence[Children], wanted: int = WANTED) -> Balance:
    """The balance over all parents of a window."""
    if not parents:
        return Balance(0.0, 0.0, 0.0)
    useful = sum(parent.useful for parent in parents)
    selected = sum(parent.selected for parent in parents)
    return Balance(
        math.fsum(parent.score(wanted) for parent in parents) / len(parents),
        useful / len(parents),
        useful / selected if selected else 0.0,
    )


@dataclass(frozen=True, order=True)
class Setting:
    """What a controller turns."""

    temperature: float
    acceptance: float = -math.inf
    """Improvement on the parent, in units of gain, from which on a child is accepted."""


@dataclass(frozen=True)
class Child:
    """One child of a probe."""

    parent: int
    improvement: float | None
    """Its gain minus its parent's; ``None`` if it has no score."""
    digest: str
    """Equal for equal programs."""


def probe(children: Iterable[Child], acceptance: float) -> list[Children]:
    """Count each parent's accepted and useful children, in the order of parents."""
    by_parent: dict[int, list[Child]] = {}
    for child in children:
        by_parent.setdefault(child.parent, []).append(child)
    counts = []
    for _, family in sorted(by_parent.items()):
        accepted = [
            c
            for c in family
            if acceptance == -math.inf
            or (c.improvement is not None and c.improvement >= acceptance)
        ]
        better = {c.digest for c in accepted if c.improvement is not None and c.improvement > 0}
        counts.append(Children(len(better), len(accepted)))
    return counts


@dataclass
class Controller:
    """Tries each temperature on a few children, then keeps to the setting of the best balance.

    A fold: the same children in the same order give the same settings.
    """

    temperatures: Sequence[float]
    acceptances: Sequence[float] = (-math.inf,)
    probe_size: int = 16
    """Children per temperature in a probe."""
    period: int = 200
    """Children between two probes."""
    wanted: int = WANTED
    _probes: dict[float, list[Child]] = field(default_factory=dict, init=False)
    _best: Setting | None = field(default=None, init=False)
    _since: int = field(default=0, init=False)

    @property
    def probing(self) -> bool:
        """Whether temperatures are being tried."""
        return self._best is None

    def choose(self, in_flight: Iterable[float] = ()) -> Setting:
        """What the next proposal should use; while probing, the temperature least tried.

        Args:
            in_flight: Temperatures of proposals that are not settled yet: they count as tries.
        """
        if self._best is not None:
            return self._best
        tries = Counter(in_flight)
        tries.update({t: len(children) for t, children in self._probes.items()})
        least = min(self.temperatures, key=lambda t: tries[t])
        return Setting(least, min(self.acceptances))

    def observe(self, temperature: float, child: Child) -> None:
        """Fold in one settled child, made at this temperature."""
        if self._best is None:
            self._probes.setdefault(temperature, []).append(child)
            if all(len(self._probes.get(t, ())) >= self.probe_size for t in self.temperatures):
                self._best, self._since = self._decide(), 0
        else:
            self._since += 1
            if self._since >= self.period:
                self._best, self._probes = None, {}

    def _decide(self) -> Setting:
        """The highest balance score; the coolest and most lenient setting on ties."""
        settings = [Setting(t, a) for t in self.temperatures for a in self.acceptances]
        return max(
            sorted(settings),
            key=lambda s: (
                balance(probe(self._probes[s.temperature], s.acceptance), self.wanted).score
            ),
        )
