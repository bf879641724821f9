"""The conversation that made a candidate: calls by what they were for, each message once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from metasearch.exchange import Exchange, Message
from metasearch.web.markdown import MAX_RENDERED, rendered

FOLDED = 40
"""Lines above which a message is folded."""

ROOM = 120_000
"""Characters of messages that one page shows; each of the others has a page of its own."""

_REPLAYED = "offline/replay"


class Said(NamedTuple):
    """One message as the page shows it."""

    position: int
    """In its call; the reply is behind the last message."""
    role: str
    text: str
    """As much of it as there is room for."""
    markup: Markup | None
    """Likewise, if it is shown as Markdown."""
    lines: int
    length: int
    repeats: str
    """The call that has shown it before; then it has no text here."""

    @property
    def folded(self) -> bool:
        """Whether it is opened by a click."""
        return self.lines > FOLDED

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return len(self.text) == self.length


class Card(NamedTuple):
    """One model call."""

    place: int
    """Counts a candidate's calls from 0."""
    label: str
    exchange: Exchange
    said: tuple[Said, ...]
    request: str
    """All that was sent, as JSON; only for that reading."""

    @property
    def replayed(self) -> bool:
        """Whether the reply came from a recording."""
        return self.exchange.model.startswith(_REPLAYED)


def cards(calls: Sequence[Exchange], first: int, reading: str) -> list[Card]:
    """Calls as cards.

    Args:
        calls: In their order.
        first: How many calls of the candidate are before them.
        reading: ``rendered``, ``plain`` or ``request``.
    """
    shown: dict[tuple[str, str], str] = {}
    found = []
    room = ROOM
    names = (
        list(labels(calls)) if first == 0 else [f"call {first + n + 1}" for n in range(len(calls))]
    )
    for place, (label, call) in enumerate(zip(names, calls, strict=True), first):
        request = ""
        said: list[Said] = []
        if reading == "request":
            request = _request(call)[: max(0, room)]
            room -= len(request)
        else:
            for position, message in enumerate(messages_of(call)):
                repeats = shown.setdefault((message.role, message.content), label)
                repeated = repeats if repeats != label else ""
                said.append(_said(position, message, repeated, max(0, room), reading))
                room -= len(said[-1].text)
        found.append(Card(place, label, call, tuple(said), request))
    return found


def messages_of(call: Exchange) -> list[Message]:
    """What was sent, and the reply."""
    reply = [Message(role="assistant", content=call.reply)] if call.reply else []
    return [*call.messages, *reply]


def labels(calls: Sequence[Exchange]) -> Iterator[str]:
    """What each call was for, as far as its place tells: draft, repair 1, reflection 1, ..."""
    count: Counter[str] = Counter()
    before: Exchange | None = None
    for call in calls:
        purpose = _purpose(call, before)
        count[purpose] += 1
        numbered = count[purpose] > 1 or purpose in ("repair", "reflection", "own ask")
        yield f"{purpose} {count[purpose]}" if numbered else purpose
        before = call


def _purpose(call: Exchange, before: Exchange | None) -> str:
    if call.asker is not None:
        return "own ask"
    if call.role != "propose":
        return call.role
    if before is None or before.role != "propose" or before.asker is not None:
        return "draft"
    if before.error:
        return "repair"
    replies = [message for message in call.messages if message.role == "assistant"]
    return "reflection" if replies else "draft"


def _said(position: int, message: Message, repeats: str, room: int, reading: str) -> Said:
    text = "" if repeats else message.content[:room]
    markup = None
    if reading == "rendered" and text and len(text) == len(message.content) <= MAX_RENDERED:
        markup = rendered(text)
    return Said(
        position,
        message.role,
        text,
        markup,
        message.content.count("\n") + 1,
        len(message.content),
        repeats,
    )


def _request(call: Exchange) -> str:
    sent = {
        "model": call.model,
        "messages": [message.model_dump() for message in call.messages],
        **call.parameters,
    }
    return json.dumps(sent, indent=2, ensure_ascii=False)
