"""How programs, scores and feedback stand in a prompt.

Everything that strategies show a model is rendered here, so that all of them speak of
programs in one form, nothing private gets in, and every part that a candidate or a model
writes has a bounded size (a program's own by ``MAX_PROGRAM_BYTES``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.formats import BLOCK, COMPLETE_FILES, SEARCH_REPLACE, UNIFIED_DIFF
from metasearch.program import Program, protected_text
from metasearch.step import Step, Task

FEEDBACK_LIMIT = 4_000
"""Characters of feedback, error or printed text shown for one candidate."""

ANSWER_LIMIT = 40_000
"""Characters of a model's own earlier answer that a repair turn repeats."""

_LANGUAGES = {"py": "python", "js": "javascript", "ts": "typescript", "rs": "rust", "sh": "bash"}


@dataclass(frozen=True)
class Shown:
    """A candidate with its program, as a prompt shows it."""

    candidate: Candidate
    program: Program


def fence(text: str, language: str = "") -> str:
    """Text in a Markdown fence that it cannot close by itself."""
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{language}\n{text if text.endswith(chr(10)) else text + chr(10)}{ticks}"


def render_program(program: Program) -> str:
    """Each file under a heading of its own, in a fence."""
    parts = []
    for path, text in program.files.items():
        suffix = path.rsplit(".", 1)[-1] if "." in path else ""
        parts.append(f"### File: {path}\n{fence(text, _LANGUAGES.get(suffix, suffix))}")
    return "\n".join(parts)


def shorten(text: str, limit: int = FEEDBACK_LIMIT) -> str:
    """The text, with its middle left out if it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"


def render_scores(candidate: Candidate, task: Task) -> str:
    """The public scores in one line, objectives first."""
    names = [objective.name for objective in task.objectives]
    names += [name for name in sorted(candidate.scores) if name not in names]
    return ", ".join(f"{name} = {candidate.scores[name]:.10g}" for name in names)


def render_result(candidate: Candidate, task: Task) -> str:
    """What became of a candidate: scores or the reason it has none, and its feedback."""
    if candidate.scored:
        lines = [f"Result: {render_scores(candidate, task)}"]
    elif not candidate.complete:
        reached = f"stopped after stage {candidate.stage!r}, below its threshold"
        lines = [f"Result: {reached}: {render_scores(candidate, task)}"]
    else:
        lines = [f"Result: {candidate.outcome}: {shorten(candidate.error)}"]
    if candidate.feedback:
        lines.append(f"Feedback from the evaluator:\n{shorten(candidate.feedback)}")
    return "\n".join(lines)


def task_message(task: Task, answer_format: str) -> Message:
    """The system message: the task, its objectives, the rules and the answer's format."""
    aims = [f"- {o.name}: {o.direction} it" for o in task.objectives]
    parts = [
        "You improve programs step by step. A program is run in isolation, without network, "
        "and measured; you see the measurements and propose a better program.",
        f"# Task\n{task.description}",
        "# Objectives\n" + "\n".join(aims),
        "# Rules\n" + "\n".join(_rules(task)),
        "# Answer\nFirst say in a sentence or two what you change and why. Then the edit.\n"
        + answer_rules(answer_format),
    ]
    return Message(role="system", content="\n\n".join(parts))


def _rules(task: Task) -> list[str]:
    rules = [
        "- Keep the names and signatures that the task asks for.",
        "- The program must be deterministic unless the task says otherwise.",
        f"- Limits: {task.seconds:g} seconds for a call, {task.memory / 1e6:.0f} MB of memory.",
    ]
    if any(path.endswith(".py") for path in task.seed_program.files):
        there = ", ".join(["Python's standard library", *task.packages])
        rules.append(f"- Sure to be installed: {there}.")
    if protected_text(task.seed_program):
        rules.append(
            "- Only the text between the lines EVOLVE-BLOCK-START and EVOLVE-BLOCK-END may "
            "change; there, new imports and functions are welcome. Keep these marker lines and "
            "everything outside them exactly as they are."
        )
    return rules


def answer_rules(answer_format: str) -> str:
    """The literal line that names the answer's format, and what it means."""
    if answer_format == UNIFIED_DIFF:
        return (
            f"{UNIFIED_DIFF}\n"
            "Give one fenced code block marked diff. Every hunk shows, after its @@ line, at "
            "least three unchanged lines before and after the change, exactly as they stand in "
            "the current program; they must tell the place. Begin each file with its --- and "
            "+++ lines; /dev/null stands for the other side of a file that is made or deleted."
        )
    if answer_format == BLOCK:
        return (
            f"{BLOCK}\n"
            "Give the whole new text that stands between the EVOLVE-BLOCK-START and "
            "EVOLVE-BLOCK-END lines, without these lines, in one fenced code block. Leave "
            "nothing out and abbreviate nothing."
        )
    if answer_format == SEARCH_REPLACE:
        return (
            f"{SEARCH_REPLACE}\n"
            "Write one or more blocks of this form. SEARCH quotes whole lines of the current "
            "program, one or several, with their indentation; they must stand in it exactly "
            "once. No new lines delete them; to insert, repeat the quoted lines among the new "
            "ones. Blocks apply in order, each to the result of those before:\n"
            "<<<<<<< SEARCH\nlines to be replaced\n=======\nnew lines\n>>>>>>> REPLACE\n"
            "If the program has several files, put '### File: PATH' before a block."
        )
    return (
        f"{COMPLETE_FILES}\n"
        "Give each changed file whole, in one fenced code block under a line '### File: PATH'. "
        "Leave nothing out and abbreviate nothing. The line '### Delete file: PATH' deletes one."
    )


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

    Args:
        ctx: The step; gives the task and what the parent printed.
        parent: The program to change, with its result and feedback.
        inspirations: Other good programs to learn or borrow from.
        top: Names and scores of the best candidates so far.
        failures: Recent unsuccessful children of the parent, with their reasons.
    """
    task = ctx.task
    parts = [f"## Current program\n{render_program(parent.program)}"]
    parts.append(render_result(parent.candidate, task))
    printed = "".join(ctx.archive.output(parent.candidate)).strip()
    if printed:
        parts.append(f"It printed:\n{fence(shorten(printed, 1_500))}")
    for other in inspirations:
        number = other.candidate.number
        parts.append(
            f"## Inspiration #{number}\n{render_program(other.program)}\n"
            f"{render_result(other.candidate, task)}"
        )
    if top:
        lines = [f"- #{c.number}: {render_scores(c, task)}{_thought(c)}" for c in top]
        parts.append("## Best so far\n" + "\n".join(lines))
    if failures:
        lines = [f"- {_failure(c, task)}{_thought(c)}" for c in failures]
        parts.append("## Attempts on this program that did not help\n" + "\n".join(lines))
    parts.append("## Now\nPropose a change of the current program that improves the objectives.")
    return Message(role="user", content="\n\n".join(parts))


def _thought(candidate: Candidate) -> str:
    text = " ".join((candidate.thought or candidate.name).split())
    return f" ({text[:200]})" if text else ""


def _failure(candidate: Candidate, task: Task) -> str:
    if candidate.outcome is Outcome.SCORED:
        early = "" if candidate.complete else f"stopped after stage {candidate.stage!r}: "
        return early + render_scores(candidate, task)
    return f"{candidate.outcome}: {' '.join(candidate.error.split())[:300]}"


def repair_message(reason: str, answer_format: str) -> Message:
    """Say why the last answer could not be used and ask for it again."""
    return Message(
        role="user",
        content=f"Your last answer could not be used: {shorten(reason)}\n"
        "Give the whole edit again, corrected, against the current program shown above.\n"
        + answer_rules(answer_format),
    )


def thought_of(reply: str) -> str:
    """The words a model put before its edit, at most 1,000 characters."""
    cut = re.split(r"^(?:`{3,}|~{3,}|<{5,} ?SEARCH|#+ *File:)", reply, maxsplit=1, flags=re.M)[0]
    return cut.strip()[:1_000]
