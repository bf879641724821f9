"""Folding the archive's facts into a strategy, in the archive's one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from metasearch.archive import NOW, CampaignArchive
from metasearch.candidate import Candidate
from metasearch.commands import Marks
from metasearch.facts import Recorded
from metasearch.models import Ensembles
from metasearch.step import Learner, Strategy


class _Picture:
    """What a strategy has made of the facts, with the vetoes that were in force."""

    def __init__(self, strategy: Strategy, marks: Marks) -> None:
        self.strategy = strategy
        self.marks = marks
        self.steps = 0
        """In flight that chose by it."""

    def add(self, fact: Candidate | Recorded) -> None:
        if isinstance(fact, Candidate):
            self.strategy.observe(self.marks.seen(fact))
        elif isinstance(self.strategy, Learner):
            self.strategy.learn(fact)


class Fold:
    """What a strategy and its ensembles have seen of the archive.

    Facts that arrive while older ones are still being folded are kept until it is their turn.

    A strategy is a fold over facts, so a veto needs no word of its own: a fresh strategy folds
    all of them again, with that candidate as an invalid one. Steps that chose before go on with
    the earlier picture, which is kept up to date until the last of them has ended.
    """

    def __init__(
        self,
        archive: CampaignArchive,
        strategy: Strategy,
        ensembles: Ensembles,
        renew: Callable[[], Strategy],
    ) -> None:
        """Set up; nothing is folded yet.

        Args:
            archive: Has the facts.
            strategy: Fresh.
            ensembles: Choose models by what became of earlier choices.
            renew: Makes another fresh strategy.
        """
        self._archive = archive
        self._ensembles = ensembles
        self._renew = renew
        self._pictures = [_Picture(strategy, archive.marks())]
        self._catching_up = True
        self._arrived: list[Candidate | Recorded] = []
        self._folded = 0

    def begin(self, seq: int = NOW) -> None:
        """Say which vetoes count for the first step that is going to be opened again."""
        self._pictures[-1].marks = self._archive.marks(until=seq)

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
        if isinstance(fact, Candidate) and self._ensembles.histories:
            self._ensembles.observe(fact, self._archive.calls_before(fact.number))
        for picture in self._pictures:
            picture.add(fact)

    @contextmanager
    def seen_at(self, seq: int) -> Iterator[Strategy]:
        """The strategy for a step that is opened at this place, for as long as it runs."""
        picture = self._pictures[-1]
        marks = self._archive.marks(until=seq)
        if marks.vetoes != picture.marks.vetoes:
            picture = self._folded_again(marks)
            self._pictures.append(picture)
            self._forget()
        picture.steps += 1
        try:
            yield picture.strategy
        finally:
            picture.steps -= 1
            self._forget()

    def _folded_again(self, marks: Marks) -> _Picture:
        picture = _Picture(self._renew(), marks)
        for fact in self._archive.history():
            if fact.seq > self._folded:
                break
            picture.add(fact)
        return picture

    def _forget(self) -> None:
        self._pictures = [p for p in self._pictures[:-1] if p.steps] + self._pictures[-1:]
