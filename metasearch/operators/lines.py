"""An edit in short, for a prompt: what was meant, what was changed, what became of it."""

from __future__ import annotations

import difflib

from metasearch.candidate import Candidate, Outcome
from metasearch.operators.prompts import fence, render_scores, shorten
from metasearch.program import Program
from metasearch.step import Task


def edit_line(candidate: Candidate, limit: int = 300) -> str:
    """What its author said of the edit."""
    words = " ".join((candidate.thought or candidate.name).split())
    return shorten(words, limit) if words else "an edit without an explanation"


def result_line(candidate: Candidate, task: Task) -> str:
    """Its public scores, or why it has none."""
    if candidate.outcome is Outcome.SCORED:
        early = "" if candidate.complete else f"stopped after stage {candidate.stage!r}: "
        return early + render_scores(candidate, task)
    return f"{candidate.outcome}: {shorten(' '.join(candidate.error.split()), 300)}"


def edit_diff(before: Program, after: Program, limit: int = 8_000) -> str:
    """What one program has else than the other, as a unified diff in a fence."""
    lines: list[str] = []
    for path in dict.fromkeys((*before.files, *after.files)):
        old, new = before.files.get(path, ""), after.files.get(path, "")
        lines += difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm="")
    return fence(shorten("\n".join(lines), limit), "diff")
