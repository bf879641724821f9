"""What the prompts of ``co_scientist`` show: bounded, fenced, and masked where judges look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metasearch.exchange import Message
from metasearch.facts import Idea, Match, Turn
from metasearch.operators.calibration import masked
from metasearch.operators.funnel import INITIAL, Funnel
from metasearch.operators.ideas import Entry
from metasearch.operators.parts import result_part
from metasearch.operators.prompts import Shown, fence, render_program, render_result, shorten
from metasearch.prompts import Draft, Part
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

    def talk(
        self, template: str, parts: Sequence[Part], feedback: str = "", **values: object
    ) -> list[Message]:
        """The conversation that opens a task: who we are and what for, then the task."""
        head = Message(role="system", content=self._head)
        return [head, self.task(template, parts, feedback, **values)]

    def task(
        self, template: str, parts: Sequence[Part], feedback: str = "", **values: object
    ) -> Message:
        """What to work with, what to do, and what the last meta-review asks to mind."""
        name = f"co_scientist_{template}"
        return Draft.of(
            [
                *parts,
                Part(text=self._ctx.render(name, measures=self._measures, **values)),
                self._minded(feedback),
            ]
        )

    def _minded(self, feedback: str) -> Part:
        text = self._ctx.render("co_scientist_minded", feedback=feedback) if feedback else ""
        return Part(text=text, priority=4, name="feedback")

    def section(self, heading: str, text: str, priority: int = 0) -> Part:
        """Something to work with; empty if there is nothing."""
        if not text:
            return Part(text="")
        shown = self._ctx.render("co_scientist_section", heading=heading, text=text)
        return Part(text=shown, priority=priority, name=heading)

    def feedback(self, epoch: int | None = None) -> str:
        """What the latest meta-review, or that of another epoch, asks everyone to mind."""
        return self._funnel.feedback.get(self._funnel.epoch if epoch is None else epoch, "")

    def program(self, shown: Shown) -> list[Part]:
        """The program that is to be improved, with its result."""
        text = self._ctx.render("current", program=render_program(shown.program))
        return [Part(text=text), result_part(self._ctx, shown.candidate)]

    def inspiration(self, other: Shown) -> Part:
        """Another program to learn from."""
        text = self._ctx.render(
            "inspiration",
            number=other.candidate.number,
            program=render_program(other.program),
            result=self._result(other.candidate.number),
        )
        return Part(text=text, priority=3, name=f"inspiration #{other.candidate.number}")

    def idea(self, entry: Entry) -> Part:
        """The idea that is to become a program, with what an earlier one came to."""
        tried = "" if entry.program is None else self._result(entry.program)
        text = self._ctx.render("co_scientist_idea", idea=quoted(entry.idea), tried=tried)
        return Part(text=text)

    def reviews(self, entry: Entry) -> Part:
        """What was said of an idea lately."""
        said = listed([review.text for review in entry.reviews[-3:]], REVIEW)
        return self.section("What reviewers said of it", said, priority=2)

    def pair(self, one: Entry, other: Entry) -> list[Part]:
        """Two ideas as judges see them: neither code nor what the two measured."""
        hidden = one.scores | other.scores
        return [
            self.section(f"Idea {place}", fence(masked(self._judged(entry), hidden)))
            for place, entry in enumerate((one, other), start=1)
        ]

    def _judged(self, entry: Entry) -> str:
        """An idea with its first review: later ones may know what was measured."""
        said = [r.text for r in entry.reviews if r.method == INITIAL and r.verdict is not None]
        text = described(entry.idea)
        return f"{text}\nA reviewer said: {shorten(said[0], REVIEW)}" if said else text

    def said(self, turns: Sequence[Turn]) -> Part:
        """The debate so far."""
        text = "\n".join(f"{turn.speaker}:\n{fence(turn.text)}" for turn in turns)
        return self.section("The debate so far", text, priority=1)

    def _result(self, number: int) -> str:
        return shorten(render_result(self._ctx, self._ctx.archive.candidate(number)), REVIEW)

    def account(self, entry: Entry) -> str:
        """An idea, what was said of it, and what was measured."""
        parts = [f"Idea {entry.number}:", quoted(entry.idea)]
        if said := listed([review.text for review in entry.reviews[-2:]], REVIEW):
            parts += ["What reviewers said of it:", said]
        if entry.program is not None:
            parts.append(f"Its program: {self._result(entry.program)}")
        elif entry.started:
            parts.append("It was tried; no program of it could be measured.")
        return "\n".join(parts)

    def known(self) -> Part:
        """The best rated ideas and the latest ones, so that they are not thought of again."""
        ratings = self._funnel.ratings()
        entries = list(self._funnel.entries.values())
        rated = sorted(entries, key=lambda e: -ratings[e.number].value)[:10]
        shown = {entry.number: entry for entry in (*rated, *entries[-20:])}
        return self.section("Ideas that are there already", lines(shown.values()), priority=3)

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
        return f"Judged better: {line(won)} / measured better: {line(lost)}"

    def decided(self, match: Match) -> str:
        """Between which ideas a match was, and what decided it."""
        named = [self._funnel.entries.get(number) for number in match.contestants]
        titles = [shorten(entry.idea.title, LINE // 3) for entry in named if entry]
        return f"Idea 1 = {' / idea 2 = '.join(titles)}: {match.rationale}"


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
    text = f"Idea {entry.number}: {entry.idea.title}: {entry.idea.claim}"
    return shorten(" ".join(text.split()), LINE)


def lines(entries: Iterable[Entry]) -> str:
    """Ideas in one line each."""
    return listed([line(entry) for entry in entries], LINE)


def listed(texts: Iterable[str], limit: int) -> str:
    """Texts as the entries of a list, in a fence; empty if there are none."""
    entries = [f"- {shorten(' '.join(text.split()), limit)}" for text in texts if text.strip()]
    return fence("\n".join(entries)) if entries else ""


def outcomes(rewards: Mapping[str, tuple[int, int]]) -> str:
    """How the ways of making ideas fared."""
    return "\n".join(f"- {name}: {paid} of {ended} paid" for name, (paid, ended) in rewards.items())
