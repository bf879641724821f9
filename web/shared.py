"""Answers that many viewers ask for at the same time: made once, and sent to each of them.

News of a campaign reach all of its live pages at the same moment, and all then ask for the same
parts. Who asks first has the answer made; the others get the same bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metasearch.web.feed import Feed

FRESH = 1.0
"""Seconds for which an answer is given again, if no news make it old before."""

_ANSWERS = 64
_BYTES = 256 * 1024
"""Of one answer; a larger one is made anew for each."""

_OWN = ("if-none-match", "range")
"""Headers with which an answer is for one viewer alone."""


class _Key(NamedTuple):
    edition: int
    path: str
    query: bytes
    packed: bool


class _Kept(NamedTuple):
    begun: float
    answer: asyncio.Future[list[Message] | None]
    """``None`` if it is not for others."""


class Shared:
    """Middleware around answers about campaigns that somebody watches.

    An answer is as new as the latest news that any viewer has heard, because a new edition of the
    feed begins new answers, and so does each command that comes through this server.
    """

    def __init__(self, app: ASGIApp, feed: Feed) -> None:
        self._app = app
        self._feed = feed
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            self._kept.clear()
            return
        key = self._key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        self._drop_old()
        kept = self._kept.get(key)
        if kept is None:
            await self._make(key, scope, receive, send)
            return
        answer = await asyncio.shield(kept.answer)
        if answer is None:
            await self._app(scope, receive, send)
            return
        for message in answer:
            await send(_copy(message))

    def _key(self, scope: Scope) -> _Key | None:
        """What the answer depends on; ``None`` if it is this viewer's own."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        path: str = scope["path"]
        for place in ("/c/", "/api/campaigns/"):
            if path.startswith(place):
                run = path[len(place) :].partition("/")[0]
                edition = self._feed.edition(run)
                headers = Headers(scope=scope)
                if edition is None or any(name in headers for name in _OWN):
                    return None
                packed = "gzip" in headers.get("accept-encoding", "")
                return _Key(edition, path, scope["query_string"], packed)
        return None

    async def _make(self, key: _Key, scope: Scope, receive: Receive, send: Send) -> None:
        answer: asyncio.Future[list[Message] | None] = asyncio.get_running_loop().create_future()
        self._kept[key] = _Kept(time.monotonic(), answer)
        messages: list[Message] = []
        size = 0

        async def noted(message: Message) -> None:
            nonlocal size
            if not answer.done():
                size += len(message.get("body", b""))
                if size > _BYTES or not _for_all(message):
                    answer.set_result(None)
                    messages.clear()
                else:
                    messages.append(_copy(message))
                    if message["type"] == "http.response.body" and not message.get("more_body"):
                        answer.set_result(messages)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if not answer.done():
                answer.set_result(None)

    def _drop_old(self) -> None:
        oldest = time.monotonic() - FRESH
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.begun > oldest and len(self._kept) < _ANSWERS:
                return
            del self._kept[key]


def _copy(message: Message) -> Message:
    """With headers of its own: whoever is around this adds some."""
    copied = dict(message)
    if "headers" in copied:
        copied["headers"] = [*copied["headers"]]
    return copied


def _for_all(message: Message) -> bool:
    """Whether what begins with it may be sent to others."""
    if message["type"] != "http.response.start":
        return True
    headers = Headers(raw=message["headers"])
    streams = headers.get("content-type", "").startswith("text/event-stream")
    return message["status"] == 200 and not streams and "set-cookie" not in headers
