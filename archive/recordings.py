"""Facts besides candidates: recording them once, and reading them in their order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter

from metasearch.archive.core import NOW, Core
from metasearch.facts import AnyFact, Fact, Kind, Recorded

_FACT: TypeAdapter[AnyFact] = TypeAdapter(Fact)

_CHUNK = 1000
"""Facts read at once: few round trips, little memory, no long-lived snapshot."""

_ONE = "SELECT * FROM fact WHERE campaign = ? AND number = ?"
_AT = "SELECT * FROM fact WHERE campaign = ? AND step = ? AND position = ?"
_AFTER = "SELECT * FROM fact WHERE campaign = ? AND seq > ? ORDER BY seq LIMIT ?"
_LATEST = "SELECT * FROM fact WHERE campaign = ? AND seq <= ? ORDER BY seq DESC LIMIT ?"
# INDEXED BY: without statistics SQLite prefers to go through the facts of all kinds.
_LATEST_OF_KIND = """
SELECT * FROM fact INDEXED BY fact_kind
WHERE campaign = ? AND kind = ? AND seq <= ? ORDER BY seq DESC LIMIT ?
"""
_NEXT = "SELECT coalesce(max(number), -1) + 1 FROM fact WHERE campaign = ?"
_ADD = """
INSERT INTO fact (campaign, seq, number, step, position, kind, body) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class Recordings(Core):
    """What the strategies of one campaign have recorded."""

    def record(self, step: int, position: int, fact: AnyFact) -> Recorded:
        """Add the ``position``-th fact of a step.

        Args:
            step: The step that records it.
            position: Counts what the step records, from 0.
            fact: What to add.

        Raises:
            ValueError: There is no such step, or it has recorded this one before: see
                :meth:`recorded_at`.
        """
        with self._writing() as connection:
            return self._record(connection, step, position, fact)

    def record_all(self, step: int, facts: Sequence[AnyFact]) -> list[Recorded]:
        """Add the first facts of a step: all of them, or none.

        Raises:
            ValueError: As for :meth:`record`.
        """
        with self._writing() as connection:
            return [self._record(connection, step, n, fact) for n, fact in enumerate(facts)]

    def _record(
        self, connection: sqlite3.Connection, step: int, position: int, fact: AnyFact
    ) -> Recorded:
        seq = self._advance(connection, facts=1).seq
        number = connection.execute(_NEXT, (self._campaign,)).fetchone()[0]
        row = (number, step, position, fact.kind, fact.model_dump_json())
        connection.execute(_ADD, (self._campaign, seq, *row))
        self._event(connection, seq, "recorded", step=step, detail=fact.kind)
        return Recorded(number=number, seq=seq, step=step, position=position, fact=fact)

    def recorded_at(self, step: int, position: int) -> Recorded | None:
        """What a step recorded at this place, if it came that far."""
        found = self._recorded(_AT, step, position)
        return found[0] if found else None

    def fact(self, number: int) -> Recorded:
        """One fact; ``KeyError`` if there is none of this number."""
        found = self._recorded(_ONE, number)
        if not found:
            raise KeyError(f"the campaign {self._identity.id} has no fact {number}")
        return found[0]

    def facts(
        self, kind: Kind | None = None, limit: int = 100, *, until: int = NOW
    ) -> list[Recorded]:
        """The latest ones, of one kind or of all, newest first."""
        if kind is None:
            return self._recorded(_LATEST, until, limit)
        return self._recorded(_LATEST_OF_KIND, kind, until, limit)

    def all_facts(self, after_seq: int = 0) -> Iterator[Recorded]:
        """All that were recorded after a place in the archive's order, in that order."""
        while True:
            chunk = self._recorded(_AFTER, after_seq, _CHUNK)
            yield from chunk
            if len(chunk) < _CHUNK:
                return
            after_seq = chunk[-1].seq

    def _recorded(self, query: str, *parameters: int | str) -> list[Recorded]:
        with self._database.reading() as connection:
            rows = connection.execute(query, (self._campaign, *parameters)).fetchall()
        with self._database.checked():
            return [_as_recorded(row) for row in rows]


def _as_recorded(row: sqlite3.Row) -> Recorded:
    return Recorded(
        number=row["number"],
        seq=row["seq"],
        step=row["step"],
        position=row["position"],
        fact=_FACT.validate_json(row["body"]),
    )
