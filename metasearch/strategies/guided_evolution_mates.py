"""Who is crossed with whom in ``guided_evolution``: neighbours, or those that are looked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from metasearch.candidate import Candidate
from metasearch.operators.genome import departures, genes
from metasearch.operators.mating import IdealMates, Mates
from metasearch.program import Program


class Couples:
    """Mate choice by what programs are: how far each block has gone from the seed's.

    A fold over generations that have ended, not over what was observed: when a run goes on, a
    step may breed before all older candidates were observed.
    """

    def __init__(self, seed: Program, options: Mates | None) -> None:
        """Begin with nobody.

        Args:
            seed: What all programs go back to.
            options: Of the choice; ``None``: there is none, and neighbours are crossed.
        """
        self._seed = seed
        self._ideals = IdealMates(len(genes(seed)), options) if options else None
        self._places: dict[int, tuple[float, ...]] = {}

    def introduce(
        self, settled: Sequence[Candidate], program: Callable[[Candidate], Program]
    ) -> None:
        """Fold in a generation; once more does no harm.

        Args:
            settled: Its candidates, in order.
            program: Gives the program of a scored one.
        """
        if self._ideals is None:
            return
        for candidate in settled:
            self._ideals.observe(candidate)
            if candidate.scored:
                self._places[candidate.number] = departures(program(candidate), self._seed)

    def mate(
        self,
        parent: Candidate,
        neighbour: Candidate,
        population: Sequence[Candidate],
        rng: random.Random,
    ) -> Candidate:
        """The neighbour; with mate choice whoever of those met is nearest to the parent's ideal."""
        others = [c for c in population if c.number != parent.number]
        if self._ideals is None or not others:
            return neighbour
        places = [self._places[c.number] for c in others]
        return others[self._ideals.choose(parent.number, places, rng)]
