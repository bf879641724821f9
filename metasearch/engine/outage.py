"""Outages: something outside is away, or a person has paused the campaign, and it waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from metasearch.archive import CampaignArchive
from metasearch.engine.gate import Gate
from metasearch.engine.observer import Observer
from metasearch.errors import MetasearchError, ModelUnavailable, SandboxUnavailable

FIRST_WAIT = 1.0
"""Seconds before the first new try."""
LONGEST_WAIT = 30.0
"""Seconds between two tries, at most."""

T = TypeVar("T")
Kind = type[MetasearchError]


class Outage:
    """What the campaign waits for: sandboxes, models, a person, or nothing.

    The waits grow with the time that something has been away already. Beginning and end are
    facts in the archive, so that whoever looks at the campaign sees what it waits for.
    """

    def __init__(self, archive: CampaignArchive, gate: Gate, observer: Observer) -> None:
        self._archive = archive
        self._gate = gate
        self._observer = observer
        self._since: dict[Kind, float] = {}
        self._reasons: dict[Kind, str] = {}
        self._held = ""
        self._waiting: Counter[Kind] = Counter()

    @property
    def lasts(self) -> bool:
        """Whether the campaign is waiting for anything."""
        return bool(self._since) or self.held

    @property
    def held(self) -> bool:
        """Whether a person has paused it."""
        return bool(self._held)

    def hold(self, reason: str) -> None:
        """Pause: an outage that a person ends."""
        self._held = reason
        self._record()
        self._observer.notice(
            f"The campaign is {reason}. What is being evaluated is finished, nothing new is "
            "opened or asked; 'metasearch continue' goes on."
        )

    def release(self) -> None:
        """End the pause."""
        self._held = ""
        self._record()
        self._observer.notice("Going on after the pause.")

    async def wait_for_release(self) -> None:
        """Return once no person holds the campaign back.

        Raises:
            Parked: The engine stops in the meantime.
        """
        while self.held:
            await self._gate.change()

    def _record(self) -> None:
        """Tell in the archive what the campaign waits for now."""
        if self.held:
            self._archive.hold_back(self._held)
        elif self._since:
            self._archive.pause(self._reasons[next(iter(self._since))])
        else:
            self._archive.reopen()

    async def sit_out(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of an attempt, repeated while what it needs is away.

        Raises:
            Parked: The engine stops in the meantime.
        """
        met: set[Kind] = set()
        try:
            while True:
                try:
                    result = await attempt()
                except (SandboxUnavailable, ModelUnavailable) as error:
                    self._waiting.update({type(error)} - met)
                    met.add(type(error))
                    await self._gate.pause(self._seconds_to_next_try(error))
                else:
                    for kind in met:
                        self._over(kind)
                    return result
        finally:
            for kind in met:
                self._waiting[kind] -= 1
                # Nobody is left who would find out. An engine that stops does not go on.
                if not self._waiting[kind] and not self._gate.closed:
                    self._over(kind)

    def _seconds_to_next_try(self, error: MetasearchError) -> float:
        kind, now = type(error), time.monotonic()
        if kind not in self._since:
            self._since[kind], self._reasons[kind] = now, str(error)
            self._record()
            self._observer.notice(
                f"Waiting: {error} What was under way keeps its place, nothing is lost, and the "
                "campaign goes on by itself once this is mended."
            )
        return min(LONGEST_WAIT, max(FIRST_WAIT, (now - self._since[kind]) / 2))

    def _over(self, kind: Kind) -> None:
        since = self._since.pop(kind, None)
        if since is not None:
            if not self.lasts:
                self._archive.reopen()
            self._observer.notice(f"Going on, after waiting {time.monotonic() - since:.0f} s.")
