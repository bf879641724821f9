from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from metasearch.formats import COMPLETE_FILES, SEARCH_REPLACE
from metasearch.models.offline.reply import reply
from metasearch.operators.edits import read_edit
from metasearch.program import Program, protection_breach

PLAIN = """\
import math


def area(r):
    total = 0.0
    for k in range(3):
        total += k * r
    return math.pi * r**2 + total
"""


@pytest.mark.parametrize("answer_format", [COMPLETE_FILES, SEARCH_REPLACE])
def test_answers_are_edits_that_apply_parse_differ_and_keep_protected_text(
    prompt: Any, circle_source: str, answer_format: str
) -> None:
    parent = Program(files={"program.py": circle_source})
    other = circle_source.replace("0.25", "0.31")
    messages = prompt(parent.files, [{"program.py": other}], answer_format)
    children = [read_edit(reply(messages, seed), parent) for seed in range(30)]
    for child in children:
        assert isinstance(child, Program), child
        assert protection_breach(parent, child) is None
        ast.parse(child.source)
    assert len({child.digest for child in children if isinstance(child, Program)}) > 25


def test_the_same_prompt_and_seed_give_the_same_answer(prompt: Any) -> None:
    messages = prompt({"program.py": PLAIN})
    assert reply(messages, 4) == reply(messages, 4)
    assert reply(messages) == reply(messages)
    assert len({reply(messages, seed) for seed in range(12)}) > 8


def test_another_prompt_gives_another_answer_without_a_seed(prompt: Any) -> None:
    answers = {reply(prompt({"program.py": PLAIN.replace("0.0", f"{n}.0")})) for n in range(8)}
    assert len(answers) == 8


def test_the_answer_says_that_no_language_model_gave_it(prompt: Any) -> None:
    assert "no language model" in reply(prompt({"program.py": PLAIN}), 1)


def test_what_a_program_printed_is_not_taken_for_a_program(prompt: Any) -> None:
    for seed in range(30):
        assert "fake" not in reply(prompt({"program.py": PLAIN}), seed)


@pytest.mark.parametrize("answer_format", [COMPLETE_FILES, SEARCH_REPLACE])
def test_one_of_several_files_changes(prompt: Any, answer_format: str) -> None:
    files = {"main.py": PLAIN, "tools/step.py": "STEP = 0.5\n", "notes.txt": "rate 3\nsize 4\n"}
    parent = Program(files=files)
    touched = set()
    for seed in range(40):
        child = read_edit(reply(prompt(files, answer_format=answer_format), seed), parent)
        assert isinstance(child, Program), child
        changed = [path for path in files if child.files[path] != files[path]]
        assert len(changed) == 1
        touched.update(changed)
    assert touched == set(files)


def test_other_languages_change_as_text(prompt: Any) -> None:
    source = "fn main() {\n    let rate = 0.25;\n    let n = 10;\n    run(rate, n);\n}\n"
    parent = Program(files={"main.rs": source})
    for seed in range(30):
        child = read_edit(reply(prompt(parent.files), seed), parent)
        assert isinstance(child, Program), child


def test_a_block_inside_a_function_keeps_its_indentation(prompt: Any) -> None:
    source = (
        "def f(x):\n    # EVOLVE-BLOCK-START\n    y = x * 2.0\n    if y > 3.0:\n        y = 3.0\n"
        "    # EVOLVE-BLOCK-END\n    return y\n"
    )
    parent = Program(files={"program.py": source})
    for seed in range(60):
        child = read_edit(reply(prompt(parent.files), seed), parent)
        assert isinstance(child, Program), child


def test_a_repair_turn_is_answered_against_the_program_shown_before(prompt: Any) -> None:
    messages = prompt({"program.py": PLAIN})
    messages += [
        {"role": "assistant", "content": "```python\nnonsense = 1\n```"},
        {"role": "user", "content": f"It could not be used: no\n{COMPLETE_FILES}"},
    ]
    answer = reply(messages, 3)
    assert "def area" in answer
    assert "nonsense" not in answer


@pytest.mark.parametrize(
    "text",
    [
        f"Improve this:\n```python\n{PLAIN}```",
        f"# Current Program\n```python\n{PLAIN}```\n# Task\nRewrite it.",
        f"### Top program 1\n```python\nx = 1.0\n```\n# Current solution\n```py\n{PLAIN}```",
    ],
)
def test_prompts_of_other_systems_are_understood(text: str) -> None:
    answer = reply([{"role": "user", "content": text}], 5)
    assert "def area" in answer


def test_a_question_without_a_program_gets_an_uninformed_opinion() -> None:
    answer = reply([{"role": "user", "content": "Which of the two ideas is better?"}], 1)
    assert "uninformed" in answer


class Part(BaseModel):
    weight: float = Field(ge=0, le=1)
    tag: str | None = None


class Verdict(BaseModel):
    """A structured answer as strategies ask for it."""

    reasoning: str
    score: int = Field(ge=1, le=5)
    novel: bool
    parts: list[Part] = Field(min_length=2, max_length=3)
    program: str
    files: dict[str, str]


def schema_prompt(prompt: Any) -> Any:
    messages = prompt({"program.py": PLAIN})
    schema = json.dumps(Verdict.model_json_schema(), indent=2)
    messages[0]["content"] = f"Answer format: JSON\n```json\n{schema}\n```"
    return messages


def test_json_answers_fit_the_schema_hold_the_program_and_say_what_they_are(prompt: Any) -> None:
    for seed in range(20):
        verdict = Verdict.model_validate_json(reply(schema_prompt(prompt), seed))
        assert "uninformed" in verdict.reasoning
        assert verdict.program != PLAIN
        ast.parse(verdict.program)
        assert verdict.files == {"program.py": verdict.program}


def test_a_schema_beside_the_messages_is_answered_too(prompt: Any) -> None:
    answer = reply(prompt({"program.py": PLAIN}), 1, 0.8, Verdict.model_json_schema())
    Verdict.model_validate_json(answer)


def test_content_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": f"```python\n{PLAIN}```"}, {"type": "image_url"}]
    assert "def area" in reply([{"role": "user", "content": parts}], 1)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text()}),
        max_size=3,
    ),
    st.sampled_from(["", "## Current program\n", "Answer format: JSON\n```\n{", "```python\n"]),
)
def test_junk_is_answered_somehow(messages: list[dict[str, str]], start: str) -> None:
    assert reply([*messages, {"role": "user", "content": start}], 0)


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_a_schema_of_junk_gives_json(value: object) -> None:
    keys = ("type", "enum", "anyOf", "properties", "$ref", "items", "minimum", "const")
    for key in keys:
        schema = {"type": "object", "properties": {"a": {key: value}}}
        json.loads(reply([{"role": "user", "content": "?"}], 0, 0.8, schema))


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {
        "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}},
        "$ref": "#/$defs/n",
    }
    json.loads(reply([{"role": "user", "content": "?"}], 0, 0.8, schema))


def test_ideas_by_chance_differ_and_say_that_they_are_by_chance() -> None:
    class Idea(BaseModel):
        claim: str

    asked = [{"role": "user", "content": "An idea?"}]
    claims = [
        json.loads(reply(asked, seed, schema=Idea.model_json_schema()))["claim"]
        for seed in range(20)
    ]
    assert len(set(claims)) > 15
    assert all(claim.startswith("By chance: ") for claim in claims)


def test_where_there_is_no_program_its_ideas_are_placeholders_and_say_so() -> None:
    form = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "claim": {"type": "string"}},
    }
    goal = [{"role": "system", "content": "Why does the pendulum eventually synchronise?"}]
    told = [json.loads(reply(goal, seed, schema=form)) for seed in range(20)]
    assert all(text.startswith("Placeholder") for each in told for text in each.values())
    assert all("no idea" in each["claim"] for each in told)
    words = {word for each in told for word in each["title"].partition(": ")[2].split(", ")}
    assert words == {"pendulum", "eventually", "synchronise"}


def test_it_fails_few_reviews_because_it_has_read_none() -> None:
    form = {"type": "object", "properties": {"verdict": {"enum": ["pass", "fail"]}}}
    asked = [{"role": "user", "content": "Is this any good?"}]
    told = [json.loads(reply(asked, seed, schema=form))["verdict"] for seed in range(400)]
    assert 15 <= told.count("fail") <= 70
