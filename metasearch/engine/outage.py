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
    """Whether the campaign waits for something to come back, and how long until the next try.

    The waits grow with the time that it has been away already. Beginning and end are facts in
    the archive, so that whoever looks at the campaign sees what it waits for.
    """

    def __init__(self, archive: CampaignArchive, observer: Observer) -> None:
        self._archive = archive
        self._observer = observer
        self._since: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether the campaign is waiting."""
        return self._since is not None

    def seconds_to_next_try(self, error: MetasearchError) -> float:
        """Note a failed try; how long to wait before the next one."""
        if self._since is None:
            self._since = time.monotonic()
            self._archive.pause(str(error))
            self._observer.notice(
                f"Waiting: {error} What was under way keeps its place, nothing is lost, and the "
                "campaign goes on by itself once this is mended."
            )
        return min(LONGEST_WAIT, max(FIRST_WAIT, (time.monotonic() - self._since) / 2))

    def over(self) -> None:
        """A try has succeeded."""
        if self._since is not None:
            waited = time.monotonic() - self._since
            self._since = None
            self._archive.reopen()
            self._observer.notice(f"Going on, after waiting {waited:.0f} s.")
