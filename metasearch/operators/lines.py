"""A candidate in one line of a prompt: what became of it, and what was meant."""

from __future__ import annotations

from metasearch.candidate import Candidate, Outcome
from metasearch.operators.prompts import render_scores, shorten
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
