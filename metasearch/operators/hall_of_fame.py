"""The best of a whole search, kept while it goes on."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from metasearch.candidate import Candidate
from metasearch.objectives import Objective, dominates, gains


class HallOfFame:
    """The best by the first objective, ties by the next and so on; and the front beside them."""

    def __init__(self, objectives: Sequence[Objective], size: int) -> None:
        """Empty.

        Args:
            objectives: The campaign's.
            size: How many of the best are kept; the front keeps all that belong to it.
        """
        self._objectives = objectives
        self._size = size
        self.best: list[Candidate] = []
        """The best first, the older one first on ties."""
        self.front: list[Candidate] = []
        """All that no other candidate dominates."""

    def add(self, candidate: Candidate) -> None:
        """Admit a scored candidate if it belongs here."""
        insort(self.best, candidate, key=lambda c: [-gain for gain in self._gains(c)])
        del self.best[self._size :]
        mine = self._gains(candidate)
        if not any(dominates(self._gains(other), mine) for other in self.front):
            self.front = [c for c in self.front if not dominates(mine, self._gains(c))]
            self.front.append(candidate)

    def _gains(self, candidate: Candidate) -> tuple[float, ...]:
        return gains(self._objectives, candidate.scores)
