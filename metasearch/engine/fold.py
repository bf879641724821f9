"""Folding the archive's facts into a strategy, in the archive's one order."""

from __future__ import annotations

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.facts import Recorded
from metasearch.models import Ensembles
from metasearch.step import Learner, Strategy


class Fold:
    """What a strategy and its ensembles have seen of the archive.

    Facts that arrive while older ones are still being folded are kept until it is their turn.
    """

    def __init__(self, archive: CampaignArchive, strategy: Strategy, ensembles: Ensembles) -> None:
        self._archive = archive
        self._strategy = strategy
        self._learner = strategy if isinstance(strategy, Learner) else None
        self._ensembles = ensembles
        self._catching_up = True
        self._arrived: list[Candidate | Recorded] = []
        self._folded = 0

    def take_in(self, fact: Candidate | Recorded) -> None:
        """Fold a new fact, or keep it until the older ones are folded."""
        if self._catching_up:
            self._arrived.append(fact)
        else:
            self.add(fact)

    def caught_up(self) -> None:
        """Say that all facts of earlier runs are folded."""
        self._catching_up = False
        for fact in self._arrived:
            self.add(fact)

    def add(self, fact: Candidate | Recorded) -> None:
        """Fold the next fact of the archive's order."""
        if fact.seq <= self._folded:
            return  # the seed's, scored in this run before the archive was read
        self._folded = fact.seq
        if isinstance(fact, Candidate):
            if self._ensembles.histories:
                self._ensembles.observe(fact, self._archive.calls_before(fact.number))
            self._strategy.observe(fact)
        elif self._learner is not None:
            self._learner.learn(fact)
