"""The API's stream of what happens in a campaign."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from metasearch.archive import NOW, CampaignSummary, State
from metasearch.web.api.common import ERRORS
from metasearch.web.api.progress import EventItem, as_item
from metasearch.web.errors import find_run
from metasearch.web.feed import Feed, News
from metasearch.web.readers import Readers

router = APIRouter(tags=["campaigns"])


class Standing(BaseModel):
    """The data of a ``status`` message: where the campaign stands."""

    state: State
    reason: str
    evaluations: int
    outcomes: dict[str, int]
    tokens: int
    usd: float | None
    seconds: float
    best: int | None
    scores: dict[str, float]
    """Of the best."""


class Happened(BaseModel):
    """The data of an ``events`` message."""

    events: list[EventItem]
    settled: list[int]
    """Numbers of the candidates that were settled in them: see the points after the last seq."""


class Followed(NamedTuple):
    """A campaign to follow."""

    run: str
    after: int


def _followed(
    request: Request,
    campaign: Annotated[str, Path(max_length=300)],
    after: Annotated[
        int | None, Query(ge=0, le=NOW, description="seq of what is there already.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(max_length=30, description="Of the last message before a gap.")
    ] = None,
) -> Followed:
    feed: Feed = request.app.state.feed
    if feed.full:
        raise HTTPException(503, "Too many viewers are connected; try again later.")
    readers: Readers = request.app.state.readers
    with readers.reader() as archive:
        run = find_run(archive, campaign)
        if last_event_id is not None and last_event_id.isdecimal() and last_event_id.isascii():
            after = min(int(last_event_id), NOW)
        return Followed(run.id, run.version()[0] if after is None else after)


@router.get("/campaigns/{campaign}/stream", response_class=EventSourceResponse, responses=ERRORS)
async def stream(
    request: Request, followed: Annotated[Followed, Depends(_followed)]
) -> AsyncIterator[ServerSentEvent]:
    """Events as they happen, and where the campaign stands, as server-sent events.

    ``events`` messages carry an id, the seq of their last event: whoever comes back with it as
    ``Last-Event-ID`` misses nothing and gets nothing twice. ``status`` messages tell where the
    campaign stands. At most two messages each half second.
    """
    feed: Feed = request.app.state.feed
    async for news in feed.follow(*followed):
        for message in _messages(news):
            yield message


@lru_cache(8)
def _messages(news: News) -> list[ServerSentEvent]:
    """Written once for all who get the same news."""
    messages = []
    if news.events:
        settled = [
            event.candidate
            for event in news.events
            if event.kind == "settled" and event.candidate is not None
        ]
        happened = Happened(events=[as_item(event) for event in news.events], settled=settled)
        text = happened.model_dump_json()
        messages.append(ServerSentEvent(raw_data=text, event="events", id=str(news.seq)))
    if news.summary is not None:
        text = _standing(news.summary).model_dump_json()
        messages.append(ServerSentEvent(raw_data=text, event="status"))
    return messages


def _standing(summary: CampaignSummary) -> Standing:
    best = summary.best
    return Standing(
        state=summary.state,
        reason=summary.reason,
        evaluations=summary.evaluations,
        outcomes=summary.outcomes,
        tokens=summary.usage.tokens,
        usd=summary.usage.usd,
        seconds=summary.seconds,
        best=None if best is None else best.number,
        scores={} if best is None else best.scores,
    )
