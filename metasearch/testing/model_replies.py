"""What the test server of models sends: good answers, whole or in pieces, and every fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

HUGE_REPLY = 10_000_000
"""Characters of the reply under :attr:`Break.HUGE`."""

_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Break(StrEnum):
    """Ways for a reply to go wrong that have no status code."""

    RESET = "reset"
    """The connection is reset instead of an answer; of a stream, half-way through."""
    STALL = "stall"
    """No answer ever comes, or half of a stream; the connection stays open."""
    DRIP = "drip"
    """The answer comes one byte a tenth of a second, for ever."""
    TRUNCATED = "truncated"
    """Most of the body, or half of a stream, then the connection closes."""
    CUT_STREAM = "cut_stream"
    """Half of a stream, which then ends in good order, without an ending."""
    INVALID_JSON = "invalid_json"
    EMPTY = "empty"
    """A well-formed answer, billed, with no text in it."""
    HUGE = "huge"
    """A well-formed answer of ten megabytes."""
    NO_USAGE = "no_usage"
    """A good answer that does not say how many tokens it took."""
    LENGTH = "length"
    """Half of a good answer, which says that it reached its limit; asked to go on, the server
    sends the other half."""
    THINKING = "thinking"
    """No text, and all tokens spent on thoughts."""
    FILTERED = "filtered"
    """No text: a filter stopped it."""


BILLED = frozenset(
    {
        None,
        Break.EMPTY,
        Break.HUGE,
        Break.NO_USAGE,
        Break.LENGTH,
        Break.THINKING,
        Break.FILTERED,
    }
)
"""The kinds of answers that arrive whole, and so carry a bill."""

_ENDINGS = {Break.LENGTH: "length", Break.THINKING: "length", Break.FILTERED: "content_filter"}


@dataclass(frozen=True)
class Fault:
    """What one request gets instead of a good answer."""

    kind: Break | None = None
    status: int = 200
    """An HTTP status other than 200 answers with an error body."""
    retry_after: float | None = None
    """Seconds, sent as a ``Retry-After`` header."""
    message: str = "injected fault"
    """Text of the error body."""
    code: str | None = None
    """Machine-readable code of the error body, such as ``insufficient_quota``."""
    finish_reason: str = "stop"
    """What a well-formed answer says about its end."""

    @property
    def name(self) -> str:
        """The kind of break, or the status."""
        return self.kind.value if self.kind else str(self.status)

    @property
    def ending(self) -> str:
        """The ``finish_reason`` that is sent."""
        return _ENDINGS.get(self.kind, self.finish_reason) if self.kind else self.finish_reason


def tokens_of(text: str) -> int:
    """How many tokens this server counts for a text: one for four characters, at least one."""
    return max(1, (len(text) + 3) // 4)


@dataclass(frozen=True)
class Billed:
    """What an answer costs."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0

    @property
    def usage(self) -> dict[str, Any]:
        """As OpenAI says it."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }


def error_response(fault: Fault) -> bytes:
    """An error of the usual form."""
    error = {"message": fault.message, "type": "injected", "param": None, "code": fault.code}
    wait = "" if fault.retry_after is None else f"Retry-After: {fault.retry_after:g}\r\n"
    return json_response(fault.status, json.dumps({"error": error}).encode(), wait)


def whole_response(number: int, text: str, billed: Billed, fault: Fault) -> bytes:
    """An answer in one body."""
    message = {"role": "assistant", "content": text}
    answer = _frame(number, "chat.completion", {"message": message}, fault.ending)
    if fault.kind is not Break.NO_USAGE:
        answer["usage"] = billed.usage
    body = json.dumps(answer).encode()
    if fault.kind is Break.INVALID_JSON:
        body = b'{"choices": [}' + body[:40]
    return json_response(200, body)


def streamed_response(number: int, text: str, billed: Billed, fault: Fault) -> list[bytes]:
    """An answer in pieces, as server-sent events: head, pieces, end."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    pieces = [head, *(_chunk(event) for event in _events(number, text, billed, fault))]
    return [*pieces, b"0\r\n\r\n"]


def _events(number: int, text: str, billed: Billed, fault: Fault) -> Iterator[bytes]:
    size = max(1, len(text) // 8)
    deltas = [text[at : at + size] for at in range(0, len(text), size)] or [""]
    for place, delta in enumerate(deltas):
        if fault.kind is Break.INVALID_JSON and place == len(deltas) // 2:
            yield b'data: {"choices": [}\n\n'
            return
        message = {"role": "assistant", "content": delta}
        yield _event(_frame(number, "chat.completion.chunk", {"delta": message}, None))
    yield _event(_frame(number, "chat.completion.chunk", {"delta": {}}, fault.ending))
    if fault.kind is not Break.NO_USAGE:
        yield _event(_frame(number, "chat.completion.chunk", None, None) | {"usage": billed.usage})
    yield b"data: [DONE]\n\n"


def _frame(
    number: int, kind: str, choice: dict[str, Any] | None, ending: str | None
) -> dict[str, Any]:
    choices = [] if choice is None else [{"index": 0, **choice, "finish_reason": ending}]
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": 1_700_000_000,
        "model": "test",
        "choices": choices,
    }


def _event(frame: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def _chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def json_response(status: int, body: bytes, extra: str = "") -> bytes:
    """A whole HTTP response with a JSON body."""
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode("latin-1") + body
