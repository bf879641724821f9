"""What a campaign has learnt so far: its memory of insights as a fold over the archive.

The same fold gives the prompts of a run, what ``metasearch insights`` shows, and what another
campaign inherits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metasearch.candidate import Candidate
from metasearch.facts import Insight, Origin, Recorded, Setting
from metasearch.objectives import Objective, dominates, gains
from metasearch.operators.insights import Entry, InsightMemory

USUAL = 20
"""Latest evaluated candidates that tell what is usual."""

INHERITED = 20
"""Insights that one campaign takes over from another, the most useful ones."""

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """What became of one evaluated candidate."""

    progress: Vector | None
    """Its gain over its first parent, objective by objective; ``None`` if it has no scores, or
    its parent has none."""
    won: bool
    improved: bool
    """Whether it is better than its first parent; with several objectives, dominates it."""


class Experience:
    """A fold over candidates and facts in the archive's order."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.memory = InsightMemory()
        self.learnt: dict[int, Insight] = {}
        """All insights ever, by the number of their fact."""
        self.evaluated = 0
        """Candidates that used up an evaluation, the seed included."""
        self.since_reflection = 0
        """How many of these since a step last began to look back."""
        self._objectives = objectives
        self._gains: dict[int, Vector] = {}
        self._results: dict[int, Result] = {}
        self._latest: deque[Result] = deque(maxlen=USUAL)

    def observe(self, candidate: Candidate) -> None:
        """Fold in one settled candidate."""
        if candidate.outcome is None or not candidate.outcome.evaluated:
            return
        self.evaluated += 1
        self.since_reflection += 1
        if candidate.scored:
            self._gains[candidate.number] = gains(self._objectives, candidate.scores)
        if candidate.parents:
            result = self._judge(candidate)
            self._results[candidate.number] = result
            self._latest.append(result)

    def learn(self, recorded: Recorded) -> None:
        """Fold in one fact; of most kinds nothing is learnt."""
        match recorded.fact:
            case Insight() as insight:
                self.learnt[recorded.number] = insight
                self.memory.learn(recorded.number, entry_of(insight), insight.replaces)
            case Origin(candidate=number, insights=shown) if shown and number in self._results:
                self.memory.settle(shown, self._results[number].won)
            case Setting(reflects=True):
                self.since_reflection = 0

    def improved(self, number: int) -> bool:
        """Whether a candidate is better than its first parent."""
        return number in self._results and self._results[number].improved

    def _judge(self, candidate: Candidate) -> Result:
        """Whether its progress beats more of the latest ones than beat it: better than usual.

        Progress, and not the score, because the strategy and not the prompt has chosen the
        parent. What has scores and a failed parent has won, what has no scores has lost.
        """
        own = self._gains.get(candidate.number)
        before = self._gains.get(candidate.parents[0])
        if own is None or before is None:
            return Result(None, own is not None, own is not None)
        progress = tuple(a - b for a, b in zip(own, before, strict=True))
        beaten = beaten_by = 0
        for other in self._latest:
            if other.progress is None:
                beaten += not other.won
            else:
                beaten += dominates(progress, other.progress)
                beaten_by += dominates(other.progress, progress)
        improved = dominates(own, before)
        return Result(progress, beaten > beaten_by if self._latest else improved, improved)


def entry_of(insight: Insight) -> Entry:
    """An insight as the memory keeps it: a shortcut fits where all that it replaces stands."""
    requires: tuple[str, ...] = ()
    if insight.shortcut is not None:
        searched = (step.arguments.get("search", "") for step in insight.shortcut.sequence)
        requires = tuple(text for text in (insight.shortcut.precondition, *searched) if text)
    return Entry(insight.text, requires, insight.wins, insight.trials)


def experience_of(
    objectives: Sequence[Objective], history: Iterable[Candidate | Recorded]
) -> Experience:
    """The fold over all of a campaign."""
    experience = Experience(objectives)
    for fact in history:
        if isinstance(fact, Candidate):
            experience.observe(fact)
        else:
            experience.learn(fact)
    return experience


def inheritance(campaign: str, experience: Experience) -> list[Insight]:
    """What another campaign may begin with: the most useful insights, with their record.

    Args:
        campaign: The id of the one that learnt them.
        experience: What it has learnt.
    """
    entries = experience.memory.entries
    best = sorted(entries, key=lambda number: (-entries[number].utility, number))[:INHERITED]
    return [
        experience.learnt[number].model_copy(
            update={
                "source": experience.learnt[number].source or campaign,
                "evidence": (),
                "replaces": None,
                "wins": entries[number].wins,
                "trials": entries[number].trials,
            }
        )
        for number in best
    ]
