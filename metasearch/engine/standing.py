"""Where a campaign stands: counts, the best so far, and which limit is reached."""

from __future__ import annotations

import sys

from metasearch.archive import CampaignArchive
from metasearch.campaign import Budget
from metasearch.candidate import Candidate
from metasearch.facts import Recorded
from metasearch.models import Ledger
from metasearch.objectives import Objective
from metasearch.operators.idea_board import IdeaBoard

STALLED = 200
"""So many steps in a row without a new program or fact end the run: the search repeats itself."""

UNUSABLE = 20
"""So many steps in a row without any program end the run: the model does not play along."""


class Standing:
    """Counters over the campaign's facts, read once and then kept with each new fact.

    Attributes:
        evaluations: Settled candidates that used up an evaluation.
        outcomes: Settled candidates by outcome.
        best: By the first objective, the older one on ties.
        curve: (evaluations, first objective) at each improvement.
        board: In a campaign of ideas alone, all of them.
        idle_steps: Steps in a row, up to now, that evaluated nothing and recorded nothing.
        fruitless_steps: Proposing steps in a row that evaluated nothing, whatever they recorded.
        budget: What limits it; may be changed while it runs.
        unusable_steps: Proposing steps in a row that gave no program at all.
    """

    def __init__(
        self,
        archive: CampaignArchive,
        budget: Budget,
        ledger: Ledger,
        objective: Objective | None,
    ) -> None:
        self.evaluations = archive.evaluations()
        self.outcomes = {str(outcome): count for outcome, count in archive.counts().items()}
        self.best: Candidate | None = next(iter(archive.best()), None)
        self.curve = [(point.evaluation, point.score) for point in archive.curve()]
        self.board = None if objective else IdeaBoard.of(archive.all_facts())
        self.idle_steps = 0
        self.fruitless_steps = 0
        self.unusable_steps = 0
        self._archive = archive
        self.budget = budget
        self._ledger = ledger
        self._objective = objective

    def add(self, candidate: Candidate) -> None:
        """Count a candidate that has just been settled."""
        assert candidate.outcome is not None
        outcome = str(candidate.outcome)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.evaluations += candidate.outcome.evaluated
        if not candidate.scored or self._objective is None:
            return
        score = candidate.scores[self._objective.name]
        best = self.best.scores[self._objective.name] if self.best else None
        if best is None or self._objective.gain(score) > self._objective.gain(best):
            self.best = candidate
            self.curve.append((self.evaluations, score))

    def learn(self, recorded: Recorded) -> None:
        """Count a fact that has just been recorded."""
        if self.board is not None:
            self.board.learn(recorded)

    def count_step(self, *, evaluated: bool, learnt: bool, unusable: str | None) -> None:
        """Count a step that has ended.

        Args:
            evaluated: It used up an evaluation.
            learnt: It recorded something besides its own choice.
            unusable: Why its last proposal was no program; empty if it was one, ``None`` if the
                step proposed nothing, which says nothing about the model's proposals.
        """
        made = evaluated or (learnt and self.board is not None)  # a program's score, or an idea
        self.idle_steps = 0 if evaluated or learnt else self.idle_steps + 1
        if made:
            self.fruitless_steps = 0
        elif unusable is not None:
            self.fruitless_steps += 1
        if made or unusable == "":
            self.unusable_steps = 0
        elif unusable:
            self.unusable_steps += 1

    def look_again(self) -> None:
        """Find the best again, after people have said which ones do not count."""
        self.best = next(iter(self._archive.best()), None)

    @property
    def evaluations_left(self) -> int:
        """How many more candidates may be evaluated."""
        limit = self.budget.evaluations
        return sys.maxsize if limit is None else limit - self.evaluations

    def reached(self) -> str | None:
        """The name of the first limit that is reached, if any."""
        budget, spent = self.budget, self._ledger.spent
        if self.evaluations_left <= 0:
            return "evaluations"
        if budget.tokens is not None and spent.tokens >= budget.tokens:
            return "tokens"
        if budget.usd is not None and (spent.usd or 0.0) >= budget.usd > 0:
            return "usd"
        if budget.minutes is not None and self._archive.seconds() >= budget.minutes * 60:
            return "minutes"
        if budget.target is not None and self.best is not None and self._objective is not None:
            score = self.best.scores[self._objective.name]
            if self._objective.reached(score, budget.target):
                return "target"
        stalled = max(self.idle_steps, self.fruitless_steps) >= STALLED
        return "stalled" if stalled else None
