"""A reply that was cut at its length limit, and the rest of it, which is asked for once.

Both parts are calls with records of their own under one name. The second one's messages hold
the first one's text, so that the two are found together again.
"""

from __future__ import annotations

from collections.abc import Sequence

from metasearch.exchange import Exchange, Message
from metasearch.step import Reply

LENGTH = "length"
"""The ``finish_reason`` of a reply that reached its limit of tokens."""

GO_ON = (
    "Your answer reached its length limit and broke off. Write the rest of it now. Begin with the "
    "very next character: repeat nothing, introduce nothing, and open no new code block for one "
    "that is still open."
)

_LEAST = 16
"""Characters that both parts must share to be taken for a repetition, not for chance."""
_LEAST_OF_LINE = 5
"""Likewise, of the unfinished line at the end of the first part."""
_MOST = 4000
"""Characters of a repetition that are looked for."""
_FENCE = "```"


def is_cut(text: str, finish_reason: str) -> bool:
    """Whether a reply broke off in mid-text."""
    return finish_reason == LENGTH and bool(text.strip())


def rest_of(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The prompt that asks for the rest of a reply."""
    return (
        *messages,
        Message(role="assistant", content=text),
        Message(role="user", content=GO_ON),
    )


def find_parts(
    answered: Sequence[Exchange], messages: Sequence[Message]
) -> tuple[Exchange | None, Exchange | None]:
    """The latest reply to a prompt among a call's records, and the rest of that reply."""
    asked = tuple(messages)
    first = next((e for e in reversed(answered) if e.messages == asked), None)
    if first is None:
        return None, None
    begin = (*asked, Message(role="assistant", content=first.reply))
    # Not compared whole: the words that ask for the rest may change from version to version.
    rest = next((e for e in reversed(answered) if e.messages[:-1] == begin), None)
    return first, rest


def whole(first: Reply, rest: Reply) -> Reply:
    """One reply out of two parts; it costs what both did."""
    return Reply(
        text=join(first.text, rest.text),
        usage=first.usage + rest.usage,
        finish_reason=rest.finish_reason,
        replayed=first.replayed and rest.replayed,
        model=first.model,
    )


def join(first: str, rest: str) -> str:
    """The text of both parts, without what the second one repeats of the first."""
    if _open_fence(first) and rest.lstrip().startswith(_FENCE):
        _, newline, inside = rest.lstrip().partition("\n")
        # A line that is nothing but the fence closes the block.
        if newline and rest.lstrip().partition("\n")[0].strip() != _FENCE:
            rest = inside
    return first + rest[_repeated(first, rest) :]


def _open_fence(text: str) -> bool:
    return sum(line.lstrip().startswith(_FENCE) for line in text.splitlines()) % 2 == 1


def _repeated(first: str, rest: str) -> int:
    """How many characters at the beginning of the rest are the end of the first part."""
    line = first.rpartition("\n")[2]
    sizes = [*range(min(len(first), len(rest), _MOST), _LEAST - 1, -1)]
    if len(line.strip()) >= _LEAST_OF_LINE:
        sizes.append(len(line))
    size = next((n for n in sizes if len(rest) >= n and first.endswith(rest[:n])), 0)
    return 0 if _runs(rest[:size]) else size


def _runs(text: str) -> bool:
    """Whether a text is one piece over and over: a table of zeros, a ruled line.

    There nobody can tell a repetition from what comes next.
    """
    return any(text[n:] == text[:-n] for n in range(1, len(text) // 2 + 1))
