"""``metasearch prompt``: what was sent, word for word, and what would be sent next."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from metasearch.archive import Archive
from metasearch.exchange import Message, Usage

Invoke = Callable[..., Result]


@pytest.fixture
def asked(stored: Path, hostile: str) -> Path:
    """``stored`` with an unfinished step that has asked twice."""
    with Archive.open(stored) as archive:
        run = archive.campaign("numbers")
        with run.hold():
            step = run.open_step().number
            for call, text in enumerate(["first", hostile]):
                messages = [
                    Message(role="system", content="the task"),
                    Message(role="user", content=text),
                ]
                run.begin_exchange(step, call, role="propose", model="m", messages=messages)
                run.answer_exchange(step, call, reply="", usage=Usage())
    return stored


def test_all_calls_of_a_step_are_shown_and_nothing_is_obeyed(asked: Path, invoke: Invoke) -> None:
    result = invoke("prompt", "numbers", "--step", 5, "--archive", asked)
    assert result.exit_code == 0, result.output
    assert "Step 5, call 0: propose, m, answered" in result.stdout
    assert "--- system\nthe task\n--- user\nfirst\n" in result.stdout
    assert "[red]text[/red] :smile:" in result.stdout
    assert "\x1b" not in result.stdout


def test_one_call_as_json_is_exact(asked: Path, invoke: Invoke, hostile: str) -> None:
    words = ("prompt", "numbers", "--step", 5, "--call", 1, "--json", "--archive", asked)
    [call] = json.loads(invoke(*words).stdout)
    assert (call["step"], call["call"], call["state"]) == (5, 1, "answered")
    assert call["messages"][1] == {"role": "user", "content": hostile}
    assert len(call["templates"]["evolve"]) == 64


def test_a_call_that_was_not_made_is_an_error_that_names_those_that_were(
    asked: Path, invoke: Invoke
) -> None:
    result = invoke("prompt", "numbers", "--step", 5, "--call", 7, "--archive", asked)
    assert result.exit_code == 2
    assert "has no call 7; there is: 0, 1." in result.stderr


def test_the_next_prompt_is_shown_without_a_step_being_opened(asked: Path, invoke: Invoke) -> None:
    before = asked.read_bytes()
    result = invoke("prompt", "numbers", "--archive", asked)
    assert result.exit_code == 0, result.output
    assert "Step 6, not asked yet: propose, about " in result.stdout
    assert "Return a large number." in result.stdout
    assert "## Current program" in result.stdout
    assert asked.read_bytes() == before
    [shown] = json.loads(invoke("prompt", "numbers", "--json", "--archive", asked).stdout)
    assert shown["state"] == "not asked yet"
    assert shown["messages"][0]["role"] == "system"
