"""How programs, scores and feedback stand in a prompt.

Everything that strategies show a model is put together here, from templates (see
:mod:`metasearch.prompts`), so that all of them speak of programs in one form, nothing private
gets in, and every part that a candidate or a model writes has a bounded size (a program's own
by ``MAX_PROGRAM_BYTES``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.formats import EDITS, language_of
from metasearch.program import Program, protected_text
from metasearch.prompts import FEEDBACK_LIMIT, Draft, Part, fence, shorten
from metasearch.step import Step, Task

__all__ = [
    "ANSWER_LIMIT",
    "FEEDBACK_LIMIT",
    "Brief",
    "Shown",
    "answer_rules",
    "evolve_message",
    "fence",
    "render_program",
    "render_result",
    "render_scores",
    "repair_message",
    "shorten",
    "show",
    "task_message",
    "task_values",
    "thought_of",
]

ANSWER_LIMIT = 40_000
"""Characters of a model's own earlier answer that a repair turn repeats."""

_PRINTED = (1_500, 400)
"""Characters of what a parent printed, and what is left of them in a prompt that is too long."""
_FEEDBACK = (FEEDBACK_LIMIT, 1_000)
"""Likewise of its feedback or error."""

_ANSWERS = {line: f"answer_{name}" for name, line in EDITS.items()}


@dataclass(frozen=True)
class Shown:
    """A candidate with its program, as a prompt shows it."""

    candidate: Candidate
    program: Program


class Brief(Protocol):
    """What of a step prompts are written from: its task, and the campaign's templates."""

    @property
    def task(self) -> Task:
        """See :class:`metasearch.step.Step`."""

    def render(self, template: str, /, **values: object) -> str:
        """See :class:`metasearch.step.Step`."""


def render_program(program: Program) -> str:
    """Each file under a heading of its own, in a fence."""
    parts = []
    for path, text in program.files.items():
        language = language_of(path) or PurePosixPath(path).suffix[1:]
        parts.append(f"### File: {path}\n{fence(text, language)}")
    return "\n".join(parts)


def render_scores(candidate: Candidate, task: Task) -> str:
    """The public scores in one line, objectives first."""
    names = [objective.name for objective in task.objectives]
    names += [name for name in sorted(candidate.scores) if name not in names]
    return ", ".join(f"{name} = {candidate.scores[name]:.10g}" for name in names)


def render_result(ctx: Brief, candidate: Candidate, limit: int = FEEDBACK_LIMIT) -> str:
    """What became of a candidate: scores or the reason it has none, and its feedback.

    Args:
        ctx: The step.
        candidate: Settled.
        limit: Characters of error and of feedback; with 0 no feedback is shown.
    """
    return ctx.render(
        "result",
        **_outcome(candidate, ctx.task),
        error=candidate.error,
        feedback=candidate.feedback if limit else "",
        limit=limit or _FEEDBACK[-1],
    )


def _outcome(candidate: Candidate, task: Task) -> dict[str, str]:
    """What templates are told of how a candidate fared; nothing private is among it."""
    scored = candidate.outcome is Outcome.SCORED
    return {
        "outcome": str(candidate.outcome),
        "scores": render_scores(candidate, task) if scored else "",
        "stage": "" if candidate.complete else candidate.stage,
    }


def task_message(ctx: Brief, answer_format: str = "") -> Message:
    """The system message: the task, its objectives, the rules and the answer's format.

    Args:
        ctx: The step.
        answer_format: Its line; none where each request says itself how it is to be answered.
    """
    answer = answer_rules(ctx, answer_format) if answer_format else ""
    text = ctx.render("task", **task_values(ctx.task), answer=answer)
    return Message(role="system", content=text)


def task_values(task: Task) -> dict[str, object]:
    """What templates are told of the task, its objectives and rules."""
    return {
        "task": task.description,
        "objectives": [{"name": o.name, "direction": str(o.direction)} for o in task.objectives],
        "seconds": f"{task.seconds:g}",
        "megabytes": f"{task.memory / 1e6:.0f}",
        "python": any(path.endswith(".py") for path in task.seed_program.files),
        "packages": task.packages,
        "blocks": bool(protected_text(task.seed_program)),
    }


def answer_rules(ctx: Brief, answer_format: str) -> str:
    """The literal line that names the answer's format, and what it means."""
    return ctx.render(_ANSWERS[answer_format], form=answer_format)


def show(ctx: Step, candidate: Candidate) -> Shown:
    """A candidate of the archive with its program."""
    return Shown(candidate, ctx.archive.program(candidate))


def evolve_message(
    ctx: Step,
    parent: Shown,
    inspirations: Sequence[Shown] = (),
    top: Sequence[Candidate] = (),
    failures: Sequence[Candidate] = (),
) -> Message:
    """Ask for a better program than ``parent``.

    In a prompt that is too long the printed output is shortened and dropped first, then the
    best so far, the failures, the inspirations from the last to the first, and the feedback.

    Args:
        ctx: The step; gives the task and what the parent printed.
        parent: The program to change, with its result and feedback.
        inspirations: Other good programs to learn or borrow from.
        top: Names and scores of the best candidates so far.
        failures: Recent unsuccessful children of the parent, with their reasons.
    """
    result, *shorter = (render_result(ctx, parent.candidate, limit) for limit in (*_FEEDBACK, 0))
    parts = [
        Part(text=ctx.render("current", program=render_program(parent.program))),
        Part(text=result, priority=1, name="result and feedback", shorter=tuple(shorter)),
    ]
    if printed := "".join(ctx.archive.output(parent.candidate)).strip():
        text, *shorter = (ctx.render("printed", printed=printed, limit=n) for n in _PRINTED)
        parts.append(Part(text=text, priority=5, name="printed output", shorter=tuple(shorter)))
    for other in inspirations:
        number = other.candidate.number
        shown = ctx.render(
            "inspiration",
            number=number,
            program=render_program(other.program),
            result=render_result(ctx, other.candidate),
        )
        parts.append(Part(text=shown, priority=2, name=f"inspiration #{number}"))
    if top:
        shown = ctx.render("top", candidates=[_line(c, ctx.task) for c in top])
        parts.append(Part(text=shown, priority=4, name="best so far"))
    if failures:
        shown = ctx.render("failures", attempts=[_line(c, ctx.task) for c in failures])
        parts.append(Part(text=shown, priority=3, name="attempts that did not help"))
    parts.append(Part(text=ctx.render("evolve")))
    return Draft.of(parts)


def _line(candidate: Candidate, task: Task) -> dict[str, object]:
    """What one line says of a candidate."""
    return {
        **_outcome(candidate, task),
        "number": candidate.number,
        "error": " ".join(candidate.error.split())[:300],
        "thought": " ".join((candidate.thought or candidate.name).split())[:200],
    }


def repair_message(
    ctx: Brief, reason: str, answer_format: str, *, reexamine: bool = False
) -> Message:
    """Say why the last answer could not be used and ask for it again.

    Args:
        ctx: The step.
        reason: What was wrong with it.
        answer_format: The literal line that names the answer's format.
        reexamine: Whether to ask for a look at all of the work first.
    """
    answer = answer_rules(ctx, answer_format)
    text = ctx.render("repair", reason=reason, reexamine=reexamine, answer=answer)
    return Message(role="user", content=text)


def thought_of(reply: str) -> str:
    """The words a model put before its edit, at most 1,000 characters."""
    cut = re.split(r"^(?:`{3,}|~{3,}|<{5,} ?SEARCH|#+ *File:)", reply, maxsplit=1, flags=re.M)[0]
    return cut.strip()[:1_000]
