"""Facts besides candidates: what strategies think of, judge, choose and learn.

A strategy records them with ``ctx.record`` and gets all of them back, in the archive's order,
by ``learn``. Like candidates they are only ever added: a rating, a tree's visits or a tip's
success rate is a fold over them. They refer to each other, and to candidates, by number.

What a model wrote is cut to the length that its field allows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field

from metasearch.candidate import Frozen
from metasearch.texts import bounded_text

MANY = 100
"""Entries that a list of a fact may have."""


def _cut(limit: int) -> Callable[[object], object]:
    return partial(_cut_to, limit)


def _cut_to(limit: int, value: object) -> object:
    return bounded_text(value, limit) if isinstance(value, str) else value


Word = Annotated[str, BeforeValidator(_cut(100))]
"""A name that programs compare: an operator, a method, a label."""
Line = Annotated[str, BeforeValidator(_cut(300))]
Passage = Annotated[str, BeforeValidator(_cut(4_000))]
Text = Annotated[str, BeforeValidator(_cut(20_000))]
Number = Annotated[int, Field(ge=0)]
"""Of a fact or a candidate, as the field says."""
Numbers = Annotated[tuple[Number, ...], Field(max_length=MANY)]
Passages = Annotated[tuple[Passage, ...], Field(max_length=MANY)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Plan(Frozen):
    """What a research goal asks for, read once and shown to all who work on it."""

    kind: Literal["plan"] = "plan"
    goal: Text
    criteria: Passages = ()
    """By which ideas are judged."""
    constraints: Passages = ()
    attributes: Passages = ()
    """What a good idea is like."""

    def __str__(self) -> str:
        return self.goal


class Idea(Frozen):
    """Something to try, in words: rated before there is code for it, never edited."""

    kind: Literal["idea"] = "idea"
    title: Line
    claim: Passage
    mechanism: Passage = ""
    """Why it should work."""
    expected: Passage = ""
    """The effect, and the metric that would show it."""
    assumptions: Passages = ()
    predicted: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Change of the first objective that its author expects."""
    operator: Word
    """How it was made: ``explore``, ``combine``, ``simplify``, ..."""
    parents: Numbers = ()
    """Ideas that it was made from."""
    candidates: Numbers = ()
    """Candidates whose programs or results it builds on."""

    def __str__(self) -> str:
        return self.title


class Assumption(Frozen):
    """One thing that an idea takes for granted, and what a check of it found."""

    claim: Passage
    check: Passage = ""
    """How it was checked, and with what outcome."""
    holds: bool | None = None
    """``None`` if the check did not tell."""
    fundamental: bool = False
    """The idea falls with it."""


class Review(Frozen):
    """One look at one idea."""

    kind: Literal["review"] = "review"
    idea: Number
    method: Word
    """``initial``, ``full``, ``deep``, ``observe``, ``simulate``, ``recurrent``, ..."""
    verdict: Literal["pass", "fail"] | None
    """``None`` if there was none to be read, or the method gives none: it never counts as fail."""
    text: Text
    novelty: Annotated[int, Field(ge=1, le=5)] | None = None
    label: Word = ""
    """The method's own finding, where it has one: ``missing piece``, ``disproved``, ..."""
    assumptions: Annotated[tuple[Assumption, ...], Field(max_length=MANY)] = ()

    def __str__(self) -> str:
        return f"idea {self.idea}, {self.method}: {self.verdict or 'no verdict'}"


class Turn(Frozen):
    """What one side said in a debate."""

    speaker: Word
    text: Passage


class Match(Frozen):
    """Ideas or candidates compared by judges, in the order in which they were shown."""

    kind: Literal["match"] = "match"
    between: Literal["ideas", "candidates"]
    contestants: Annotated[tuple[Number, ...], Field(min_length=2, max_length=MANY)]
    shares: Annotated[tuple[Share, ...], Field(max_length=MANY)] | None
    """How much each one wins, adding up to 1: a hard or soft verdict, or the votes of a panel.
    ``None`` if the verdict was not valid; then nobody has won anything."""
    mode: Literal["single", "debate", "panel"] = "single"
    purpose: Literal["rating", "calibration", "tie"] = "rating"
    """``calibration``: of measured ones, to judge the judge. ``tie``: of candidates that their
    measurements do not tell apart. Neither enters a rating."""
    weight: Share = 1.0
    """In a rating; below 1 for judges who were unsure."""
    transcript: Annotated[tuple[Turn, ...], Field(max_length=MANY)] = ()
    rationale: Passage = ""
    judge: Line = ""
    """The model that judged."""

    def __str__(self) -> str:
        names = ", ".join(map(str, self.contestants))
        if self.shares is None:
            return f"{self.between} {names}: no valid verdict"
        return f"{self.between} {names}: {', '.join(f'{share:.2g}' for share in self.shares)}"


class Value(Frozen):
    """A model's estimate of how promising a candidate is, with its reasons."""

    kind: Literal["value"] = "value"
    candidate: Number
    score: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] | None
    """``None`` if only the explanation was wanted, or no valid number came. Never mixed with
    what was measured."""
    explanation: Passage
    """What the edit achieved, what is missing, and what an alternative should try."""

    def __str__(self) -> str:
        score = "no score" if self.score is None else f"{self.score:g}"
        return f"candidate {self.candidate}: {score}"


class Selection(Frozen):
    """What a step chose to work on. Others see it as work in flight until the step ends."""

    kind: Literal["selection"] = "selection"
    operator: Word
    """What the step is going to do: ``expand``, ``mutate``, ``review``, ..."""
    candidates: Numbers = ()
    """Chosen parents, a node of a tree, or a whole generation's survivors."""
    ideas: Numbers = ()
    generation: Annotated[int, Field(ge=0)] | None = None

    def __str__(self) -> str:
        chosen = [f"candidate {number}" for number in self.candidates[:5]]
        chosen += [f"idea {number}" for number in self.ideas[:5]]
        return f"{self.operator}: {', '.join(chosen)}"


class Origin(Frozen):
    """What besides its parents a candidate was made from."""

    kind: Literal["origin"] = "origin"
    candidate: Number
    ideas: Numbers = ()
    """Ideas that it implements."""
    insights: Numbers = ()
    """Insights that its prompt showed; they gain or lose by what became of it."""

    def __str__(self) -> str:
        sources = [f"idea {number}" for number in self.ideas[:5]]
        sources += [f"insight {number}" for number in self.insights[:5]]
        return f"candidate {self.candidate}: {', '.join(sources)}"


class Operation(Frozen):
    """One step of a shortcut: an atomic operation and what goes into its places."""

    name: Word
    arguments: Annotated[dict[Word, Passage], Field(max_length=20)] = {}


class Shortcut(Frozen):
    """A parametrised sequence of edits that worked, to be used as a whole."""

    name: Word
    arguments: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    precondition: Passage = ""
    sequence: Annotated[tuple[Operation, ...], Field(max_length=20)]


class Insight(Frozen):
    """Something learnt from the search that later prompts may show."""

    kind: Literal["insight"] = "insight"
    text: Passage
    evidence: Numbers = ()
    """Candidates that speak for it."""
    replaces: Number | None = None
    """The insight that this one is a better version of."""
    shortcut: Shortcut | None = None
    source: Line = ""
    """The campaign that learnt it, if it is another one; its evidence is there."""
    wins: Number = 0
    """The record that it brings along from there."""
    trials: Number = 0

    def __str__(self) -> str:
        return self.text


class Setting(Frozen):
    """What a step works under besides its strategy's choices: see ``strategies/mechanisms.py``."""

    kind: Literal["setting"] = "setting"
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    """Of its proposals; ``None`` leaves it to the strategy and the models' settings."""
    acceptance: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Improvement on the parent from which on a child is accepted; ``None`` for any score."""
    evaluations: Number | None = None
    """How many were used when it began, if its prompts say so."""
    budget: Number | None = None
    """Of how many."""
    reflects: bool = False
    """Whether it ends with a look back for insights."""

    def __str__(self) -> str:
        said = []
        if self.temperature is not None:
            said.append(f"temperature {self.temperature:g}")
        if self.acceptance is not None:
            said.append(f"accepts from {self.acceptance:+g}")
        if self.evaluations is not None:
            said.append(f"evaluation {self.evaluations} of {self.budget}")
        if self.reflects:
            said.append("looks back")
        return ", ".join(said)


class Overview(Frozen):
    """A look back over many ideas, reviews and debates."""

    kind: Literal["overview"] = "overview"
    purpose: Literal["feedback", "summary"]
    """``feedback`` goes into the prompts of the next epoch; ``summary`` is for people."""
    epoch: Annotated[int, Field(ge=0)] = 0
    text: Text
    ideas: Numbers = ()
    """The ideas that it speaks of, best first."""

    def __str__(self) -> str:
        return self.text


class Phrasing(Frozen):
    """A prompt in other words: prompts evolve beside the programs, as facts, not as files."""

    kind: Literal["phrasing"] = "phrasing"
    prompt: Word
    """Which one of its strategy's prompts this takes the place of."""
    text: Passage
    generation: Annotated[int, Field(ge=0)] | None = None
    """In which it was found."""

    def __str__(self) -> str:
        return f"{self.prompt}: {self.text}"


AnyFact: TypeAlias = (
    Plan
    | Idea
    | Review
    | Match
    | Value
    | Selection
    | Origin
    | Insight
    | Setting
    | Overview
    | Phrasing
)
Fact: TypeAlias = Annotated[AnyFact, Field(discriminator="kind")]
"""One fact; ``kind`` tells which."""

Kind = Literal[
    "plan",
    "idea",
    "review",
    "match",
    "value",
    "selection",
    "origin",
    "insight",
    "setting",
    "overview",
    "phrasing",
]
KINDS: tuple[str, ...] = get_args(Kind)


class Recorded(Frozen):
    """A fact with its place in the archive."""

    number: int
    """Counts up within the campaign's facts of this module, from 0; others refer to it by it."""
    seq: int
    """Position in the archive's order of all facts, candidates included."""
    step: int
    """The step that recorded it."""
    position: int
    """Counts what the step recorded, from 0."""
    fact: Fact
