"""What the prompts of ``co_scientist`` show: bounded, fenced, and masked where judges look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from metasearch.exchange import Message
from metasearch.facts import Idea, Match, Turn
from metasearch.operators.calibration import masked
from metasearch.operators.funnel import INITIAL, Funnel
from metasearch.operators.ideas import Entry
from metasearch.operators.parts import result_line, result_part
from metasearch.operators.prompts import (
    Shown,
    fence,
    render_program,
    render_result,
    shorten,
    show,
)
from metasearch.prompts import Draft, Part
from metasearch.step import Step, Task

CRITERIA = (
    "It serves the goal.",
    "It is plausible: there is a reason why it should work.",
    "It is new.",
    "It can be tested.",
    "It is safe.",
)
"""By which ideas are judged if no plan could be made."""

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
        self.measures = measures
        self._head = ctx.render(
            "co_scientist_system",
            task=task,
            measures=measures,
            criteria=[shorten(text, LINE) for text in (plan.criteria if plan else ())],
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
        """What to work with, what the last meta-review asks to mind, and what to do."""
        name = f"co_scientist_{template}"
        return Draft.of(
            [
                *parts,
                self._minded(feedback),
                Part(text=self._ctx.render(name, measures=self.measures, **values)),
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

    def best_program(self) -> Part:
        """The best program so far with its result; empty if there is none."""
        if self._funnel.best is None:
            return Part(text="")
        shown = show(self._ctx, self._ctx.archive.candidate(self._funnel.best))
        text = f"{render_program(shown.program)}\n{self._result(shown.candidate.number)}"
        return self.section("The best program so far", text, priority=2)

    def best_line(self) -> Part:
        """What the best program so far came to; empty if there is none."""
        number = self._funnel.best
        text = "" if number is None else f"#{number}: {self._scores(number)}"
        return self.section("The best program so far", text)

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
        values = {"idea": quoted(entry.idea), "tried": self._outcome(entry)}
        text = self._ctx.render("co_scientist_idea", **values)
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

    def _outcome(self, entry: Entry) -> str:
        """What an idea's best program came to, and the one that it changed; empty without one."""
        if entry.program is None:
            return ""
        told = self._result(entry.program)
        if entry.changed is not None:
            told += f"\nThe program that it changed: {self._scores(entry.changed)}"
        return told

    def _scores(self, number: int) -> str:
        return result_line(self._ctx.archive.candidate(number), self._task)

    def account(self, entry: Entry) -> str:
        """An idea, what was said of it, and what was measured."""
        parts = [f"Idea {entry.number}:", quoted(entry.idea)]
        if said := listed([review.text for review in entry.reviews[-2:]], REVIEW):
            parts += ["What reviewers said of it:", said]
        if told := self._outcome(entry):
            parts.append(f"Its program:\n{told}")
        elif entry.started:
            parts.append("It was begun; no program of it has been measured.")
        elif self.measures:
            parts.append("It has not been put into code.")
        return "\n".join(parts)

    def rated(self, entry: Entry) -> str:
        """What judges think of it, in a line."""
        rating = self._funnel.ratings()[entry.number]
        won, lost, drawn = self._funnel.record(entry.number)
        told = f"{won} won, {lost} lost" + (f", {drawn} undecided" if drawn else "")
        return f"Judges' rating: {rating.value:.0f} ± {rating.error:.0f}; matches: {told}."

    def _state(self, entry: Entry) -> str:
        """What became of an idea, in a word or two."""
        if entry.discarded:
            return " (discarded)"
        if entry.program is not None:
            return f" (measured: {self._scores(entry.program)})"
        return " (not measured)" if self.measures else ""

    def known(self) -> Part:
        """The best rated ideas and the latest ones, so that they are not thought of again."""
        ratings = self._funnel.ratings()
        rated = sorted(self._funnel.admitted, key=lambda e: -ratings[e.number].value)[:10]
        latest = list(self._funnel.entries.values())[-20:]
        shown = {entry.number: entry for entry in (*rated, *latest)}
        told = listed([line(entry, self._state(entry)) for entry in shown.values()], LINE)
        heading = "Ideas that are there already, the best rated first, then the latest"
        return self.section(heading, told, priority=3)

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
        told = [
            f"{titled(e)}, {_gained(e.effect)}" for e in (first, second) if e.effect is not None
        ]
        won, lost = told if match.shares[0] > 0.5 else reversed(told)
        return f"Judged better: {won}. Measured better: {lost}."

    def decided(self, match: Match) -> str:
        """Between which ideas a match was, who won, and what decided it."""
        named = [self._funnel.entries.get(number) for number in match.contestants]
        titles = [titled(entry) if entry else "(out of sight)" for entry in named]
        share = match.shares[0] if match.shares else 0.5
        won = "neither won" if share == 0.5 else f"idea {1 if share > 0.5 else 2} won"
        sure = f"{max(share, 1 - share):.2f}"
        return f"{won} ({sure}), idea 1 = {titles[0]}, idea 2 = {titles[1]}: {match.rationale}"


def described(idea: Idea) -> str:
    """An idea in words, of bounded length."""
    parts = {"Claim": idea.claim, "Mechanism": idea.mechanism, "Expected": idea.expected}
    lines = [f"Title: {idea.title}", *(f"{k}: {v}" for k, v in parts.items() if v)]
    lines += [f"Assumption: {assumption}" for assumption in idea.assumptions]
    return shorten("\n".join(lines), IDEA)


def quoted(idea: Idea) -> str:
    """An idea in a fence that it cannot leave."""
    return fence(described(idea))


def line(entry: Entry, state: str = "") -> str:
    """An idea in one line."""
    text = f"Idea {entry.number}{state}: {entry.idea.title}: {entry.idea.claim}"
    return shorten(" ".join(text.split()), LINE)


def titled(entry: Entry) -> str:
    """An idea's name."""
    return f'"{shorten(" ".join(entry.idea.title.split()), LINE // 3)}"'


def listed(texts: Iterable[str], limit: int) -> str:
    """Texts as the entries of a list, in a fence; empty if there are none."""
    entries = [f"- {shorten(' '.join(text.split()), limit)}" for text in texts if text.strip()]
    return fence("\n".join(entries)) if entries else ""


def _gained(effect: float) -> str:
    better = "better" if effect > 0 else "worse"
    return f"whose program was {abs(effect):.4g} {better} than the one that it changed"


def outcomes(rewards: Mapping[str, tuple[int, int]]) -> str:
    """How the ways of making ideas fared."""
    return "\n".join(f"- {name}: {paid} of {ended}" for name, (paid, ended) in rewards.items())
