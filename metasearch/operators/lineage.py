"""Who descends from whom: how deep lineages are, and whether one has taken over.

A fold over candidates in the archive's order. Descent follows the main parent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from metasearch.candidate import Candidate, Outcome


@dataclass(frozen=True)
class Takeover:
    """From how many founders a population descends."""

    share: float
    """Of the population, those that descend from the commonest founder."""
    founder: int | None
    """Number of that founder, the older one on ties; ``None`` for an empty population."""
    effective: float
    """``exp`` of the entropy of the shares: as many equally common founders would be as
    diverse. 1 is a complete takeover."""


class WorkingParents:
    """Whose child a candidate is, where a repair is a child of what the failed program changed."""

    def __init__(self) -> None:
        self._of_failed: dict[int, int] = {}

    def observe(self, candidate: Candidate) -> int | None:
        """Fold in one settled candidate; its working main parent, ``None`` without parents."""
        if not candidate.parents:
            return None
        parent = self._of_failed.get(candidate.parents[0], candidate.parents[0])
        if candidate.outcome is not Outcome.SCORED:
            self._of_failed[candidate.number] = parent
        return parent


@dataclass
class Lineages:
    """Parents and depths of all candidates so far."""

    parents: dict[int, int | None] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)

    def observe(self, number: int, parent: int | None) -> None:
        """Fold in one candidate; a parent that is unknown counts as none."""
        known = parent if parent in self.depths and parent != number else None
        self.parents[number] = known
        self.depths[number] = 0 if known is None else self.depths[known] + 1

    def depth(self, number: int) -> int:
        """Edits between a candidate and the beginning of its lineage."""
        return self.depths[number]

    def founder(self, number: int, before: int) -> int:
        """Its latest ancestor, itself included, that is numbered below ``before``.

        If there is none, the beginning of its lineage.
        """
        parent = self.parents[number]
        while number >= before and parent is not None:
            number, parent = parent, self.parents[parent]
        return number

    def takeover(self, population: Iterable[int], before: int) -> Takeover:
        """How a population descends from those who were there before candidate ``before``."""
        founders = Counter(self.founder(number, before) for number in population)
        total = founders.total()
        if not total:
            return Takeover(0.0, None, 0.0)
        founder = max(sorted(founders), key=lambda number: founders[number])
        entropy = -sum(c / total * math.log(c / total) for c in founders.values())
        return Takeover(founders[founder] / total, founder, math.exp(entropy))
