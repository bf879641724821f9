"""What the prompts of ``co_scientist`` show: bounded, fenced, and masked where judges look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metasearch.exchange import Message
from metasearch.facts import Idea, Match, Turn
from metasearch.operators.calibration import masked
from metasearch.operators.funnel import INITIAL, Entry, Funnel
from metasearch.operators.prompts import (
    Shown,
    fence,
    render_program,
    render_result,
    shorten,
    show,
)
from metasearch.step import Step, Task

CRITERIA = (
    "It serves the goal.",
    "It is plausible: there is a reason why it should work.",
    "It is new.",
    "It can be tested.",
    "It is safe, and does not play the measurement instead of the goal.",
)
"""By which ideas are judged until a plan says more."""

IDEA, REVIEW, LINE = 6_000, 1_500, 300
"""Characters shown of an idea, of what was said of it, of an entry of a list."""


class Briefing:
    """What one step may show, as the picture was when it opened."""

    def __init__(self, ctx: Step, funnel: Funnel, task: Task, *, measures: bool) -> None:
        """Prepare; before the step's first ``await``."""
        self._ctx = ctx
        self._funnel = funnel
        self._task = task
        plan = funnel.plan
        self._measures = measures
        self._head = ctx.render(
            "co_scientist_system",
            task=task,
            measures=measures,
            criteria=[shorten(text, LINE) for text in (plan.criteria if plan else CRITERIA)],
            constraints=[shorten(text, LINE) for text in (plan.constraints if plan else ())],
            attributes=[shorten(text, LINE) for text in (plan.attributes if plan else ())],
        )

    def talk(self, template: str, feedback: str = "", **values: object) -> list[Message]:
        """The conversation that opens a task: who we are and what for, then the task."""
        name = f"co_scientist_{template}"
        body = self._ctx.render(name, feedback=feedback, measures=self._measures, **values)
        return [Message(role="system", content=self._head), Message(role="user", content=body)]

    def feedback(self, epoch: int | None = None) -> str:
        """What the latest meta-review, or that of another epoch, asks everyone to mind."""
        return self._funnel.feedback.get(self._funnel.epoch if epoch is None else epoch, "")

    def program(self, candidates: Sequence[int]) -> str:
        """The program that an idea is to improve, with its result."""
        shown = [show(self._ctx, self._ctx.archive.candidate(number)) for number in candidates]
        return "\n\n".join(
            f"{render_program(s.program)}\n{render_result(s.candidate, self._task)}" for s in shown
        )

    def inspiration(self, other: Shown) -> dict[str, object]:
        """Another program to learn from, for a template."""
        return {
            "number": other.candidate.number,
            "program": render_program(other.program),
            "result": render_result(other.candidate, self._task),
        }

    def result(self, entry: Entry) -> str:
        """What the idea's best program measured; empty if none did."""
        if entry.program is None:
            return ""
        return render_result(self._ctx.archive.candidate(entry.program), self._task)

    def account(self, entry: Entry) -> str:
        """An idea, what was said of it, and what was measured."""
        parts = [f"Idea {entry.number}:", quoted(entry.idea)]
        said = [review.text for review in entry.reviews[-2:]]
        parts.append(listed("What reviewers said of it:", said, REVIEW))
        if entry.program is not None:
            parts.append(f"Its program: {shorten(self.result(entry), REVIEW)}")
        elif entry.started:
            parts.append("It was tried; no program of it could be measured.")
        return "\n".join(part for part in parts if part)

    def blind(self, entry: Entry, other: Entry) -> str:
        """An idea with its first review as judges see it: neither code nor fitness."""
        first = [r for r in entry.reviews if r.method == INITIAL and r.verdict is not None]
        text = described(entry.idea)
        if first:
            text += f"\nA reviewer said: {shorten(first[0].text, REVIEW)}"
        return fence(masked(text, entry.scores | other.scores))

    def known(self) -> str:
        """The best rated ideas and the latest ones, so that they are not thought of again."""
        ratings = self._funnel.ratings()
        entries = list(self._funnel.entries.values())
        rated = sorted(entries, key=lambda e: -ratings[e.number].value)[:10]
        shown = {entry.number: entry for entry in (*rated, *entries[-20:])}
        return self.lines(shown.values())

    def lines(self, entries: Iterable[Entry]) -> str:
        """Ideas in one line each."""
        return listed("", [line(entry) for entry in entries], LINE)

    def mistaken(self, match: Match) -> str | None:
        """A match whose winner was measured to do less than its loser, in words."""
        entries = [self._funnel.entries.get(number) for number in match.contestants]
        if match.shares is None or len(entries) != 2:
            return None
        first, second = entries
        if first is None or second is None or first.effect is None or second.effect is None:
            return None
        if (match.shares[0] - 0.5) * (first.effect - second.effect) >= 0:
            return None
        won, lost = (first, second) if match.shares[0] > 0.5 else (second, first)
        return f"Judged better: {line(won)} Measured better: {line(lost)}"


def described(idea: Idea) -> str:
    """An idea in words, of bounded length."""
    parts = {"Claim": idea.claim, "Mechanism": idea.mechanism, "Expected": idea.expected}
    lines = [f"Title: {idea.title}", *(f"{k}: {v}" for k, v in parts.items() if v)]
    lines += [f"Assumption: {assumption}" for assumption in idea.assumptions]
    return shorten("\n".join(lines), IDEA)


def quoted(idea: Idea) -> str:
    """An idea in a fence that it cannot leave."""
    return fence(described(idea))


def line(entry: Entry) -> str:
    """An idea in one line."""
    return f"Idea {entry.number}: {entry.idea.title}: {entry.idea.claim}"


def listed(heading: str, texts: Iterable[str], limit: int) -> str:
    """Texts as the entries of a list, in a fence; empty if there are none."""
    entries = [f"- {shorten(' '.join(text.split()), limit)}" for text in texts if text.strip()]
    if not entries:
        return ""
    return "\n".join(filter(None, [heading, fence("\n".join(entries))]))


def transcript(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """What was said in a debate, for a template."""
    return [{"speaker": turn.speaker, "text": fence(turn.text)} for turn in turns]
