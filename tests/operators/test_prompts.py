"""Prompts: what is shown, in which form, and what never is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metasearch.candidate import Candidate, Outcome
from metasearch.formats import COMPLETE_FILES, SEARCH_REPLACE
from metasearch.objectives import Objective
from metasearch.operators.edits import fences
from metasearch.operators.prompts import (
    FEEDBACK_LIMIT,
    fence,
    render_result,
    render_scores,
    shorten,
    task_message,
    thought_of,
)
from metasearch.program import Program
from metasearch.step import Task

TASK = Task(
    description="Do it well.",
    objectives=(Objective(name="score"),),
    seed_program=Program(files={"program.py": "x = 1\n"}),
)
SCORED = Candidate(
    number=4,
    step=4,
    outcome=Outcome.SCORED,
    digest="d",
    scores={"speed": 3.0, "score": 1.5},
    private_scores={"secret": 42.0},
    operator="evolve",
    feedback="Nearly.",
    seq=9,
)


def test_objectives_come_first_and_private_metrics_never() -> None:
    assert render_scores(SCORED, TASK) == "score = 1.5, speed = 3"
    assert "42" not in render_result(SCORED, TASK)
    assert "Nearly." in render_result(SCORED, TASK)


def test_a_failure_shows_its_reason_and_no_score() -> None:
    crashed = SCORED.model_copy(
        update={"outcome": Outcome.CRASHED, "scores": {}, "error": "ZeroDivisionError"}
    )
    assert render_result(crashed, TASK).startswith("Result: crashed: ZeroDivisionError")


def test_the_answers_format_is_named_literally() -> None:
    assert COMPLETE_FILES in task_message(TASK, COMPLETE_FILES).content
    assert SEARCH_REPLACE in task_message(TASK, SEARCH_REPLACE).content


def test_markers_are_explained_only_where_there_are_any() -> None:
    marked = "# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\n"
    with_blocks = TASK.model_copy(update={"seed_program": Program(files={"program.py": marked})})
    assert "EVOLVE-BLOCK" not in task_message(TASK, COMPLETE_FILES).content
    assert "EVOLVE-BLOCK" in task_message(with_blocks, COMPLETE_FILES).content


@given(st.text(max_size=10 * FEEDBACK_LIMIT))
def test_no_text_of_a_candidate_makes_a_prompt_unbounded(text: str) -> None:
    assert len(shorten(text)) <= FEEDBACK_LIMIT + 60


@given(st.text(alphabet="`~a\n", max_size=60))
def test_no_text_can_close_its_own_fence(text: str) -> None:
    [only] = fences(fence(text))
    assert only.text.rstrip("\n") == text.rstrip("\n")


def test_the_thought_is_what_stands_before_the_edit() -> None:
    assert thought_of("I double it.\n\n### File: a.py\n```python\nx\n```") == "I double it."
    assert thought_of("```python\nx\n```") == ""
