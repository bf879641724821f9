"""The API's other records of a candidate: conversation, output and artifacts."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from metasearch.exchange import Exchange
from metasearch.web.api.common import ERRORS, TAGGED, Found, Run, cut
from metasearch.web.errors import NotFound

router = APIRouter(tags=["candidates"])

SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""An artifact may style itself, and nothing else: no script, no request, no form, no frame."""

PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}
"""What an ``<img>`` shows."""
PLAIN = {"text/plain", "text/csv", "application/json"}
"""What is shown as text."""


class MessageItem(BaseModel):
    """One message of a conversation."""

    role: str
    content: str


class Call(BaseModel):
    """One model call."""

    step: int
    call: int
    asker: int | None
    """The candidate that asked while it was evaluated; ``null``: its step did."""
    role: str
    model: str
    state: str
    messages: list[MessageItem]
    reply: str
    error: str
    finish_reason: str
    attempts: int
    parameters: dict[str, float | int | str | None]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usd: float | None
    seconds: float


class Conversation(BaseModel):
    """Model calls of a candidate."""

    calls: list[Call]
    total: int
    """With those on other pages."""


class Output(BaseModel):
    """What a candidate printed: the stored tails."""

    stdout: str
    stderr: str


@router.get("/campaigns/{campaign}/candidates/{number}/exchanges", responses=TAGGED)
def exchanges(
    run: Run,
    found: Found,
    after: Annotated[int, Query(ge=0, le=10**6, description="Calls to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> Conversation:
    """The model calls that led to a candidate, then those that it made itself."""
    shown = run.conversation(found.number, after, limit)
    total = run.call_count(found.number)
    return Conversation(calls=[_call(exchange) for exchange in shown], total=total)


@router.get("/campaigns/{campaign}/candidates/{number}/output", responses=TAGGED)
def output(run: Run, found: Found) -> Output:
    """What the candidate printed while it was measured."""
    stdout, stderr = run.output(found)
    return Output(stdout=cut(stdout), stderr=cut(stderr))


@router.get(
    "/campaigns/{campaign}/candidates/{number}/artifacts/{position}",
    response_class=Response,
    responses={
        **ERRORS,
        200: {
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
            "description": "Its content, to be saved, or to be shown by an <img>.",
        },
    },
)
def artifact(
    run: Run,
    found: Found,
    position: Annotated[int, Path(ge=0, le=10**6, description="As in the candidate's artifacts.")],
) -> Response:
    """A file that the evaluator attached. It is hostile: a browser may not run anything in it."""
    try:
        attached = run.artifact(found.number, position)
    except KeyError as error:
        text = str(error.args[0])
        raise NotFound(f"{text[:1].upper()}{text[1:]}.") from None
    known = attached.media_type if attached.media_type in PICTURES | PLAIN else ""
    name = attached.name.rpartition("/")[2] or "artifact"
    headers = {
        "Content-Security-Policy": SANDBOX,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Type": known or "application/octet-stream",
    }
    return Response(attached.content, headers=headers)


def _call(exchange: Exchange) -> Call:
    usage = exchange.usage
    return Call(
        step=exchange.step,
        call=exchange.call,
        asker=exchange.asker,
        role=exchange.role,
        model=exchange.model,
        state=exchange.state.value,
        messages=[
            MessageItem(role=message.role, content=cut(message.content))
            for message in exchange.messages
        ],
        reply=cut(exchange.reply),
        error=exchange.error,
        finish_reason=exchange.finish_reason,
        attempts=exchange.attempts,
        parameters=exchange.parameters,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        usd=usage.usd,
        seconds=usage.seconds,
    )
