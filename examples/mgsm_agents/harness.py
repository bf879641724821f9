"""Runs the candidate's agent on problems, beside it inside the sandbox."""

from __future__ import annotations

import program  # type: ignore[import-not-found]  # it lies beside, inside
from metasearch_agents import Info, answers


def solve(problems: list[str], at_once: int) -> list[dict[str, object]]:
    """What the agent answers to each problem, or why it does not."""
    tasks = [Info("task", "user", problem) for problem in problems]
    solved: list[dict[str, object]] = answers(program.solve, tasks, at_once)
    return solved
