"""What a person says to a campaign, while it runs or rests: commands, kept as facts.

Some are for the engine (pause, continue, stop, extend, concurrency). The others steer: they
count for every step that is opened after them, so that a step which is opened again after a
crash sees what it saw. Anybody who may write the archive may give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from metasearch.campaign import Budget, CampaignFile
from metasearch.candidate import Candidate, Frozen, Outcome

MANY = 1_000
"""Commands that may wait for an engine at once."""
PERSON = "person"
"""Operator of an idea that a person had."""
SHOWN = 20
"""Hints that a prompt shows, the latest ones."""

Wording = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
Number = Annotated[int, Field(ge=0, lt=2**53)]


class Pause(Frozen):
    """Open nothing new and ask nothing; what is being evaluated is finished."""

    kind: Literal["pause"] = "pause"

    def __str__(self) -> str:
        return "pause"


class Continue(Frozen):
    """End a pause."""

    kind: Literal["continue"] = "continue"

    def __str__(self) -> str:
        return "continue"


class Stop(Frozen):
    """End the run as Ctrl-C does: what is in flight arrives and is stored."""

    kind: Literal["stop"] = "stop"

    def __str__(self) -> str:
        return "stop"


class Extend(Frozen):
    """New limits of the budget, each above the one in force; those not named stay."""

    kind: Literal["extend"] = "extend"
    evaluations: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tokens: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    ideas: Annotated[int, Field(ge=1, lt=2**53)] | None = None

    @model_validator(mode="after")
    def _names_a_limit(self) -> Extend:
        if not self.limits:
            raise ValueError("name at least one limit: evaluations, usd, tokens, minutes or ideas")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """Those that are named."""
        return self.model_dump(exclude={"kind"}, exclude_none=True)

    def __str__(self) -> str:
        return "extend " + ", ".join(f"{name} to {limit:g}" for name, limit in self.limits.items())


class Concurrency(Frozen):
    """Another number of model calls in flight."""

    kind: Literal["concurrency"] = "concurrency"
    limit: Annotated[int, Field(ge=1, le=1024)]

    def __str__(self) -> str:
        return f"concurrency {self.limit}"


class Hint(Frozen):
    """Words for the prompts of the steps to come."""

    kind: Literal["hint"] = "hint"
    text: Wording
    island: Number | None = None
    """Only where this island's programs are changed."""
    below: Number | None = None
    """Only where this candidate or a descendant of it is changed."""
    expires: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """After so many steps that saw it and proposed something."""
    append: bool = True
    """``False``: it takes the place of all hints before it."""

    def __str__(self) -> str:
        where = "" if self.island is None else f" on island {self.island}"
        where += "" if self.below is None else f" below #{self.below}"
        return f"hint{where}: {self.text}"


class Withdraw(Frozen):
    """Show a hint no more."""

    kind: Literal["withdraw"] = "withdraw"
    hint: Number
    """The number of the command that gave it."""

    def __str__(self) -> str:
        return f"withdraw hint {self.hint}"


class Idea(Frozen):
    """Something to try once: an idea like the model's own where a strategy rates ideas."""

    kind: Literal["idea"] = "idea"
    text: Wording

    def __str__(self) -> str:
        return f"idea: {self.text}"


class Favourite(Frozen):
    """Show this candidate as an inspiration."""

    kind: Literal["favourite"] = "favourite"
    candidate: Number

    def __str__(self) -> str:
        return f"favourite #{self.candidate}"


class Veto(Frozen):
    """Build on this candidate no more: for strategies it is invalid from here on."""

    kind: Literal["veto"] = "veto"
    candidate: Number
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)] = ""

    def __str__(self) -> str:
        return f"veto #{self.candidate}" + (f": {self.reason}" if self.reason else "")


class Unmark(Frozen):
    """Take back what was said of a candidate."""

    kind: Literal["unmark"] = "unmark"
    candidate: Number

    def __str__(self) -> str:
        return f"unmark #{self.candidate}"


AnyCommand: TypeAlias = (
    Pause
    | Continue
    | Stop
    | Extend
    | Concurrency
    | Hint
    | Withdraw
    | Idea
    | Favourite
    | Veto
    | Unmark
)
Steering = (Hint, Withdraw, Idea, Favourite, Veto, Unmark)
"""What steps read themselves, at their opening."""

Command: TypeAlias = Annotated[AnyCommand, Field(discriminator="kind")]
"""One command; ``kind`` tells which."""


class Commanded(Frozen):
    """A command with its place in the archive, and what came of it."""

    number: int
    """Counts up within the campaign, from 0."""
    seq: int
    """Position in the archive's order of all facts."""
    at: float
    """Unix time in seconds."""
    who: str
    """User and host, or ``web``."""
    command: Command
    answered: float | None = None
    """When an engine answered; ``None`` while it waits for one."""
    taken: bool = False
    answer: str = ""
    """From which step on it counts, or why it was declined."""


@dataclass(frozen=True)
class Marks:
    """What people have said of candidates; the last word on each counts."""

    favourites: Mapping[int, int]
    """Candidate -> the command that made it one."""
    vetoes: Mapping[int, str]
    """Candidate -> why."""

    @classmethod
    def of(cls, commands: Iterable[Commanded]) -> Marks:
        """The marks after these commands."""
        favourites: dict[int, int] = {}
        vetoes: dict[int, str] = {}
        for each in commands:
            match each.command:
                case Favourite(candidate=number):
                    vetoes.pop(number, None)
                    favourites[number] = each.number
                case Veto(candidate=number, reason=reason):
                    favourites.pop(number, None)
                    vetoes[number] = reason
                case Unmark(candidate=number):
                    favourites.pop(number, None)
                    vetoes.pop(number, None)
        return cls(favourites, vetoes)

    def seen(self, candidate: Candidate) -> Candidate:
        """The candidate as strategies see it: a vetoed one is invalid, with no program to mend."""
        if candidate.number not in self.vetoes:
            return candidate
        reason = self.vetoes[candidate.number]
        error = "Vetoed by the person who runs the search" + (f": {reason}" if reason else ".")
        seen = {"outcome": Outcome.INVALID, "error": error, "digest": None}
        return candidate.model_copy(update=seen)


def hints_in_force(commands: Iterable[Commanded]) -> list[Commanded]:
    """Hints and ideas that no later command has taken back, oldest first."""
    found: dict[int, Commanded] = {}
    for each in commands:
        match each.command:
            case Hint(append=append):
                if not append:
                    found.clear()
                found[each.number] = each
            case Idea():
                found[each.number] = each
            case Withdraw(hint=number):
                found.pop(number, None)
    return list(found.values())


def settings_in_force(
    settings: Iterable[tuple[int, CampaignFile]], commands: Iterable[Commanded]
) -> CampaignFile:
    """The latest settings with what commands have changed of them since.

    Of a limit the last word counts: an extension, until the campaign's file or an option names
    another limit than it did before.

    Args:
        settings: The place in the order of facts and what a run was begun or continued with,
            oldest first; at least one.
        commands: In their order.
    """
    words = sorted([*settings, *((c.seq, c.command) for c in commands)], key=lambda word: word[0])
    said: dict[str, float | None] = {}
    now: dict[str, float | None] = {}
    latest: CampaignFile | None = None
    for _, word in words:
        if isinstance(word, CampaignFile):
            latest = word
            names: dict[str, float | None] = dict(word.budget.model_dump())
            names["concurrency"] = word.concurrency
            now |= {name: n for name, n in names.items() if name not in said or said[name] != n}
            said = names
        elif isinstance(word, Extend):
            for name, limit in word.limits.items():
                before = now.get(name)
                now[name] = before if before is None else max(before, limit)
        elif isinstance(word, Concurrency):
            now["concurrency"] = word.limit
    if latest is None:
        raise ValueError("a campaign has settings")
    width = now.pop("concurrency")
    budget = Budget.model_validate(now)
    return latest.model_copy(update={"budget": budget, "concurrency": width})
