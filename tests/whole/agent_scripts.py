"""Models for the agents of the examples, by script: what each role knows, and who proposes.

``solves`` says what a call gets right: by the role it is asked in, and by what it is shown. So
the score of each hand-designed agent follows from the data alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metasearch.exchange import Message

_SCHEMA = re.compile(r"fits this schema.*?```json\n(.*?)\n```", re.DOTALL)
_SAID = re.compile(r"^# (\w+)(?: #\d+)?, from [^\n]+\n(.*?)(?=^# |\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """One call of an agent."""

    role: str
    task: str
    said: list[tuple[str, str]]
    """Name and content of each piece of information besides the task."""
    instruction: str
    fields: tuple[str, ...]

    def contents(self, name: str) -> list[str]:
        return [content for given, content in self.said if given == name]


def asked(messages: Sequence[Message]) -> Asked | None:
    """What an agent asks; nothing if it is the one that designs who does."""
    system, user = messages[0].content, messages[-1].content
    found = _SCHEMA.search(system)
    if not system.startswith("You are ") or found is None or len(messages) != 2:
        return None
    before, _, instruction = user.rpartition("# Instruction\n")
    task, _, rest = before.partition("# Task\n")[2].partition("\n\n# ")
    said = [(name, text.strip()) for name, text in _SAID.findall(f"# {rest}")]
    return Asked(
        system.removeprefix("You are ").partition(".")[0],
        task.strip(),
        said,
        instruction,
        tuple(json.loads(found[1])["properties"]),
    )


Answer = Callable[[Asked], dict[str, Any]]


def model(answer: Answer, *proposals: str) -> Callable[[Sequence[Message]], str]:
    """A model that answers agents by a script, and proposes these programs one after the other.

    Answers come with their keys turned round: agents have to bind them by name.
    """
    left = list(proposals)

    def reply(messages: Sequence[Message]) -> str:
        call = asked(messages)
        if call is not None:
            found = {name: answer(call).get(name, "hm") for name in reversed(call.fields)}
            return json.dumps(found)
        # Reflections keep the first version of the proposal.
        if len(messages) > 2 and "# Repair it" not in messages[-1].content:
            return "## Reflection\nIt is good as it is."
        program = left.pop(0) if left else "x = 1"
        return (
            "## Thought\nWho knows most should answer.\n\n## Name\nPolyglot\n\n"
            f"## Program\n### File: program.py\n```python\n{program}```\n"
        )

    return reply
