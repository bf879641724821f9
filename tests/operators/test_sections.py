"""Headed sections are found however a model sets its headings, and sentences are none."""

from __future__ import annotations

import pytest

from metasearch.operators.sections import sections

TITLES = ("reflection", "thought", "name", "program")


@pytest.mark.parametrize(
    "reply",
    [
        "## Thought\nAsk twice.\n\n## Name\nTwice\n\n## Program\n```python\nName: no\n```",
        "Thought: Ask twice.\nName: Twice\n```\nx\n```",
        "**Thought:** Ask twice.\n**Name**: Twice\n### File: program.py\n",
        "Sure!\n\n# THOUGHT:\n\nAsk twice.\n\n**Name**\nTwice\r\n~~~\n",
    ],
)
def test_headings_in_many_forms(reply: str) -> None:
    found = sections(reply, TITLES)
    assert found["thought"] == "Ask twice."
    assert found["name"] == "Twice"


def test_a_sentence_that_begins_with_a_title_is_no_heading() -> None:
    found = sections("## Thought\nName it as you like.\nProgram the rest.", TITLES)
    assert found == {"thought": "Name it as you like.\nProgram the rest."}


def test_the_first_of_each_title_counts_and_is_bounded() -> None:
    found = sections("## Name\nOne\n## Name\nTwo\n## Thought\n" + "x" * 100_000, TITLES)
    assert found["name"] == "One"
    assert len(found["thought"]) == 4_000
    assert sections("", TITLES) == {}
