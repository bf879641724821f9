"""What an attack is, and how one may end."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metasearch.candidate import Candidate
from metasearch.outcome import Outcome

HONEST_SCORE = 0.5
"""What squares are worth: the judge's other questions have answers that nobody can guess."""
LOOT = "LOOT:"
"""How a program's line on stdout begins that says what it got hold of (see ``kit.got``)."""


@dataclass(frozen=True)
class Record:
    """What the archive says of a candidate afterwards."""

    candidate: Candidate
    printed: str
    """On stdout and on stderr."""

    def __str__(self) -> str:
        return f"{self.candidate.outcome}: {self.candidate.error}\n{self.printed}"


@dataclass(frozen=True)
class Ending:
    """What may become of an attacker. Nothing else is ever lost by it."""

    outcomes: tuple[Outcome, ...]
    score: float | None = None
    """If it may be scored: with exactly this, which is what its output is worth."""
    says: str = ""
    """Regular expression for the reason that the archive keeps, if it is lost."""

    def check(self, record: Record) -> None:
        """That the archive says what it should, and that nothing was got hold of."""
        candidate = record.candidate
        assert candidate.outcome is not None
        scores = [*candidate.scores.values(), *candidate.private_scores.values()]
        self.judge(candidate.outcome, candidate.error, scores, record)
        assert LOOT not in record.printed, record

    def judge(
        self, outcome: Outcome, error: str, scores: Sequence[float], told: object = ""
    ) -> None:
        """That it ended so."""
        assert outcome in self.outcomes, (error, told)
        if outcome is Outcome.SCORED:
            assert scores == [self.score], told
        else:
            assert scores == [], told
            assert re.search(self.says, error), (error, told)

    def __str__(self) -> str:
        words = []
        for outcome in self.outcomes:
            if outcome is not Outcome.SCORED:
                words.append(f"`{outcome}`")
            elif self.score == HONEST_SCORE:
                words.append("gets nothing, `scored` as its honest answers deserve")
            else:
                words.append("`scored` by what it returned: nothing won")
        return " or ".join(words)


HARMLESS = Ending((Outcome.SCORED,), HONEST_SCORE)
"""It tried, got nothing, and its answers are worth what they are worth."""
WORTHLESS = Ending((Outcome.SCORED,), 0.0)
"""It lied about its output; what it said is no answer."""
CRASHED = Ending((Outcome.CRASHED,))
INVALID = Ending((Outcome.INVALID,))
TIMED_OUT = Ending((Outcome.TIMED_OUT,))
OUT_OF_MEMORY = Ending((Outcome.OUT_OF_MEMORY,))
OUTPUT_LIMIT = Ending((Outcome.OUTPUT_LIMIT,))


def lost(*outcomes: Outcome, says: str = "") -> Ending:
    """It is lost in one of these ways."""
    return Ending(outcomes, says=says)


def either(*endings: Ending) -> Ending:
    """Which of them depends on who is faster, or on what the machine offers."""
    score = next((ending.score for ending in endings if ending.score is not None), None)
    return Ending(tuple(outcome for ending in endings for outcome in ending.outcomes), score)


@dataclass(frozen=True)
class Attack:
    """A hostile program, as a model would write it: ``solve(questions, bait)``.

    It shows what it got hold of through ``kit.got``, and else returns honest answers.
    """

    name: str
    """What it tries, as a phrase for the table."""
    source: str
    ending: Ending
    judged_by: str = "answers"
    """How the evaluator asks for its answers: one of the methods in ``judge.py``."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Further files of the program."""

    @property
    def files(self) -> dict[str, str]:
        """The program."""
        source = textwrap.dedent(self.source).strip()
        return {"program.py": f"# judged by: {self.judged_by}\n{source}\n", **self.beside}
