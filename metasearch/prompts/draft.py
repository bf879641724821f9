"""Prompts in parts: what is left out first, when a prompt is too long for its model.

A strategy writes each message as a :class:`Draft`, the whole text with what it consists of.
Where that fits, nothing happens. Else the least important parts are shortened, then dropped,
one after the other until it does, and the prompt says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from metasearch.candidate import Frozen
from metasearch.errors import ContextOverflow
from metasearch.exchange import Message

HALVINGS = 2
"""How often a prompt that a provider finds too long is halved and asked again."""

_BYTES_PER_TOKEN = 3
"""Of UTF-8. Our prompts have 3.4 to 3.7 to a token (cl100k), code alone up to 4.6, so this counts
too many rather than too few. Long tables of digits have 1.8: there it is too few, and the
provider's refusal halves the prompt."""
_FRAME = 8
"""Tokens for a message's role and borders."""


class Part(Frozen):
    """One part of a message."""

    text: str
    priority: int = 0
    """0: is never cut. Of the others, the highest number goes first, the last one on ties."""
    name: str = ""
    """What the prompt calls it when it is not there in full."""
    shorter: tuple[str, ...] = ()
    """Forms to take before it is dropped, each shorter than the one before."""


class Draft(Message):
    """A message with the parts that its content consists of."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Sequence[Part], role: str = "user") -> Draft:
        """The message of these parts, all in full."""
        return cls(role=role, content=_joined(part.text for part in parts), parts=tuple(parts))


class Render(Protocol):
    """Fills a template: :meth:`metasearch.step.Step.render`."""

    def __call__(self, template: str, /, **values: object) -> str:
        """The text."""


class Fitted(NamedTuple):
    """A prompt as it is sent."""

    messages: tuple[Message, ...]
    tokens: int
    """By :func:`estimated_tokens`."""
    cut: tuple[str, ...] = ()
    """Names of the parts that are not there in full."""


def estimated_tokens(messages: Sequence[Message]) -> int:
    """How many tokens a prompt takes, rather too many than too few."""
    return sum(
        _FRAME - (-len(message.content.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
        for message in messages
    )


def extended(message: Message, text: str) -> Message:
    """The message with a paragraph more, which is never cut."""
    if isinstance(message, Draft):
        return Draft.of([*message.parts, Part(text=text)], message.role)
    return Message(role=message.role, content=f"{message.content}\n\n{text}")


def inserted(message: Message, parts: Sequence[Part]) -> Draft:
    """The message with more parts before its last one, which is what it asks for."""
    own = message.parts if isinstance(message, Draft) else (Part(text=message.content),)
    return Draft.of([*own[:-1], *parts, *own[-1:]], message.role)


def fit(messages: Sequence[Message], tokens: int, render: Render) -> Fitted:
    """The messages with as few parts cut as needed to take no more than so many tokens.

    Raises:
        ContextOverflow: What is never cut takes more.
    """
    forms = {
        (place, number): (part.text, *part.shorter, "")
        for place, message in enumerate(messages)
        if isinstance(message, Draft)
        for number, part in enumerate(message.parts)
        if part.priority > 0
    }
    order = sorted(forms, key=lambda at: (_part(messages, at).priority, at), reverse=True)
    steps = ((at, form) for at in order for form in range(1, len(forms[at])))
    taken = dict.fromkeys(forms, 0)
    while True:
        fitted = _written(messages, forms, taken, render)
        if fitted.tokens <= tokens:
            return fitted
        at, form = next(steps, (None, 0))
        if at is None:
            raise ContextOverflow(
                f"A prompt needs about {fitted.tokens} tokens for what cannot be left out of it, "
                f"and {tokens} are allowed. Raise models.prompt_tokens, take a model with a "
                "larger context, or begin with a shorter task and program.",
                limit=tokens,
                requested=fitted.tokens,
            )
        taken[at] = form


def shrinking(messages: Sequence[Message], tokens: int, render: Render) -> Iterator[Fitted]:
    """The prompt that fits, then those to ask instead if it turns out to be too long after all.

    Raises:
        ContextOverflow: As for :func:`fit`.
    """
    fitted = fit(messages, tokens, render)
    yield fitted
    for _ in range(HALVINGS):
        try:
            fitted = fit(messages, fitted.tokens // 2, render)
        except ContextOverflow:
            return
        yield fitted


_Place = tuple[int, int]
"""Of a part: its message's and its own."""


def _part(messages: Sequence[Message], at: _Place) -> Part:
    message = messages[at[0]]
    assert isinstance(message, Draft)
    return message.parts[at[1]]


def _written(
    messages: Sequence[Message],
    forms: dict[_Place, tuple[str, ...]],
    taken: dict[_Place, int],
    render: Render,
) -> Fitted:
    """The messages with each part in the form taken, and a word on those not in full."""
    cut = [at for at, form in sorted(taken.items()) if form > 0]
    dropped = [at for at in cut if not forms[at][taken[at]]]
    note = ""
    if cut:
        note = render(
            "left_out",
            shortened=[_part(messages, at).name for at in cut if at not in dropped],
            dropped=[_part(messages, at).name for at in dropped],
        )
    last = max(forms, default=None)
    written = []
    for place, message in enumerate(messages):
        if not isinstance(message, Draft):
            written.append(message)
            continue
        texts = []
        for number, part in enumerate(message.parts):
            at = (place, number)
            texts.append(forms[at][taken[at]] if at in forms else part.text)
            if at == last:
                texts.append(note)
        written.append(Message(role=message.role, content=_joined(texts)))
    names = tuple(_part(messages, at).name for at in cut)
    return Fitted(tuple(written), estimated_tokens(written), names)


def _joined(texts: Sequence[str] | Iterator[str]) -> str:
    return "\n\n".join(text for text in texts if text)
