"""Parts of prompts that several strategies share: an edit in short, a result, what was printed."""

from __future__ import annotations

import difflib

from metasearch.candidate import Candidate, Outcome
from metasearch.operators.prompts import (
    FEEDBACK_LIMIT,
    fence,
    render_result,
    render_scores,
    shorten,
)
from metasearch.program import Program
from metasearch.prompts import Part
from metasearch.step import Step, Task


def edit_line(candidate: Candidate, limit: int = 300) -> str:
    """What its author said of the edit."""
    words = " ".join((candidate.thought or candidate.name).split())
    return _one_line(words, limit) if words else "an edit without an explanation"


def result_line(candidate: Candidate, task: Task) -> str:
    """Its public scores, or why it has none."""
    if candidate.outcome is Outcome.SCORED:
        early = "" if candidate.complete else f"stopped after stage {candidate.stage!r}: "
        return early + render_scores(candidate, task)
    return f"{candidate.outcome}: {_one_line(candidate.error, 300)}"


def _one_line(text: str, limit: int) -> str:
    return " ".join(shorten(" ".join(text.split()), limit).split())


def edit_diff(before: Program, after: Program, limit: int = 8_000) -> str:
    """What one program has else than the other, as a unified diff in a fence."""
    lines: list[str] = []
    for path in dict.fromkeys((*before.files, *after.files)):
        old, new = before.files.get(path, ""), after.files.get(path, "")
        lines += difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm="")
    return fence(shorten("\n".join(lines), limit), "diff")


def result_part(ctx: Step, candidate: Candidate, priority: int = 1) -> Part:
    """What became of a candidate; in a prompt that is too long without its feedback."""
    text, *shorter = (render_result(ctx, candidate, limit) for limit in (FEEDBACK_LIMIT, 1_000, 0))
    return Part(text=text, priority=priority, name="result and feedback", shorter=tuple(shorter))


def printed_part(ctx: Step, candidate: Candidate, priority: int = 5, limit: int = 1_500) -> Part:
    """What a candidate printed; empty if it printed nothing."""
    printed = "".join(ctx.archive.output(candidate)).strip()
    if not printed:
        return Part(text="")
    text, shorter = (ctx.render("printed", printed=printed, limit=n) for n in (limit, 400))
    return Part(text=text, priority=priority, name="printed output", shorter=(shorter,))
