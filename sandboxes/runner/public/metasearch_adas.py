"""Run agents that were written to the interface of ADAS (arXiv 2408.08435) as they are.

Such a program is the text of a ``def forward(self, taskInfo)`` that makes ``LLMAgentBase``
objects and calls them with lists of ``Info``. With :func:`load` it solves a task of
``metasearch_agents``::

    import metasearch_adas

    solve = metasearch_adas.load(SOURCE)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import metasearch_agents
from metasearch_agents import Agent

__all__ = ["Info", "LLMAgentBase", "Published", "load"]


class Info(NamedTuple):
    """The published record, which programs also make by hand."""

    name: str
    author: str
    content: Any
    iteration_idx: int
    """-1 is none."""


class LLMAgentBase:
    """The published model call: one record of text for each field, in the order of the fields."""

    def __init__(
        self,
        output_fields: Sequence[str],
        agent_name: str,
        role: str = "helpful assistant",
        model: str = "",
        temperature: float = 0.5,
    ) -> None:
        """Set it up. The model is not the candidate's to choose: ``model`` is ignored."""
        self.output_fields = list(output_fields)
        self.agent_name = agent_name
        self.role = role
        self.model = model
        self.temperature = temperature
        self._agent = Agent(self.output_fields, agent_name, f"a {role}", temperature)

    def __repr__(self) -> str:
        return str(self._agent.author)

    def __call__(
        self, input_infos: Sequence[Any], instruction: str, iteration_idx: int = -1
    ) -> list[Info]:
        """Ask once; what the model does not give is empty text."""
        given = [_ours(info) for info in input_infos if isinstance(info, Info)]
        found = self._agent(given, instruction, _iteration(iteration_idx))
        return [Info(info.name, info.author, info.text, iteration_idx) for info in found]

    query = __call__


class Published:
    """What ``self`` is in a published program; with a grid puzzle, if that is the task."""

    def __init__(self, puzzle: Any = None) -> None:
        """``puzzle`` has ``examples``, ``run_examples(code)`` and ``test_output(code)``."""
        self._puzzle = puzzle
        self.examples: list[Any] = [] if puzzle is None else puzzle.examples

    def run_examples_and_get_feedback(self, code: Any) -> tuple[Info, list[Any], list[Any]]:
        """Feedback on code, and the examples that it gets right and wrong."""
        trial = self._puzzle.run_examples(_text(code))
        feedback = Info("feedback", _evaluator_of(code), trial.feedback.text, -1)
        right, wrong = ([self.examples[i] for i in part] for part in (trial.right, trial.wrong))
        return feedback, right, wrong

    def get_test_output_from_code(self, code: Any) -> Info:
        """What code makes of the test input, as text."""
        found = self._puzzle.test_output(_text(code))
        text = found.text if found.failure is None else str(found.failure)
        return Info("answer", _evaluator_of(code), text, -1)


def load(source: str) -> Callable[..., metasearch_agents.Info]:
    """A published program as a function of a task, and of a puzzle if there is one.

    Raises:
        ValueError: The text does not define a function ``forward``.
    """
    names: dict[str, Any] = {"Info": Info, "LLMAgentBase": LLMAgentBase}
    exec(source, names)  # noqa: S102 - the candidate's own code, in the candidate's own sandbox
    forward = names.get("forward")
    if not callable(forward):
        raise ValueError("the program does not define a function forward(self, taskInfo)")

    def solve(task: metasearch_agents.Info, puzzle: Any = None) -> metasearch_agents.Info:
        found = forward(Published(puzzle), Info(task.name, task.author, task.content, -1))
        if isinstance(found, Info):
            return _ours(found)
        return metasearch_agents.Info("answer", "forward", found)

    return solve


def _ours(info: Info) -> metasearch_agents.Info:
    number = _iteration(info.iteration_idx)
    return metasearch_agents.Info(str(info.name), str(info.author), info.content, number)


def _iteration(number: object) -> int | None:
    return number if isinstance(number, int) and number >= 0 else None


def _text(code: Any) -> str:
    content = code.content if isinstance(code, Info) else code
    return content if isinstance(content, str) else json.dumps(content)


def _evaluator_of(code: Any) -> str:
    return f"{code.author}'s code evaluator" if isinstance(code, Info) else "code evaluator"
