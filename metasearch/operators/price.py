"""Who changes a trait: culling of islands, selection within them, or the operators.

The Price equation on two levels, as in *Chemical Heredity as Group Selection at the Molecular
Level* (arXiv 1802.08024). It splits the change of the mean of a trait (fitness, length, ...)
from parents to children exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Individual:
    """One possible parent of a window, and its children there."""

    island: int
    trait: float
    offspring: int
    """How many children it had."""
    offspring_trait: float = 0.0
    """Their mean trait; without meaning if there are none."""


@dataclass(frozen=True)
class Price:
    """The parts of the change; they add up to it."""

    between: float
    """``Cov(W, Z) / W`` over islands: some islands had more children than others."""
    within: float
    """``E[Cov(w, z)] / W``: selection of parents inside the islands."""
    bias: float
    """``E[w dz] / W``: what edits do to the trait without any selection."""

    @property
    def change(self) -> float:
        """Mean trait of the children minus mean trait of the possible parents."""
        return math.fsum((self.between, self.within, self.bias))


def price(individuals: Sequence[Individual]) -> Price:
    """Split the change of a trait; population covariances, islands weighted by their size.

    Raises:
        ValueError: Nobody has offspring, so there is no change to explain.
    """
    births = sum(one.offspring for one in individuals)
    if not births:
        raise ValueError("the Price equation needs at least one child")
    size = len(individuals)
    mean_trait = math.fsum(one.trait for one in individuals) / size
    mean_births = births / size
    between, within = [], []
    for island in sorted({one.island for one in individuals}):
        members = [one for one in individuals if one.island == island]
        trait = math.fsum(one.trait for one in members) / len(members)
        fertility = sum(one.offspring for one in members) / len(members)
        between.append(len(members) * (fertility - mean_births) * (trait - mean_trait))
        within += [(one.offspring - fertility) * (one.trait - trait) for one in members]
    bias = [
        one.offspring * (one.offspring_trait - one.trait) for one in individuals if one.offspring
    ]
    return Price(math.fsum(between) / births, math.fsum(within) / births, math.fsum(bias) / births)
