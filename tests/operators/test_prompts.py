"""Prompts: what is shown, in which form, and what never is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.candidate import Candidate, Outcome
from metasearch.formats import COMPLETE_FILES, EDITS, SEARCH_REPLACE
from metasearch.objectives import Objective
from metasearch.operators.edits import fences
from metasearch.operators.prompts import (
    FEEDBACK_LIMIT,
    answer_rules,
    fence,
    render_result,
    render_scores,
    repair_message,
    shorten,
    task_message,
    thought_of,
)
from metasearch.program import Program
from metasearch.prompts import Prompts
from metasearch.step import Task

TASK = Task(
    description="Do it well.",
    objectives=(Objective(name="score"),),
    seed_program=Program(files={"program.py": "x = 1\n"}),
)
PROMPTS = Prompts()


@dataclass
class Context:
    """A step, as far as prompts need one."""

    task: Task = TASK

    def render(self, template: str, /, **values: object) -> str:
        return PROMPTS.render(template, **values)


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
    assert "42" not in render_result(Context(), SCORED)
    assert "Nearly." in render_result(Context(), SCORED)


def test_a_failure_shows_its_reason_and_no_score() -> None:
    crashed = SCORED.model_copy(
        update={"outcome": Outcome.CRASHED, "scores": {}, "error": "ZeroDivisionError"}
    )
    assert render_result(Context(), crashed).startswith("Result: crashed: ZeroDivisionError")


def test_the_answers_format_is_named_literally() -> None:
    assert COMPLETE_FILES in task_message(Context(), COMPLETE_FILES).content
    assert SEARCH_REPLACE in task_message(Context(), SEARCH_REPLACE).content


def test_markers_are_explained_only_where_there_are_any() -> None:
    marked = "# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\n"
    with_blocks = TASK.model_copy(update={"seed_program": Program(files={"program.py": marked})})
    assert "EVOLVE-BLOCK" not in task_message(Context(), COMPLETE_FILES).content
    assert "EVOLVE-BLOCK" in task_message(Context(with_blocks), COMPLETE_FILES).content


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


HOSTILE = st.text(alphabet="{%#}-+ ab'\n", max_size=40)


@given(description=HOSTILE, error=HOSTILE, thought=HOSTILE)
def test_what_is_inserted_is_never_read_as_template(
    description: str, error: str, thought: str
) -> None:
    task = TASK.model_copy(update={"description": description})
    said = task_message(Context(task), COMPLETE_FILES).content
    assert f"# Task\n{description}\n\n# Objectives\n- score: maximize it\n\n# Rules" in said
    crashed = SCORED.model_copy(
        update={"outcome": Outcome.CRASHED, "scores": {}, "error": error, "feedback": thought}
    )
    result = render_result(Context(), crashed)
    assert (
        result
        == (
            f"Result: crashed: {error}"
            + (f"\nFeedback from the evaluator:\n{thought}" if thought else "")
        ).strip()
    )
    repair = repair_message(Context(), error, COMPLETE_FILES).content
    assert repair.startswith(f"Your last answer could not be used: {error}\nGive the whole edit")


@pytest.mark.parametrize("form", EDITS.values())
def test_every_form_of_an_answer_has_its_rules_under_the_literal_line(form: str) -> None:
    first, _, rules = answer_rules(Context(), form).partition("\n")
    assert first == form
    assert len(rules) > 100
