"""A memory of insights: tips and shortcuts that later prompts show, kept while they help.

After Mobile-Agent-E (arXiv 2501.11733). A fold: what was learnt and what became of the proposals
that it was shown for. An insight is on probation until it has been tried often enough to
judge; at most one such is shown at a time, and the outcome is then its alone, so that a good
one is not blamed for its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from metasearch.operators.text_similarity import relevance

PROBATION = 10
"""Trials before an insight is judged."""

LEAST_UTILITY = 0.2
"""Below this, one that has been judged is forgotten."""

_FLOOR = 0.1
"""Relevance of an insight that shares no word with the query: it may still be of use."""


@dataclass(frozen=True)
class Entry:
    """One insight and its record."""

    text: str
    requires: tuple[str, ...] = ()
    """Texts that a program must hold for the insight to apply; none if it always does."""
    wins: int = 0
    trials: int = 0

    @property
    def utility(self) -> float:
        """``(wins + 1) / (trials + 2)``: 1/2 for one that was never tried."""
        return (self.wins + 1) / (self.trials + 2)

    @property
    def on_probation(self) -> bool:
        """Whether it has too few trials to be judged."""
        return self.trials < PROBATION


@dataclass
class InsightMemory:
    """What is remembered, by the number of the fact that it came from."""

    capacity: int = 200
    """With more than so many the one of least utility is forgotten, the oldest of them."""
    entries: dict[int, Entry] = field(default_factory=dict)

    def copy(self) -> InsightMemory:
        """As it is now, whatever is folded into this one later."""
        return InsightMemory(self.capacity, dict(self.entries))

    def learn(self, number: int, entry: Entry, replaces: int | None = None) -> None:
        """Remember an insight; one that it is a better version of is forgotten.

        An insight of another campaign may bring its record along.
        """
        if replaces is not None:
            self.entries.pop(replaces, None)
        self.entries[number] = entry
        if len(self.entries) > self.capacity:
            self.entries.pop(min(self.entries, key=lambda n: (self.entries[n].utility, n)))

    def settle(self, shown: Iterable[int], won: bool) -> None:
        """Fold in what became of a proposal.

        Args:
            shown: The insights that its prompt showed; forgotten ones count no more.
            won: Whether it did better than usual, say than the median of the latest ones. A
                stricter measure would make every insight look useless late in a search.
        """
        known = [number for number in shown if number in self.entries]
        tried = [number for number in known if self.entries[number].on_probation]
        for number in tried or known:
            entry = self.entries[number]
            entry = replace(entry, wins=entry.wins + won, trials=entry.trials + 1)
            if entry.utility < LEAST_UTILITY and not entry.on_probation:
                del self.entries[number]
            else:
                self.entries[number] = entry

    def retrieve(self, query: str, program: str, limit: int = 5) -> list[int]:
        """The insights to show: useful, relevant to the query, fit for the program, best first.

        Args:
            query: What the prompt is about.
            program: Text of the program that is to be changed.
            limit: How many at most; one of them may be on probation.
        """
        fitting = [
            number
            for number, entry in self.entries.items()
            if all(text in program for text in entry.requires)
        ]
        alike = relevance(query, [self.entries[number].text for number in fitting])
        scores = {
            number: self.entries[number].utility * (_FLOOR + similarity)
            for number, similarity in zip(fitting, alike, strict=True)
        }
        ranked = sorted(scores, key=lambda number: (-scores[number], number))
        tried = [number for number in ranked if self.entries[number].on_probation][: min(1, limit)]
        proven = [number for number in ranked if not self.entries[number].on_probation]
        chosen = {*tried, *proven[: max(0, limit - len(tried))]}
        return [number for number in ranked if number in chosen]
