"""The feature grid of a campaign with ``map_elites``: folded as its strategy folds it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import NamedTuple

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.commands import Marks
from metasearch.objectives import Objective
from metasearch.operators.islands import Archipelago, Cell, Feature
from metasearch.strategies.map_elites import MapElites

_KEPT = 8


class Elite(NamedTuple):
    """A cell that is not empty."""

    cell: Cell
    candidate: Candidate
    """The best of all islands by the first objective."""
    visits: int
    """Scored candidates that fell into it."""


class Migration(NamedTuple):
    """That an elite came from another island and took a cell."""

    at: int
    """Number of the candidate that was settled when it came."""
    candidate: int
    source: int
    target: int


class Grid(NamedTuple):
    """What is where."""

    features: tuple[Feature, ...]
    elites: tuple[Elite, ...]
    """By cell."""
    newest: Cell | None
    """Which got its elite last."""
    migrations: tuple[Migration, ...]
    """In their order."""


class GridStore:
    """The grids that were looked at last; each is folded on when it is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folds: OrderedDict[str, _Fold] = OrderedDict()

    def grid(self, run: CampaignArchive) -> Grid:
        """All that is settled, on the grid.

        The first look, and the first one after a veto, takes as long as reading it all.
        """
        marks = run.marks()
        with self._lock:
            fold = self._folds.get(run.id)
            if fold is None or fold.marks.vetoes != marks.vetoes:
                fold = self._folds[run.id] = _Fold(run, marks)
            self._folds.move_to_end(run.id)
            while len(self._folds) > _KEPT:
                self._folds.popitem(last=False)
        return fold.read(run)


class _Fold:
    def __init__(self, run: CampaignArchive, marks: Marks) -> None:
        self.marks = marks
        options = MapElites.Options.model_validate(run.settings.strategy.options)
        self._features = options.features
        self._objective = run.objectives[0]
        self._population = Archipelago(
            run.objectives,
            options.features,
            islands=options.islands,
            topology=options.topology,
            migration_interval=options.migration_interval,
        )
        self._visits: Counter[Cell] = Counter()
        self._newest: Cell | None = None
        self._migrations: list[Migration] = []
        self._seq = 0
        self._lock = threading.Lock()

    def read(self, run: CampaignArchive) -> Grid:
        with self._lock:
            for candidate in run.candidates(self._seq):
                self._seq = candidate.seq
                self._add(self.marks.seen(candidate))
            bests = best_of_cells(self._population, self._objective)
            elites = (Elite(cell, bests[cell], self._visits[cell]) for cell in sorted(bests))
            return Grid(self._features, tuple(elites), self._newest, tuple(self._migrations))

    def _add(self, candidate: Candidate) -> None:
        self._migrations += (
            Migration(candidate.number, migrant.candidate.number, migrant.source, migrant.target)
            for migrant in self._population.add(candidate)
        )
        if not candidate.scored or (cell := self._population.cell(candidate)) is None:
            return
        self._visits[cell] += 1
        if any(island.cells.get(cell) is candidate for island in self._population.islands):
            self._newest = cell


def best_of_cells(population: Archipelago, objective: Objective) -> dict[Cell, Candidate]:
    """The best elite of each cell over all islands, by the first objective; older on ties."""
    bests: dict[Cell, Candidate] = {}

    def place(candidate: Candidate) -> tuple[float, int]:
        return objective.gain(candidate.scores[objective.name]), -candidate.number

    for island in population.islands:
        for cell, candidate in island.cells.items():
            if cell not in bests or place(candidate) > place(bests[cell]):
                bests[cell] = candidate
    return bests
