"""What a candidate may ask of a model, and what it gets: plain values, checked on both sides.

This module also runs inside sandboxes, so it needs the standard library only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

ROLES = ("system", "user", "assistant")
MAX_MESSAGES = 256
MAX_CHARACTERS = 1_000_000
"""Of all messages of one ask together."""
MAX_TOKENS = 10_000_000


class Malformed(ValueError):
    """It is no ask."""


@dataclass(frozen=True)
class Ask:
    """One question of a candidate. The model, its key and its address are not its business."""

    messages: tuple[tuple[str, str], ...]
    """Role and content of each turn; at least one."""
    temperature: float | None = None
    """From 0 to 2; the campaign's if not given."""
    max_tokens: int | None = None
    """Of the reply; as many as the campaign allows if not given."""

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Ask:
        """The ask in a message that anybody may have written.

        Raises:
            Malformed: Something else is in it. Says what.
        """
        messages, temperature = fields.get("messages"), fields.get("temperature")
        max_tokens = fields.get("max_tokens")
        if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
            raise Malformed(f"messages must be a list of 1 to {MAX_MESSAGES} messages")
        for message in messages:
            if not isinstance(message, list) or len(message) != 2:
                raise Malformed("a message must have a role and a content")
            if message[0] not in ROLES:
                raise Malformed(f"the role {message[0]!r:.80} is none of {', '.join(ROLES)}")
            if not isinstance(message[1], str):
                raise Malformed(f"a message's content is {type(message[1]).__name__}, not text")
        characters = sum(len(content) for _, content in messages)
        if characters > MAX_CHARACTERS:
            raise Malformed(f"the messages have {characters} characters, over {MAX_CHARACTERS}")
        if temperature is not None and (
            type(temperature) not in (int, float) or not 0 <= temperature <= 2
        ):
            raise Malformed(f"the temperature {temperature!r:.80} is no number from 0 to 2")
        if max_tokens is not None and (
            type(max_tokens) is not int or not 1 <= max_tokens <= MAX_TOKENS
        ):
            raise Malformed(f"max_tokens {max_tokens!r:.80} is no number from 1 to {MAX_TOKENS}")
        turns = tuple((role, content) for role, content in messages)
        return cls(turns, temperature, max_tokens)

    def fields(self) -> dict[str, Any]:
        """For a message; :meth:`read` turns it back."""
        return asdict(self) | {"messages": [list(message) for message in self.messages]}


@dataclass(frozen=True)
class Given:
    """What the model answered."""

    text: str
    finish_reason: str
    """``stop``, or why the reply ends early, such as ``length``."""
    input_tokens: int
    output_tokens: int
    usd: float | None
    """``None``: nobody knows."""


@dataclass(frozen=True)
class Refused:
    """There is no answer, and the candidate may go on without."""

    reason: str
    cap: str = ""
    """``calls``, ``tokens``, ``usd`` or ``seconds`` if that is used up."""


Answer = Given | Refused


def pack(answer: Answer) -> dict[str, Any]:
    """An answer for a message."""
    return {"given" if isinstance(answer, Given) else "refused": asdict(answer)}


def unpack(message: dict[str, Any]) -> Answer:
    """The answer in a message of ours."""
    return Given(**message["given"]) if "given" in message else Refused(**message["refused"])


@dataclass(frozen=True)
class Answers:
    """Who answers the asks of one sandbox."""

    answer: Callable[[Ask], Awaitable[Answer]]
    """Whatever it raises is our failure, never the candidate's."""
    at_once: int
    """Most asks in flight; inside, further ones wait."""
