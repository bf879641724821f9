"""Search health: how a campaign fares, window by window, whatever its strategy.

A fold over settled candidates in the archive's order, so nothing is stored: whoever wants the
rows (a strategy, ``status``, the browser) folds the candidates again. What needs the programs'
texts is in :mod:`metasearch.operators.panel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.candidate import Candidate
from metasearch.objectives import Objective, dominates, gains
from metasearch.operators.balance import WANTED, Balance, Children, balance
from metasearch.operators.lineage import Lineages, Takeover
from metasearch.operators.price import Individual, Price, price


@dataclass(frozen=True)
class Window:
    """One row: so many settled candidates in a row."""

    first: int
    """Number of the first candidate in it."""
    last: int
    count: int
    scored: float
    """Share with scores that compare."""
    balance: Balance
    depth: int
    """Of the deepest lineage among the scored ones, in edits."""
    takeover: Takeover
    """Of the scored ones, by founders from before the previous window."""
    price: Price | None
    """Of the first objective's gain: possible parents are the scored ones of the previous
    window and all parents of this one. ``None`` without children."""


class HealthMonitor:
    """The rows so far; the last, incomplete window is not among them."""

    def __init__(
        self, objectives: Sequence[Objective], *, size: int = 50, wanted: int = WANTED
    ) -> None:
        self.windows: list[Window] = []
        self._objectives = objectives
        self._size = size
        self._wanted = wanted
        self._lineages = Lineages()
        self._scored: dict[int, tuple[int, tuple[float, ...]]] = {}
        self._previous: list[Candidate] = []
        self._current: list[Candidate] = []

    def observe(self, candidate: Candidate) -> None:
        """Fold in one settled candidate."""
        self._lineages.observe(candidate.number, _parent(candidate))
        if candidate.scored:
            vector = gains(self._objectives, candidate.scores)
            home = -1 if candidate.island is None else candidate.island
            self._scored[candidate.number] = home, vector
        self._current.append(candidate)
        if len(self._current) == self._size:
            self.windows.append(self._close())
            self._previous, self._current = self._current, []

    def _close(self) -> Window:
        window = self._current
        scored = [c.number for c in window if c.scored]
        before = min(c.number for c in self._previous or window)
        return Window(
            first=window[0].number,
            last=window[-1].number,
            count=len(window),
            scored=len(scored) / len(window),
            balance=balance(self._families(), self._wanted),
            depth=max(map(self._lineages.depth, scored), default=0),
            takeover=self._lineages.takeover(scored, before),
            price=self._price(),
        )

    def _families(self) -> list[Children]:
        """Per scored parent its children of the window, and the different better ones."""
        made: dict[int, list[Candidate]] = {}
        for candidate in self._current:
            if (parent := _parent(candidate)) in self._scored and parent is not None:
                made.setdefault(parent, []).append(candidate)
        families = []
        for parent, children in made.items():
            _, floor = self._scored[parent]
            better = {
                c.digest
                for c in children
                if c.scored and dominates(self._scored[c.number][1], floor)
            }
            families.append(Children(len(better), len(children)))
        return families

    def _price(self) -> Price | None:
        traits: dict[int, list[float]] = {c.number: [] for c in self._previous if c.scored}
        for candidate in self._current:
            parent = _parent(candidate)
            if candidate.scored and parent is not None and parent in self._scored:
                traits.setdefault(parent, []).append(self._scored[candidate.number][1][0])
        individuals = []
        for number, children in sorted(traits.items()):
            island, vector = self._scored[number]
            mean = sum(children) / len(children) if children else 0.0
            individuals.append(Individual(island, vector[0], len(children), mean))
        return price(individuals) if any(traits.values()) else None


def _parent(candidate: Candidate) -> int | None:
    return candidate.parents[0] if candidate.parents else None
