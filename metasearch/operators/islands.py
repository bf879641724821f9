"""Islands of elites on a feature grid, and who may migrate where.

All of it is a fold over settled candidates in the archive's order: nothing is stored but
the facts, and resuming is folding them again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from metasearch.candidate import Candidate
from metasearch.objectives import Objective, dominates, gains

Topology = Literal["ring", "circle", "complete", "caveman", "sequence", "random", "isolated"]

Cell = tuple[int, ...]


def neighbours(topology: Topology, islands: int, seed: int = 0) -> list[list[int]]:
    """For each island, those that it sends its elites to, in ascending order.

    The networks of *Cultural evolution in populations of Large Language Models* (arXiv
    2403.08882), and some more. The fewer the links, the later the best takes over all
    islands, and the longer they stay different.

    Args:
        topology: ``sequence``: to the next, the last to none. ``ring``: to the next, the last to
            the first. ``circle``: to both sides. ``caveman``: cliques of about the square
            root of all, joined to a circle by one link each. ``complete``: to all.
            ``random``: a connected graph with about four links per island. ``isolated``:
            to none.
        islands: How many there are.
        seed: Of the random graph.
    """
    last = islands - 1
    if topology == "isolated":
        links: list[tuple[int, int]] = []
    elif topology == "sequence":
        links = [(i, i + 1) for i in range(last)]
    elif topology == "ring":
        links = [(i, (i + 1) % islands) for i in range(islands)]
    elif topology == "circle":
        links = _both_ways((i, (i + 1) % islands) for i in range(islands))
    elif topology == "complete":
        links = [(i, j) for i in range(islands) for j in range(islands)]
    elif topology == "caveman":
        size = math.isqrt(last) + 1
        starts = range(0, islands, size)
        inside = [(i, j) for i in range(islands) for j in range(i) if i // size == j // size]
        joints = [(min(start + size - 1, last), start + size) for start in starts]
        links = _both_ways([*inside, *((i, j if j <= last else 0) for i, j in joints)])
    else:
        rng = random.Random(seed)
        tree = [(i, rng.randrange(i)) for i in range(1, islands)]
        more = [(rng.randrange(islands), rng.randrange(islands)) for _ in range(islands)]
        links = _both_ways([*tree, *more])
    targets: list[set[int]] = [set() for _ in range(islands)]
    for i, j in links:
        targets[i].add(j)
    return [sorted(found - {island}) for island, found in enumerate(targets)]


def _both_ways(links: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [link for i, j in links for link in ((i, j), (j, i))]


@dataclass(frozen=True)
class Feature:
    """One axis of the grid: a public metric, or the program's length."""

    name: str
    """``length``, or a metric that the evaluator returns."""
    low: float = 0.0
    high: float = 1.0
    bins: int = 10

    def __post_init__(self) -> None:
        if not self.low < self.high or self.bins < 1:
            raise ValueError(f"the axis {self.name!r} needs low < high and at least one bin")

    def bin(self, candidate: Candidate, seed_length: int) -> int | None:
        """Place on the axis, clamped to its ends; ``None`` if the metric is missing.

        Length counts on a logarithmic axis from an eighth of the seed's to eight times it.
        """
        if self.name == "length":
            share = (math.log2(max(candidate.length, 1) / max(seed_length, 1)) + 3) / 6
        elif self.name in candidate.scores:
            share = (candidate.scores[self.name] - self.low) / (self.high - self.low)
        else:
            return None
        return min(self.bins - 1, max(0, int(share * self.bins)))


@dataclass
class Island:
    """The elites of one island, one per cell of the feature grid."""

    cells: dict[Cell, Candidate] = field(default_factory=dict)

    def offer(self, cell: Cell, candidate: Candidate, objectives: Sequence[Objective]) -> bool:
        """Keep the candidate if its cell is empty or it dominates the cell's elite."""
        elite = self.cells.get(cell)
        if elite is not None and not dominates(
            gains(objectives, candidate.scores), gains(objectives, elite.scores)
        ):
            return False
        self.cells[cell] = candidate
        return True

    @property
    def elites(self) -> list[Candidate]:
        """In the order of their cells."""
        return [self.cells[cell] for cell in sorted(self.cells)]


@dataclass(frozen=True)
class Migrant:
    """An elite that came from another island and took a cell."""

    candidate: Candidate
    source: int
    target: int


class Archipelago:
    """Several islands on one feature grid, with migration every so many scored candidates."""

    def __init__(
        self,
        objectives: Sequence[Objective],
        features: Sequence[Feature],
        *,
        islands: int,
        topology: Topology,
        migration_interval: int,
    ) -> None:
        self.islands = [Island() for _ in range(islands)]
        self._objectives = objectives
        self._features = features
        self._routes = neighbours(topology, islands)
        self._interval = migration_interval
        self._scored = 0
        self._seed_length = 1

    def add(self, candidate: Candidate) -> list[Migrant]:
        """Fold one settled candidate: into its island, or, without one, into all.

        Returns:
            Who found a place in the migration that it brought about, if it did.
        """
        if not candidate.scored:
            return []
        if candidate.number == 0:
            self._seed_length = candidate.length
        homes = self.islands
        if candidate.island is not None and candidate.island < len(self.islands):
            homes = [self.islands[candidate.island]]
        if (cell := self.cell(candidate)) is not None:
            for island in homes:
                island.offer(cell, candidate, self._objectives)
        self._scored += 1
        return self._migrate() if self._scored % self._interval == 0 else []

    def cell(self, candidate: Candidate) -> Cell | None:
        """Where on the grid a candidate belongs; ``None`` if a feature is missing."""
        places = [feature.bin(candidate, self._seed_length) for feature in self._features]
        return None if None in places else tuple(place for place in places if place is not None)

    def place(self, candidate: Candidate) -> tuple[float, ...]:
        """Where on the grid a candidate stands, each axis from 0 to 1; its middle if it is none."""
        return tuple(
            0.5 if number is None else (number + 0.5) / feature.bins
            for feature in self._features
            for number in [feature.bin(candidate, self._seed_length)]
        )

    def _migrate(self) -> list[Migrant]:
        """Offer each island's best to its neighbours; copies, nothing leaves."""
        settled = []
        leaving = [self.best(number) for number in range(len(self.islands))]
        for source, (migrant, targets) in enumerate(zip(leaving, self._routes, strict=True)):
            cell = self.cell(migrant) if migrant else None
            if migrant is None or cell is None:
                continue
            settled += [
                Migrant(migrant, source, target)
                for target in targets
                if self.islands[target].offer(cell, migrant, self._objectives)
            ]
        return settled

    def best(self, island: int) -> Candidate | None:
        """The island's best elite by the first objective; the older one on ties."""
        first = self._objectives[0]
        return max(
            self.islands[island].elites,
            key=lambda c: (first.gain(c.scores[first.name]), -c.number),
            default=None,
        )
