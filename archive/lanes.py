"""What is in flight, on which lanes evaluations ran, and what their GPUs did."""

# ruff: noqa: S608 - the queries are put together from constants of this file

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from typing import NamedTuple

from metasearch.archive.core import NOW, SHORT_TEXT, Core, stored_text
from metasearch.archive.lease import holder
from metasearch.archive.mapping import asker_of
from metasearch.candidate import DeviceUse, Outcome, Place

MOST = 1000
"""Calls and candidates in flight that are listed."""

_PLACE = """
INSERT INTO placement (campaign, seq, candidate, lane, lanes, devices) VALUES (?, ?, ?, ?, ?, ?)
"""
_STEP = "SELECT step FROM candidate WHERE campaign = ? AND number = ?"
_SAMPLE = """
INSERT OR REPLACE INTO device_sample (campaign, at, uuid, name, busy, memory, total)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
# An evaluation ends with its result, unless the candidate was placed once more before.
_PLACED = """
SELECT p.*, begun.at AS begun, done.outcome, ended.at AS ended
FROM placement AS p
    JOIN event AS begun ON begun.campaign = p.campaign AND begun.seq = p.seq
    LEFT JOIN evaluation AS done ON done.campaign = p.campaign AND done.seq = (
        SELECT min(seq) FROM evaluation INDEXED BY evaluation_candidate
        WHERE campaign = p.campaign AND candidate = p.candidate AND seq > p.seq
    ) AND done.seq < coalesce((
        SELECT min(seq) FROM placement INDEXED BY placement_candidate
        WHERE campaign = p.campaign AND candidate = p.candidate AND seq > p.seq
    ), :now)
    LEFT JOIN event AS ended ON ended.campaign = p.campaign AND ended.seq = done.seq
WHERE p.campaign = :campaign
"""
_LATEST = _PLACED + "ORDER BY p.seq DESC LIMIT :limit"
_OF_LANE = _PLACED + (
    "AND p.seq = (SELECT max(seq) FROM placement INDEXED BY placement_lane "
    "WHERE campaign = :campaign AND lane = :lane)"
)
_OF_CANDIDATE = _PLACED + (
    "AND p.seq = (SELECT max(seq) FROM placement INDEXED BY placement_candidate "
    "WHERE campaign = :campaign AND candidate = :candidate)"
)
_LANES = "SELECT lanes FROM placement WHERE campaign = ? ORDER BY seq DESC LIMIT 1"
_LEASE = "SELECT * FROM lease WHERE campaign = ?"
_STARTED = """
SELECT 1 FROM event INDEXED BY event_started
WHERE campaign = ? AND kind = 'started' AND seq > ? LIMIT 1
"""
_AGAIN = "SELECT 1 FROM placement WHERE campaign = ? AND candidate = ? AND seq > ? LIMIT 1"
# INDEXED BY: without statistics SQLite prefers to read the whole campaign.
_CALLS = """
SELECT e.step, e.asker, e.role, e.model, event.at
FROM exchange AS e INDEXED BY exchange_pending
    JOIN event ON event.campaign = e.campaign AND event.seq = e.asked
WHERE e.campaign = ? AND e.state = 'pending' ORDER BY e.asked LIMIT ?
"""
_QUEUED = """
SELECT c.number, c.step, c.operator, event.at
FROM candidate AS c INDEXED BY candidate_queued
    JOIN event ON event.campaign = c.campaign AND event.seq = c.queued
WHERE c.campaign = ? AND c.outcome IS NULL ORDER BY c.number LIMIT ?
"""
_SAMPLES = """
SELECT at, uuid, name, busy, memory, total FROM device_sample
WHERE campaign = ? AND at > ? ORDER BY at DESC LIMIT ?
"""


class Call(NamedTuple):
    """A model call that is out."""

    step: int
    asker: int | None
    """The candidate that asks while it is evaluated; ``None`` for the step itself."""
    role: str
    model: str
    since: float
    """Unix time in seconds, as all times here."""


class Waiting(NamedTuple):
    """A candidate that waits for a lane."""

    candidate: int
    step: int
    operator: str
    since: float


class Placement(NamedTuple):
    """An evaluation on a lane."""

    candidate: int
    place: Place
    begun: float
    ended: float | None
    """``None`` while it runs, and if it has brought no result."""
    outcome: Outcome | None


class InFlight(NamedTuple):
    """What the engine has under way."""

    lanes: int
    """As many as an engine had when it last began an evaluation; 0 if none ever did."""
    calls: tuple[Call, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    running: tuple[Placement, ...] = ()
    """By lane."""


class DeviceSample(NamedTuple):
    """What a leased GPU did at one moment."""

    at: float
    use: DeviceUse


class Lanes(Core):
    """Lanes and GPUs of one campaign."""

    def place(self, candidate: int, place: Place) -> None:
        """Record that a candidate's evaluation begins, and where."""
        with self._writing() as connection:
            seq = self._advance(connection, facts=1).seq
            (step,) = connection.execute(_STEP, (self._campaign, candidate)).fetchone()
            devices = json.dumps(place.devices)
            row = (self._campaign, seq, candidate, place.lane, place.lanes, devices)
            connection.execute(_PLACE, row)
            detail = stored_text(str(place), SHORT_TEXT)
            self._event(connection, seq, "placed", step=step, candidate=candidate, detail=detail)

    def sample_devices(self, uses: Iterable[DeviceUse]) -> None:
        """Record what leased GPUs do at this moment."""
        at = time.time()
        with self._writing() as connection:
            self._advance(connection)
            for use in uses:
                row = (stored_text(use.uuid, SHORT_TEXT), stored_text(use.name, SHORT_TEXT))
                connection.execute(
                    _SAMPLE, (self._campaign, at, *row, use.busy, use.memory, use.total)
                )

    def in_flight(self) -> InFlight:
        """What the engine has under way: nothing if none is alive."""
        with self._database.reading() as connection:
            lease = connection.execute(_LEASE, (self._campaign,)).fetchone()
            if holder(lease) is None:
                return InFlight(self._lanes(connection))
            calls = connection.execute(_CALLS, (self._campaign, MOST)).fetchall()
            queued = connection.execute(_QUEUED, (self._campaign, MOST)).fetchall()
            lanes = self._lanes(connection)
            running = [
                found
                for lane in range(lanes)
                if (found := self._running(connection, lane)) is not None
            ]
        placed = {each.candidate for each in running}
        return InFlight(
            lanes=lanes,
            calls=tuple(
                Call(row["step"], asker_of(row), row["role"], row["model"], row["at"])
                for row in calls
            ),
            waiting=tuple(Waiting(*row) for row in queued if row["number"] not in placed),
            running=tuple(running),
        )

    def placements(self, limit: int = MOST) -> list[Placement]:
        """The latest evaluations by their beginning, newest first."""
        row = {"campaign": self._campaign, "now": NOW, "limit": limit}
        with self._database.reading() as connection:
            rows = connection.execute(_LATEST, row).fetchall()
        return [_placement(row) for row in rows]

    def placement_of(self, candidate: int) -> Placement | None:
        """Where a candidate was evaluated last; ``None`` if that is not on record."""
        row = {"campaign": self._campaign, "now": NOW, "candidate": candidate}
        with self._database.reading() as connection:
            found = connection.execute(_OF_CANDIDATE, row).fetchone()
        return None if found is None else _placement(found)

    def device_samples(self, since: float, limit: int = MOST) -> list[DeviceSample]:
        """What leased GPUs have done since a time, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_SAMPLES, (self._campaign, since, limit)).fetchall()
        return [DeviceSample(at, DeviceUse(*rest)) for at, *rest in rows]

    def _lanes(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(_LANES, (self._campaign,)).fetchone()
        return 0 if row is None else int(row["lanes"])

    def _running(self, connection: sqlite3.Connection, lane: int) -> Placement | None:
        """What runs on a lane: its latest evaluation, if this engine began it and it goes on."""
        key = {"campaign": self._campaign, "now": NOW, "lane": lane}
        row = connection.execute(_OF_LANE, key).fetchone()
        if row is None or row["ended"] is not None:
            return None
        again = (self._campaign, row["candidate"], row["seq"])
        if connection.execute(_AGAIN, again).fetchone():
            return None
        if connection.execute(_STARTED, (self._campaign, row["seq"])).fetchone():
            return None
        return _placement(row)


def _placement(row: sqlite3.Row) -> Placement:
    outcome = None if row["outcome"] is None else Outcome(row["outcome"])
    place = Place(row["lane"], row["lanes"], tuple(json.loads(row["devices"])))
    return Placement(row["candidate"], place, row["begun"], row["ended"], outcome)
