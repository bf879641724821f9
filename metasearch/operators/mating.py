"""Whom a candidate looks for as a mate: an ideal that is inherited and mutates like a trait.

Mate choice of *All You Need Is Sex for Diversity*. Nobody says what a good mate is: ideals that
lead to good children are inherited by them, so the population finds out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from metasearch.candidate import Candidate
from metasearch.operators.selection import ideal_mate


class Mates(BaseModel):
    """Options of :class:`IdealMates`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meets: int = Field(default=5, ge=1)
    """How many, drawn by chance, a candidate chooses from."""
    deviation: float = Field(default=0.1, ge=0)
    """Of the mutation of an ideal, on axes from 0 to 1."""


class IdealMates:
    """The ideal of each candidate, a place in descriptor space; a fold."""

    def __init__(self, dimensions: int, options: Mates) -> None:
        """Begin without any.

        Args:
            dimensions: Of a descriptor, whose numbers go from 0 to 1.
            options: How ideals mutate and how many mates are met.
        """
        self.ideals: dict[int, tuple[float, ...]] = {}
        self._dimensions = dimensions
        self._options = options

    def observe(self, candidate: Candidate) -> None:
        """Fold: a candidate has its first parent's ideal, mutated; one without parents any."""
        # A fold has no generator, and must find the same ideals whenever it is made.
        rng = random.Random(f"mate/{candidate.number}")
        inherited = self.ideals.get(candidate.parents[0]) if candidate.parents else None
        if inherited is None:
            ideal = tuple(rng.random() for _ in range(self._dimensions))
        else:
            mutated = (x + rng.gauss(0, self._options.deviation) for x in inherited)
            ideal = tuple(min(1.0, max(0.0, x)) for x in mutated)
        self.ideals[candidate.number] = ideal

    def choose(
        self, number: int, descriptors: Sequence[Sequence[float]], rng: random.Random
    ) -> int:
        """Position of the mate that a candidate takes.

        Args:
            number: Who chooses.
            descriptors: Of all who may be chosen, at least one.
            rng: Decides whom it meets.
        """
        return ideal_mate(self.ideals[number], descriptors, self._options.meets, rng)
