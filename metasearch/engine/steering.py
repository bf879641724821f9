"""What a person has added to the prompts of one step: hints, ideas, a favourite program."""

from __future__ import annotations

from collections.abc import Sequence

from metasearch.archive import CampaignArchive
from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.commands import SHOWN, Commanded, Hint, Idea, hints_in_force
from metasearch.exchange import Message
from metasearch.operators.prompts import Brief, render_program, render_result
from metasearch.prompts import Part, inserted
from metasearch.step import Strategy

_ROLES: tuple[Role, ...] = ("propose", "reflect")
"""Who is told: those that make programs and ideas. Judges are to judge by themselves."""


def takes_ideas(strategy: Strategy) -> bool:
    """Whether a person's idea becomes a fact that the strategy rates; else it is a hint."""
    return bool(getattr(strategy, "takes_ideas", False))


class Steering:
    """What was said before a step opened, as far as it bears on what the step works on."""

    def __init__(self, archive: CampaignArchive, step: int, seq: int, *, ideas: bool) -> None:
        """Read it.

        Args:
            archive: The campaign's.
            step: The step's number.
            seq: Of its opening; later words are for later steps.
            ideas: Whether the strategy has ideas of its own, which those of people join.
        """
        commands = archive.commands(until=seq)
        self._archive = archive
        self._step = step
        self._seq = seq
        self._hints = [
            each for each in hints_in_force(commands) if isinstance(each.command, Hint) or not ideas
        ]
        self._marks = archive.marks(until=seq)
        self._parent: Candidate | None = None
        self._island: int | None = None

    def work_on(self, parent: Candidate, island: int | None) -> None:
        """Say which program the step changes, and where."""
        self._parent, self._island = parent, island

    def added(
        self, brief: Brief, messages: Sequence[Message], role: Role
    ) -> tuple[Sequence[Message], list[int]]:
        """The messages with what the person says, and the commands that it is from.

        It stands in the first message of the user, before its last part, which is the request.
        """
        if role not in _ROLES:
            return messages, []
        hints = [each for each in self._hints if self._applies(each)][-SHOWN:]
        parts, told = [], [each.number for each in hints]
        favourite = self._favourite()
        if favourite is not None:
            number, command = favourite
            parts.append(self._shown(brief, number))
            told.append(command)
        if hints:
            text = brief.render("steering", hints=[_text(each) for each in hints])
            parts.append(Part(text=text, priority=1, name="words of the person"))
        if not parts:
            return messages, []
        users = [place for place, message in enumerate(messages) if message.role == "user"]
        at = users[0] if users else len(messages) - 1
        return [*messages[:at], inserted(messages[at], parts), *messages[at + 1 :]], told

    def _applies(self, each: Commanded) -> bool:
        hint = each.command
        expires: int | None = 1
        if isinstance(hint, Hint):
            expires = hint.expires
            if hint.island is not None and hint.island != self._island:
                return False
            if hint.below is not None and not self._is_below(hint.below):
                return False
        if expires is None:
            return True
        tried = self._archive.times_tried(each.number, step=self._step, until=self._seq)
        return tried < expires

    def _is_below(self, number: int) -> bool:
        if self._parent is None:
            return False
        return any(c.number == number for c in self._archive.lineage(self._parent.number))

    def _favourite(self) -> tuple[int, int] | None:
        """One of them, in turn, and the command that made it one."""
        own = self._parent.number if self._parent else None
        others = [pair for pair in self._marks.favourites.items() if pair[0] != own]
        return others[self._step % len(others)] if others else None

    def _shown(self, brief: Brief, number: int) -> Part:
        candidate = self._archive.candidate(number)
        program = self._archive.program(candidate) if candidate.digest else None
        text = brief.render(
            "favourite",
            number=number,
            program=render_program(program) if program else "",
            result=render_result(brief, candidate) if candidate.outcome else "",
        )
        return Part(text=text, priority=2, name=f"favourite #{number}")


def _text(each: Commanded) -> str:
    assert isinstance(each.command, Hint | Idea)  # by hints_in_force
    return each.command.text
