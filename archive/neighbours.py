"""Which programs are close to which: fingerprints to look programs up by, and duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from metasearch.archive.core import Core
from metasearch.program import Program

_TWIN = "SELECT number FROM candidate WHERE campaign = ? AND digest = ? AND rejection = ''"
_LAST = "SELECT max(candidate) FROM fingerprint WHERE campaign = ? AND kind = ?"
_AFTER = """
SELECT number FROM candidate WHERE campaign = ? AND number > ? AND rejection = '' ORDER BY number
"""
_ADD = "INSERT INTO fingerprint (campaign, kind, candidate, vector) VALUES (?, ?, ?, ?)"
_ADD_KEY = "INSERT OR IGNORE INTO fingerprint_key (campaign, key, candidate) VALUES (?, ?, ?)"
_SHARING = """
SELECT candidate FROM fingerprint_key WHERE campaign = ? AND key = ?
ORDER BY candidate DESC LIMIT ?
"""
_VECTOR = "SELECT vector FROM fingerprint WHERE campaign = ? AND kind = ? AND candidate = ?"
_DUPLICATES = """
SELECT measure, count(*) AS proposals, count(next.number) AS different
FROM duplicate AS d JOIN candidate AS c ON c.campaign = d.campaign AND c.number = d.candidate
LEFT JOIN candidate AS next ON next.campaign = c.campaign AND next.step = c.step
    AND next.call = c.call + 1 AND next.operator = :operator AND next.rejection = ''
WHERE d.campaign = :campaign GROUP BY measure
"""

DIFFER = "differ"
"""The operator of a proposal that answers the request to differ from a duplicate's original."""


class Near(NamedTuple):
    """An earlier candidate that a program is the same as, or nearly."""

    original: int
    measure: str
    """``exact``, ``identity``, ``shingles`` or ``embedding``."""
    similarity: float
    """At most 1."""
    reason: str
    """Why the program is not measured, for the archive and for the model."""


class Duplicates(NamedTuple):
    """How many proposals were not measured because the campaign had the like before."""

    proposals: int
    """All that were made, without the seed."""
    exact: int
    """The very text of an earlier one."""
    near: int
    """So close to an earlier one that the campaign's [novelty] refused them."""
    different: int
    """Those, of either kind, that the model replaced by a new program when it was told."""

    @property
    def saved(self) -> int:
        """Evaluations that were not spent."""
        return self.exact + self.near

    @property
    def rate(self) -> float:
        """Share of all proposals that an evaluation was saved for."""
        return self.saved / self.proposals if self.proposals else 0.0


class Neighbours(Core):
    """The fingerprints and duplicates of one campaign."""

    def twin(self, program: Program) -> Near | None:
        """The candidate that has exactly this program and was not rejected."""
        with self._database.reading() as connection:
            row = connection.execute(
                _TWIN, (self._campaign, bytes.fromhex(program.digest))
            ).fetchone()
        return None if row is None else Near(row[0], "exact", 1.0, f"same program as #{row[0]}")

    def add_fingerprint(
        self, candidate: int, kind: str, keys: Sequence[int], vector: bytes | None = None
    ) -> None:
        """Make a candidate findable by its keys.

        Args:
            candidate: Its number.
            kind: What the keys are made by: what was asked for, by which method.
            keys: Signed 64-bit numbers.
            vector: Its embedding, if that was bought.
        """
        with self._writing() as connection:
            connection.execute(_ADD, (self._campaign, kind, candidate, vector))
            connection.executemany(_ADD_KEY, [(self._campaign, key, candidate) for key in keys])

    def without_fingerprint(self, kind: str) -> Iterator[int]:
        """Candidates that were not rejected and came after the last one that has this kind."""
        with self._database.reading() as connection:
            last = connection.execute(_LAST, (self._campaign, kind)).fetchone()[0]
            after = -1 if last is None else last
            rows = connection.execute(_AFTER, (self._campaign, after)).fetchall()
        return (int(number) for (number,) in rows)

    def sharing(self, keys: Sequence[int], limit: int) -> list[int]:
        """Candidates that share keys, those with the most first, newer ones first on ties.

        Args:
            keys: As given to :meth:`add_fingerprint`.
            limit: Newest candidates looked at for each key: what bounds the cost.
        """
        found: Counter[int] = Counter()
        with self._database.reading() as connection:
            for key in keys:
                rows = connection.execute(_SHARING, (self._campaign, key, limit))
                found.update(number for (number,) in rows)
        return sorted(found, key=lambda number: (-found[number], -number))

    def vector(self, candidate: int, kind: str) -> bytes | None:
        """The embedding that was stored with a fingerprint."""
        with self._database.reading() as connection:
            row = connection.execute(_VECTOR, (self._campaign, kind, candidate)).fetchone()
        return None if row is None else row[0]

    def duplicates(self) -> Duplicates:
        """How many proposals needed no evaluation."""
        with self._database.reading() as connection:
            candidates = self._progress(connection)["candidates"]
            parameters = {"campaign": self._campaign, "operator": DIFFER}
            rows = connection.execute(_DUPLICATES, parameters).fetchall()
        exact = sum(row["proposals"] for row in rows if row["measure"] == "exact")
        return Duplicates(
            proposals=max(0, candidates - 1),
            exact=exact,
            near=sum(row["proposals"] for row in rows) - exact,
            different=sum(row["different"] for row in rows),
        )
