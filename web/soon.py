"""Work that may take longer than a page can wait: it is waited for a moment, and goes on.

The first look at a large campaign after the server's start reads all of it, about a second
for 100,000 candidates; what was read is kept by the stores. A page that would wait for it
says so instead, and asks again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar, cast

from metasearch.archive import CampaignArchive
from metasearch.web.readers import Readers

PATIENCE = 0.05
"""Seconds that a page waits."""

T = TypeVar("T")


class Soon:
    """Runs work on campaigns behind the pages, each piece once at a time."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._pool = ThreadPoolExecutor(2, "metasearch-soon")
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], Future[object]] = {}

    def get(
        self,
        run: CampaignArchive,
        name: str,
        work: Callable[[CampaignArchive], T],
        patience: float = PATIENCE,
    ) -> T | None:
        """What the work gives; ``None`` if it is still under way: ask again.

        Args:
            run: The campaign.
            name: Of the work: the same name for the same work.
            work: Reads a campaign. What it takes long for, it must keep itself.
            patience: Seconds to wait for it.
        """
        key = (run.id, name)
        with self._lock:
            future = self._running.get(key)
            if future is None:
                future = self._running[key] = self._pool.submit(self._do, run.id, work)
        # Whoever comes later begins anew, and finds what was kept: no answer is ever an old one.
        future.add_done_callback(lambda _: self._forget(key))
        try:
            return cast("T", future.result(patience))
        except NotYet:
            if future.done():  # this is the work's own
                raise
            return None

    def close(self) -> None:
        """End; what waits is not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget(self, key: tuple[str, str]) -> None:
        with self._lock:
            found = self._running.get(key)
            if found is not None and found.done():
                del self._running[key]

    def _do(self, run: str, work: Callable[[CampaignArchive], T]) -> T:
        with self._readers.reader() as archive:
            return work(archive.campaign(run))
