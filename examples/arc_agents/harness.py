"""Runs the candidate's agent on puzzles, beside it inside the sandbox."""

from __future__ import annotations

from typing import Any

import program  # type: ignore[import-not-found]  # it lies beside, inside
from metasearch_agents import answers
from puzzle import Puzzle


def solve(puzzles: list[dict[str, Any]], at_once: int) -> list[dict[str, object]]:
    """What the agent answers to each puzzle, or why it does not."""
    tasks = [Puzzle(one["examples"], one["test_input"]) for one in puzzles]
    solved: list[dict[str, object]] = answers(program.solve, tasks, at_once)
    return solved
