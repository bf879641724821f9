"""What agents are written with: bindings, prompts, failures, threads, and ADAS's interface."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PUBLIC = Path(__file__).parents[2] / "sandboxes" / "runner" / "public"
NAMES = ("metasearch_runner", "metasearch_agents", "metasearch_adas")

Send = Callable[[dict[str, Any]], dict[str, Any]]


class Inside:
    """The modules as a candidate has them, and the model at the other end."""

    def __init__(self) -> None:
        self.runner, self.agents, self.adas = (importlib.import_module(name) for name in NAMES)
        self.asked: list[dict[str, Any]] = []
        self.runner._send = self._send  # type: ignore[attr-defined]
        self.reply: str | Callable[[str], str] | dict[str, str] = "{}"

    def _send(self, question: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(question)
        if isinstance(self.reply, dict):
            return {"refused": self.reply}
        text = self.reply
        if callable(text):
            text = text(question["messages"][-1][1])
        used = {"finish_reason": "stop", "input_tokens": 1, "output_tokens": 1, "usd": None}
        return {"given": {"text": text, **used}}

    def task(self, text: str = "What is 6 * 7?") -> Any:
        return self.agents.Info("task", "user", text)

    @property
    def prompt(self) -> str:
        content: str = self.asked[-1]["messages"][1][1]
        return content


@pytest.fixture
def inside() -> Iterator[Inside]:
    sys.path.insert(0, str(PUBLIC))
    try:
        yield Inside()
    finally:
        sys.path.remove(str(PUBLIC))
        for name in NAMES:
            sys.modules.pop(name, None)


def test_fields_bind_in_their_own_order(inside: Inside) -> None:
    inside.reply = '{"answer": 42, "surplus": "x", "thinking": "6 * 7"}'
    found = inside.agents.Agent(["thinking", "answer"], "solver")([inside.task()], "Answer.")
    assert [(info.name, info.content) for info in found] == [("thinking", "6 * 7"), ("answer", 42)]
    assert [info.failure for info in found] == [None, None]
    assert found[1].text == "42"


@pytest.mark.parametrize(
    "reply",
    [
        'Sure:\n```json\n{"thinking": "so", "answer": 1}\n```\nDone.',
        '{"thinking": "so",\n "answer": 1} and more',
        'I take {x} for it. {"thinking": "so", "answer": 1}',
        '{"thinking": "a\nline break", "answer": 1}',
    ],
)
def test_replies_are_read_tolerantly(inside: Inside, reply: str) -> None:
    inside.reply = reply
    answer = inside.agents.Agent(["thinking", "answer"], "solver")([], "Answer.")[1]
    assert (answer.content, answer.failure) == (1, None)


@pytest.mark.parametrize(
    "reply",
    ["", "no JSON", "[1, 2]", '{"answer": 1', "{" * 100_000, '{"answer": ' + "9" * 5_000 + "}"],
)
def test_an_unreadable_reply_is_a_failure_and_no_guess(inside: Inside, reply: str) -> None:
    inside.reply = reply
    for info in inside.agents.Agent(["thinking", "answer"], "solver")([], "Answer."):
        assert info.content == ""
        assert isinstance(info.failure, inside.agents.Unreadable)


def test_a_field_that_is_left_out_is_empty(inside: Inside) -> None:
    inside.reply = '{"answer": 1}'
    thinking, answer = inside.agents.Agent(["thinking", "answer"], "solver")([], "Answer.")
    assert (thinking.content, answer.content) == ("", 1)
    assert isinstance(thinking.failure, inside.agents.Unreadable)


def test_a_cap_is_a_value(inside: Inside) -> None:
    inside.reply = {"reason": "all 3 calls are used up", "cap": "calls"}
    (answer,) = inside.agents.Agent(["answer"], "solver")([], "Answer.")
    assert isinstance(answer.failure, inside.agents.BudgetExceeded)
    assert (answer.content, answer.failure.cap) == ("", "calls")


def test_the_prompt_shows_who_says_what(inside: Inside) -> None:
    inside.reply = '{"thinking": "t", "answer": 1}'
    agent = inside.agents.Agent(["thinking", "answer"], "solver", "a judge", 0.25, 77)
    other = inside.agents.Info("hint", "friend", "use 7")
    own = agent([inside.task()], "Answer.", 1)
    agent([inside.task(), own[0], "no Info", other], "Decide.", 2)
    assert inside.prompt == (
        "# Task\nWhat is 6 * 7?\n\n# thinking #2, from solver (yourself)\nt\n\n"
        "# hint, from friend\nuse 7\n\n# Instruction\nDecide."
    )
    asked = inside.asked[-1]
    assert (asked["temperature"], asked["max_tokens"]) == (0.25, 77)
    system = asked["messages"][0][1]
    assert system.startswith("You are a judge.\n\nAnswer format: JSON\n")
    schema = json.loads(system.split("```json\n")[1].split("\n```")[0])
    assert list(schema["properties"]) == schema["required"] == ["thinking", "answer"]


def test_agents_of_one_name_are_told_apart_the_same_way_in_every_run(inside: Inside) -> None:
    inside.reply = '{"answer": 1}'

    def solve(task: Any) -> Any:
        first, second = (inside.agents.Agent(["answer"], "solver") for _ in range(2))
        return second([task, *first([task], "Answer.")], "Answer.")[0]

    for _ in range(2):
        inside.agents.answers(solve, [inside.task()])
        assert "# answer, from solver 1\n1" in inside.prompt
        assert "yourself" not in inside.prompt


def test_calls_together_overlap_and_keep_their_order(inside: Inside) -> None:
    barrier = threading.Barrier(3, timeout=10)

    def reply(prompt: str) -> str:
        barrier.wait()
        return json.dumps({"answer": prompt[-1]})

    inside.reply = reply
    agent = inside.agents.Agent(["answer"], "solver")
    calls = [lambda word=word: agent([], word)[0].content for word in "abc"]
    assert inside.agents.together(*calls) == ["a", "b", "c"]
    assert inside.agents.together() == []


def test_one_task_that_fails_does_not_touch_the_others(inside: Inside) -> None:
    def solve(task: Any) -> Any:
        if task.content == "bad":
            raise ZeroDivisionError("here")
        return task

    tasks = [inside.task("good"), inside.task("bad")]
    assert inside.agents.answers(solve, tasks, at_once=2) == [
        {"answer": "good", "error": ""},
        {"answer": None, "error": "ZeroDivisionError: here"},
    ]
    with pytest.raises(ZeroDivisionError):
        inside.agents.answers(solve, tasks[1:] * 2)


def test_a_harness_can_have_everything_asked_in_order(inside: Inside) -> None:
    def solve(task: Any) -> Any:
        calls = [lambda: threading.current_thread().name for _ in range(20)]
        return len(set(inside.agents.together(*calls)))

    tasks = [inside.task() for _ in range(3)]
    solved = inside.agents.answers(solve, tasks, at_once=1)
    assert [each["answer"] for each in solved] == [1, 1, 1]


PUBLISHED = """
from collections import Counter

def forward(self, taskInfo):
    writer = LLMAgentBase(["thinking", "answer"], "Writer", role="poet", temperature=0.9)
    answers = []
    for n in range(3):
        thinking, answer = writer([taskInfo] + answers + ["no Info"], "Write.", n)
        answers.append(answer)
    most = Counter(a.content for a in answers).most_common(1)[0][0]
    return Info("answer", "me", most, -1)
"""


def test_a_published_program_runs_as_it_is(inside: Inside) -> None:
    inside.reply = lambda prompt: json.dumps({"answer": 7 if "#1" in prompt else 5})
    solve = inside.adas.load(PUBLISHED)
    found = solve(inside.task())
    assert (found.name, found.content, found.iteration) == ("answer", "7", None)
    assert "# answer #2, from Writer (yourself)\n7" in inside.prompt
    assert "no Info" not in inside.prompt
    assert [asked["temperature"] for asked in inside.asked] == [0.9] * 3
    assert inside.asked[0]["messages"][0][1].startswith("You are a poet.")


def test_a_published_program_must_define_forward(inside: Inside) -> None:
    with pytest.raises(ValueError, match="forward"):
        inside.adas.load("def backward(self, taskInfo): return 1")
