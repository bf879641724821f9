"""A campaign's settled candidates as columns: what pictures are drawn from."""

# ruff: noqa: S608 - the queries are put together from constants of this file

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from metasearch.archive.queries import Queries

_COLUMNS = """
SELECT c.seq, c.number, c.outcome, c.gain, c.operator, c.model, c.island, l.parent
FROM candidate AS c {index}
    LEFT JOIN lineage AS l ON l.campaign = c.campaign AND l.child = c.number AND l.position = 0
WHERE c.campaign = ? AND
"""
_SETTLED = (
    _COLUMNS.format(index="INDEXED BY candidate_settled")
    + "c.outcome IS NOT NULL AND c.seq > ? ORDER BY c.seq LIMIT ?"
)
# The plus keeps the planner from going through all candidates.
_CHOSEN = (
    _COLUMNS.format(index="")
    + "+c.outcome IS NOT NULL AND c.number IN (SELECT value FROM json_each(?)) ORDER BY c.seq"
)
_TIMES = """
SELECT seq, at FROM event WHERE campaign = ? AND seq > ? AND seq <= ? AND kind = 'settled'
"""
_SPENT = """
SELECT seq, usd, input_tokens + output_tokens FROM exchange INDEXED BY exchange_seq
WHERE campaign = ? AND seq > ? AND seq <= ? AND state <> 'pending' ORDER BY seq
"""
_VALUES = """
SELECT seq, value FROM score
WHERE campaign = ? AND seq > ? AND seq <= ? AND metric = ? AND counts ORDER BY seq
"""
_TIMES_OF = """
SELECT seq, at FROM event WHERE campaign = ? AND seq IN (SELECT value FROM json_each(?))
"""
_VALUES_OF = """
SELECT seq, value FROM score
WHERE campaign = ? AND seq IN (SELECT value FROM json_each(?)) AND metric = ? AND counts
"""


class Settled(NamedTuple):
    """Candidates in the order in which they were settled; the columns are equally long."""

    seqs: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    gains: tuple[float | None, ...] = ()
    """First objective, turned so that larger is better; ``None`` if it has no score that
    compares."""
    operators: tuple[str, ...] = ()
    models: tuple[str | None, ...] = ()
    islands: tuple[int | None, ...] = ()
    parents: tuple[int | None, ...] = ()
    """The main ones."""


class Sample(NamedTuple):
    """Some of the settled candidates, chosen evenly by number, and those that became the best."""

    settled: Settled
    best: frozenset[int]
    """Numbers of those that became the best when they were settled."""
    every: int
    """1 if all are there, n if every n-th is."""


class Spent(NamedTuple):
    """Model calls in the order in which they ended; the columns are equally long."""

    seqs: tuple[int, ...] = ()
    usd: tuple[float | None, ...] = ()
    tokens: tuple[int, ...] = ()


class Columns(Queries):
    """One campaign in columns, to read from any place in the order of facts on."""

    def settled(self, after_seq: int = 0, limit: int = 1_000_000) -> Settled:
        """Candidates that were settled after a fact."""
        return Settled(*self._columns(_SETTLED, after_seq, limit))

    def sample(self, size: int) -> Sample:
        """About so many of them, which takes as long in a large campaign as in a small one.

        If more than that became the best, some of those are left out as well.
        """
        with self._database.reading() as connection:
            count = self._progress(connection)["candidates"]
            best = [point.candidate for point in self.curve()]
            best = best[:: -(-len(best) // size) or 1] + best[-1:]
            every = -(-count // size) or 1
            numbers = json.dumps([*range(0, count, every), *best])
            return Sample(Settled(*self._columns(_CHOSEN, numbers)), frozenset(best), every)

    def times(self, after_seq: int, until_seq: int) -> dict[int, float]:
        """Unix time of candidates settled after one fact and not after another, by their facts."""
        key = (self._campaign, after_seq, until_seq)
        with self._database.reading() as connection:
            return dict(connection.execute(_TIMES, key).fetchall())

    def spent(self, after_seq: int, until_seq: int) -> Spent:
        """Model calls that ended after one fact and not after another."""
        return Spent(*self._columns(_SPENT, after_seq, until_seq))

    def values(self, metric: str, after_seq: int, until_seq: int) -> dict[int, float]:
        """A metric of candidates settled after one fact and not after another, by their facts."""
        key = (self._campaign, after_seq, until_seq, metric)
        with self._database.reading() as connection:
            return dict(connection.execute(_VALUES, key).fetchall())

    def times_of(self, seqs: Sequence[int]) -> dict[int, float]:
        """Unix time of some facts, by their number."""
        with self._database.reading() as connection:
            return dict(connection.execute(_TIMES_OF, (self._campaign, json.dumps(seqs))))

    def values_of(self, metric: str, seqs: Sequence[int]) -> dict[int, float]:
        """A metric of those candidates that were settled by these facts."""
        key = (self._campaign, json.dumps(seqs), metric)
        with self._database.reading() as connection:
            return dict(connection.execute(_VALUES_OF, key))

    def _columns(self, query: str, *parameters: int | str) -> list[tuple[Any, ...]]:
        with self._database.reading() as connection:
            cursor = connection.cursor()
            cursor.row_factory = None  # plain tuples: there may be a hundred thousand
            return list(zip(*cursor.execute(query, (self._campaign, *parameters)), strict=True))
