"""The plateau test of ``co_scientist``: are the best ideas still the same?"""

from __future__ import annotations

from metasearch.facts import Overview


class Plateau:
    """A fold over the overviews of the best ideas, one of which ends each epoch."""

    def __init__(self, epochs: int | None, top: int) -> None:
        """Start without any.

        Args:
            epochs: So many without a change make a plateau; ``None``: there is none.
            top: How many of the best ideas count, in any order.
        """
        self._epochs = epochs
        self._top = top
        self._best: frozenset[int] = frozenset()
        self._since = 0
        self._epoch = 0

    def learn(self, overview: Overview) -> None:
        """Take in an overview."""
        if overview.purpose != "summary":
            return
        best = frozenset(overview.ideas[: self._top])
        if best != self._best:
            self._best, self._since = best, overview.epoch
        self._epoch = overview.epoch

    @property
    def reached(self) -> bool:
        """Whether nothing has changed among the best for that long."""
        return self._epochs is not None and self._epoch - self._since >= self._epochs
