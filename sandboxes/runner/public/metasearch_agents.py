"""Write agents: model calls with named inputs and outputs, on top of ``metasearch_runner``.

An agent program, inside the sandbox, is made of :class:`Agent` calls that pass :class:`Info`
records to each other::

    from metasearch_agents import INTEGER, Agent, Field, Info

    def solve(task: Info) -> Info:
        solver = Agent(["thinking", Field("answer", "the number", INTEGER)], "solver")
        thinking, answer = solver([task], "Think step by step, then answer.")
        return answer

What a model cannot or may not answer comes back as a value: an :class:`Info` without content
whose ``failure`` says why, such as :class:`metasearch_runner.BudgetExceeded`.
"""

from __future__ import annotations

import contextvars
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from metasearch_runner import AskError, BudgetExceeded, ask

__all__ = [
    "GRID",
    "INTEGER",
    "TEXT",
    "Agent",
    "AskError",
    "BudgetExceeded",
    "Field",
    "Info",
    "Unreadable",
    "answers",
    "together",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
Schema = Mapping[str, Any]
"""A JSON schema."""

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
GRID: Schema = {"type": "array", "items": {"type": "array", "items": INTEGER}}

MAX_REPLY = 200_000
"""Characters of a reply that are read."""
MAX_STARTS = 50
"""Places of a reply at which a JSON object is looked for."""
MAX_THREADS = 8
"""Of one :func:`together`, unless the harness allows fewer."""
MAX_ERROR = 500
"""Characters of an error that are handed out."""


class Unreadable(Exception):
    """A reply that is no JSON object, or that has not the field."""


class Info(NamedTuple):
    """A piece of information, and where it comes from."""

    name: str
    """What it is: the name of the field, or ``task``."""
    author: str
    content: Any
    """Text or another JSON value, as the model gave it; empty text if there is none."""
    iteration: int | None = None
    """Counts the rounds of a procedure from 0."""
    failure: Exception | None = None
    """Why there is no content."""

    @property
    def text(self) -> str:
        """The content as text."""
        if isinstance(self.content, str):
            return self.content
        return json.dumps(self.content, ensure_ascii=False)


class Field(NamedTuple):
    """One named output of an agent."""

    name: str
    meaning: str = ""
    """What the model is to put there."""
    schema: Schema = TEXT


_serials: contextvars.ContextVar[Iterator[int]] = contextvars.ContextVar("serials")
"""Numbers the agents that work on one task: the same in every run of a program."""
_threads: contextvars.ContextVar[int] = contextvars.ContextVar("threads", default=MAX_THREADS)
"""Most calls of one task at the same time."""


class Agent:
    """Asks the campaign's model, with a role, for a fixed list of fields."""

    def __init__(
        self,
        fields: Sequence[Field | str],
        name: str,
        role: str = "a helpful assistant",
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        """Set it up; nothing is asked yet.

        Args:
            fields: The outputs, in the order in which calls return them. A name alone is text.
            name: Shown as the author of what it says.
            role: Completes "You are ...".
            temperature: From 0 to 2; the campaign's if not given.
            max_tokens: Of one reply; the campaign's if not given.
        """
        self.fields = [Field(field) if isinstance(field, str) else field for field in fields]
        self.role = role
        self.temperature = temperature
        self.max_tokens = max_tokens
        serials = _serials.get(None)
        self.author = name if serials is None else f"{name} {next(serials)}"

    def __call__(
        self, infos: Sequence[Info], instruction: str, iteration: int | None = None
    ) -> list[Info]:
        """Ask once.

        Args:
            infos: What the model is shown, the task among it. What is no :class:`Info` is left out.
            instruction: What it is to do with it.
            iteration: Of the answers.

        Returns:
            One :class:`Info` for each field, in the order of the fields, whatever order the model
            wrote them in. Without an answer all have a ``failure``; so has a single field that
            the model left out.
        """
        messages = [
            {"role": "system", "content": self.system()},
            {"role": "user", "content": self.prompt(infos, instruction)},
        ]
        failure: Exception
        try:
            reply = ask(messages, temperature=self.temperature, max_tokens=self.max_tokens)
            found = read_object(reply.text)
            failure = Unreadable("the reply does not have this field")
        except (AskError, Unreadable) as error:
            found, failure = {}, error
        return [
            Info(field.name, self.author, found[field.name], iteration)
            if found.get(field.name) is not None
            else Info(field.name, self.author, "", iteration, failure)
            for field in self.fields
        ]

    def system(self) -> str:
        """The role, and the form of the answer."""
        lines = [f"- {field.name}: {field.meaning}" for field in self.fields if field.meaning]
        schema = {
            "type": "object",
            "properties": {field.name: field.schema for field in self.fields},
            "required": [field.name for field in self.fields],
        }
        shown = json.dumps(schema, ensure_ascii=False)
        parts = [
            f"You are {self.role}.",
            "Answer format: JSON\nReply with one JSON object that fits this schema, and with "
            f"nothing besides it:\n```json\n{shown}\n```",
            "\n".join(lines),
        ]
        return "\n\n".join(part for part in parts if part)

    def prompt(self, infos: Sequence[Info], instruction: str) -> str:
        """The task, the other pieces of information, and the instruction, each with a heading."""
        parts = []
        for info in infos:
            if not isinstance(info, Info):
                continue
            if info.name == "task":
                parts.append(f"# Task\n{info.text}")
                continue
            number = "" if info.iteration is None else f" #{info.iteration + 1}"
            own = " (yourself)" if info.author == self.author else ""
            parts.append(f"# {info.name}{number}, from {info.author}{own}\n{info.text}")
        return "\n\n".join([*parts, f"# Instruction\n{instruction}"])


def together(*calls: Callable[[], Result]) -> list[Result]:
    """Make calls at the same time, in threads; their results in the order of the calls.

    How many asks are really in flight is the campaign's to say (``[agent] concurrency``).
    An exception of one of them is raised once all have ended.
    """
    with ThreadPoolExecutor(max(1, min(len(calls), _threads.get()))) as pool:
        running = [pool.submit(contextvars.copy_context().run, call) for call in calls]
    return [one.result() for one in running]


@dataclass(frozen=True)
class _Solved:
    """What became of one task; one of both."""

    answer: Any = None
    error: str = ""


def answers(
    solve: Callable[[Item], Info], tasks: Sequence[Item], at_once: int = 1
) -> list[dict[str, Any]]:
    """Have a program solve tasks, some at the same time; for harnesses.

    Args:
        solve: Gives an :class:`Info`, or its content.
        tasks: What it is called with, one by one.
        at_once: Tasks at the same time, and calls of each in :func:`together`. With 1 a program
            asks in the same order whenever it runs.

    Returns:
        For each task ``answer`` (plain data) and ``error`` (text, empty if there is none).

    Raises:
        Exception: What the first task raised, if all raised something.
    """
    raised: dict[int, Exception] = {}

    def one(place: int) -> _Solved:
        _serials.set(itertools.count(1))
        _threads.set(min(at_once, MAX_THREADS))
        try:
            found = solve(tasks[place])
        except Exception as error:
            raised[place] = error
            return _Solved(error=f"{type(error).__name__}: {error}"[:MAX_ERROR])
        content = found.content if isinstance(found, Info) else found
        failure = found.failure if isinstance(found, Info) else None
        return _Solved(content, "" if failure is None else str(failure)[:MAX_ERROR])

    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(contextvars.Context().run, one, i) for i in range(len(tasks))]
        solved = [each.result() for each in running]
    if raised and len(raised) == len(tasks):
        raise raised[0]
    return [{"answer": each.answer, "error": each.error} for each in solved]


def read_object(text: str) -> dict[str, Any]:
    """The JSON object in a reply: all of it, in a fence, or the first one between other words.

    Raises:
        Unreadable: There is none.
    """
    text = text[:MAX_REPLY].strip()
    decoder = json.JSONDecoder(strict=False)  # models write line breaks into strings
    for start in itertools.islice(re.finditer(r"\{", text), MAX_STARTS):
        try:
            found, _ = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    raise Unreadable(f"the reply has no JSON object: {text[:200]!r}")
