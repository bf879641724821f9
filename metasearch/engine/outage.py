"""Outages: something outside that the engine needs is away, and the campaign waits for it."""

from __future__ import annotations

import time

from metasearch.archive import CampaignArchive
from metasearch.engine.observer import Observer
from metasearch.errors import MetasearchError

FIRST_WAIT = 1.0
"""Seconds before the first new try."""
LONGEST_WAIT = 30.0
"""Seconds between two tries, at most."""


class Outage:
    """What the campaign waits for, and how long until the next try.

    The waits grow with the time that something has been away already. Beginning and end are
    facts in the archive, so that whoever looks at the campaign sees what it waits for.
    """

    def __init__(self, archive: CampaignArchive, observer: Observer) -> None:
        self._archive = archive
        self._observer = observer
        self._since: dict[type[MetasearchError], float] = {}

    @property
    def lasts(self) -> bool:
        """Whether the campaign is waiting for anything."""
        return bool(self._since)

    def seconds_to_next_try(self, error: MetasearchError) -> float:
        """Note a failed try; how long to wait before the next one."""
        kind, now = type(error), time.monotonic()
        if kind not in self._since:
            self._since[kind] = now
            self._archive.pause(str(error))
            self._observer.notice(
                f"Waiting: {error} What was under way keeps its place, nothing is lost, and the "
                "campaign goes on by itself once this is mended."
            )
        return min(LONGEST_WAIT, max(FIRST_WAIT, (now - self._since[kind]) / 2))

    def over(self, kind: type[MetasearchError]) -> None:
        """A try has succeeded, so what raised these errors is there again."""
        since = self._since.pop(kind, None)
        if since is not None:
            if not self.lasts:
                self._archive.reopen()
            self._observer.notice(f"Going on, after waiting {time.monotonic() - since:.0f} s.")
