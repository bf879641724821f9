"""What is new in campaigns, for all who watch: the archive is looked at once, not once a viewer."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from starlette.concurrency import run_in_threadpool

from metasearch.archive import Archive, CampaignSummary, Event
from metasearch.errors import ArchiveError, UsageError
from metasearch.web.readers import Readers

INTERVAL = 0.5
"""Seconds between two looks, at least."""

VIEWERS_PER_SECOND = 25
"""That are told. Each piece of news makes every live page ask for its parts: with more viewers
the looks are rarer, so that what they cost together is bounded."""

MOST_EVENTS = 500
"""In one piece of news."""

MOST_VIEWERS = 500

_BACKLOG = 20
"""Pieces of news that a viewer may be behind; then it is dropped, and comes back by itself."""

_editions = itertools.count()

_log = logging.getLogger("metasearch.web")


@dataclass(frozen=True, eq=False)
class News:
    """What is new in one campaign: one object for all who watch it."""

    seq: int
    """Of the last event in it."""
    events: tuple[Event, ...]
    """Oldest first."""
    summary: CampaignSummary | None
    """Where the campaign stands, if that has changed."""


@dataclass(eq=False)
class _Viewer:
    run: str
    queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(_BACKLOG))

    def give(self, news: News | None) -> None:
        """Tell it; or with nothing, or if it is too slow, let it go."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            news = None
        self.queue.put_nowait(news)


class Feed:
    """Follows campaigns for as long as anybody watches them."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._viewers: set[_Viewer] = set()
        self._seen: dict[str, int] = {}
        self._told: dict[str, tuple[int, str]] = {}
        self._editions: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def edition(self, run: str) -> int | None:
        """Which news of a campaign are the latest; ``None`` if nobody watches it."""
        return self._editions.get(run)

    @property
    def full(self) -> bool:
        """Whether nobody else can watch."""
        return len(self._viewers) >= MOST_VIEWERS

    async def follow(self, run: str, after: int) -> AsyncIterator[News]:
        """What happens in a campaign after an event, without a gap and without repeats.

        Ends when the campaign is gone, or when the viewer is too slow.
        """
        viewer = _Viewer(run)
        self._viewers.add(viewer)
        try:
            # What is missed until the viewer's place in the feed is read here.
            while True:
                missed = await run_in_threadpool(self._missed, run, after)
                if missed.events:
                    after = missed.seq
                yield missed
                if len(missed.events) < MOST_EVENTS:
                    break
            self._seen.setdefault(run, after)
            self._editions.setdefault(run, next(_editions))
            if self._task is None:
                self._task = asyncio.create_task(self._watch())
            while (news := await viewer.queue.get()) is not None:
                if news.events and news.events[0].seq <= after:  # just joined
                    new = tuple(event for event in news.events if event.seq > after)
                    news = replace(news, events=new)
                after = max(after, news.seq)
                if _says(news):
                    yield news
        finally:
            self._viewers.discard(viewer)

    def end(self) -> None:
        """Let all viewers go, because the server ends; they come back when it does."""
        for viewer in self._viewers:
            viewer.give(None)

    async def _watch(self) -> None:
        try:
            while self._viewers:
                watched = {viewer.run for viewer in self._viewers}
                for run in self._seen.keys() - watched:
                    self._forget(run)
                for run, news in (await run_in_threadpool(self._look, watched)).items():
                    self._tell(run, news)
                await asyncio.sleep(max(INTERVAL, len(self._viewers) / VIEWERS_PER_SECOND))
        except Exception:
            _log.exception("The feed has failed; viewers will come back and start it again.")
            for run in {viewer.run for viewer in self._viewers}:
                self._tell(run, None)
        finally:
            for run in [*self._seen]:
                self._forget(run)
            self._task = None

    def _forget(self, run: str) -> None:
        for known in (self._seen, self._told, self._editions):
            known.pop(run, None)

    def _tell(self, run: str, news: News | None) -> None:
        self._editions[run] = next(_editions)
        for viewer in self._viewers:
            if viewer.run == run:
                viewer.give(news)

    def _missed(self, run: str, after: int) -> News:
        with self._readers.reader() as archive:
            found = archive.campaign(run)
            events = tuple(found.events(after, MOST_EVENTS))
            return News(events[-1].seq if events else after, events, found.summary())

    def _look(self, watched: set[str]) -> dict[str, News | None]:
        """News of the watched campaigns; ``None`` of one that is gone."""
        try:
            with self._readers.reader() as archive:
                looked = {run: self._look_at(archive, run) for run in watched & self._seen.keys()}
        except ArchiveError as error:
            _log.error("%s", error)
            return dict.fromkeys(watched)
        return {run: news for run, news in looked.items() if news is None or _says(news)}

    def _look_at(self, archive: Archive, run: str) -> News | None:
        try:
            found = archive.campaign(run)
        except UsageError:
            return None
        version = found.version()
        first = self._told.setdefault(run, version)
        if first == version and self._seen[run] >= version[0]:
            return News(self._seen[run], (), None)
        self._told[run] = version
        events = tuple(found.events(self._seen[run], MOST_EVENTS))
        if events:
            self._seen[run] = events[-1].seq
        if len(events) == MOST_EVENTS:
            del self._told[run]  # there is more
        return News(self._seen[run], events, found.summary())


def _says(news: News) -> bool:
    return bool(news.events) or news.summary is not None
