"""One campaign's candidates and events as people browse them: filtered, sorted, in pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, NamedTuple

from metasearch.archive.core import NOW
from metasearch.archive.facts import Event, State
from metasearch.archive.journal import Journal
from metasearch.archive.lease import holder, state_of
from metasearch.archive.mapping import as_event
from metasearch.archive.queries import CANDIDATES, Queries
from metasearch.candidate import Candidate
from metasearch.exchange import Exchange

Column = Literal["number", "step", "length", "island", "operator", "model", "outcome"]
Comparison = Literal["<", "<=", "=", ">=", ">"]
CandidateOrder = Literal["newest", "oldest", "best", "worst"]
"""What a list of candidates may be sorted by: each has an index."""


class OfColumn(NamedTuple):
    """A candidate's own property compares so with a value; ``None`` stands for none."""

    column: Column
    comparison: Comparison
    value: str | float | None


class OfNumbers(NamedTuple):
    """It is one of these."""

    numbers: tuple[int, ...]


class OfMetric(NamedTuple):
    """One of its scores compares so with a value."""

    metric: str
    comparison: Comparison
    value: float


class OfText(NamedTuple):
    """Its name, thought or error has this text in it, in capitals or not."""

    text: str


class OfParent(NamedTuple):
    """It was made from this candidate, and perhaps from others."""

    number: int


class Term(NamedTuple):
    """One condition on candidates."""

    condition: OfColumn | OfNumbers | OfMetric | OfText | OfParent
    negated: bool = False


class ListedCandidate(NamedTuple):
    """A candidate, with what a list shows besides."""

    candidate: Candidate
    at: float | None
    """Unix time of its last fact."""
    usd: float | None
    """Of the calls that led to it and of those that it made; ``None`` if a price is unknown."""
    change: float | None
    """First objective minus its main parent's."""


class CandidatePage(NamedTuple):
    """A part of the list."""

    candidates: tuple[ListedCandidate, ...]
    following: tuple[float, int] | None
    """``after`` of the next page, if there may be one. With a filter it may be there although
    this page is not full: then :data:`SCANNED` candidates were looked at."""


class EventPage(NamedTuple):
    """A part of what happened."""

    events: tuple[Event, ...]
    """Newest first."""
    following: int | None
    """``before`` of the next page, if there may be one, even if this one is not full."""


_BY: dict[CandidateOrder, tuple[str, str]] = {
    "newest": ("c.number < :number", "c.number DESC"),
    "oldest": ("c.number > :number", "c.number"),
    "best": (
        "c.gain <= :gain AND (c.gain < :gain OR c.number > :number)",
        "c.gain DESC, c.number",
    ),
    "worst": (
        "c.gain >= :gain AND (c.gain > :gain OR c.number < :number)",
        "c.gain, c.number DESC",
    ),
}
_START: dict[CandidateOrder, tuple[float, int]] = {
    "newest": (0.0, NOW),
    "oldest": (0.0, -1),
    "best": (float("inf"), -1),
    "worst": (float("-inf"), NOW),
}
SCANNED = 15_000
"""Candidates that one page with a filter looks at: the next page goes on from there."""

SCANNED_EVENTS = 50_000
"""Likewise of events."""

_SCAN = """
{candidates} c.number IN (SELECT number FROM candidate AS c
    WHERE c.campaign = :campaign AND {place} ORDER BY {by} LIMIT :scanned)
AND {terms} ORDER BY {by} LIMIT :limit
"""
_SCAN_END = """
SELECT coalesce(c.gain, 0.0), c.number FROM candidate AS c
WHERE c.campaign = :campaign AND {place} ORDER BY {by} LIMIT 1 OFFSET :scanned - 1
"""
_TEXT = """
(c.name LIKE {text} ESCAPE '\\' OR c.thought LIKE {text} ESCAPE '\\'
    OR c.rejection LIKE {text} ESCAPE '\\' OR EXISTS (
        SELECT 1 FROM evaluation AS e WHERE e.campaign = c.campaign AND e.seq = c.seq
        AND e.error LIKE {text} ESCAPE '\\'))
"""
_NUMBERS = "c.number IN (SELECT value FROM json_each({numbers}))"
_METRIC = """
EXISTS (SELECT 1 FROM score WHERE score.campaign = c.campaign AND score.seq = c.seq
    AND counts AND metric = {metric} AND value {comparison} {value})
"""
_PARENT = """
EXISTS (SELECT 1 FROM lineage WHERE lineage.campaign = c.campaign AND child = c.number
    AND parent = {number})
"""
_BESIDES = """
SELECT c.number, e.at, c.gain - p.gain AS change, (
    SELECT CASE WHEN count(*) = count(usd) THEN total(usd) END FROM exchange AS x
    WHERE x.campaign = c.campaign AND x.step = c.step AND state <> 'pending'
    AND (asker = c.number OR asker = -1 AND x.asked < c.queued AND x.asked > coalesce((
        SELECT max(queued) FROM candidate AS last WHERE last.campaign = c.campaign
        AND last.step = c.step AND last.queued < c.queued), 0))) AS usd
FROM candidate AS c LEFT JOIN event AS e ON e.campaign = c.campaign AND e.seq = c.seq
    LEFT JOIN lineage AS l ON l.campaign = c.campaign AND l.child = c.number AND l.position = 0
    LEFT JOIN candidate AS p ON p.campaign = c.campaign AND p.number = l.parent
WHERE c.campaign = ? AND c.number IN (SELECT value FROM json_each(?))
"""
_EVENTS = """
SELECT * FROM event WHERE campaign = :campaign AND seq < :before AND seq >= :since
    AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
ORDER BY seq DESC LIMIT :limit
"""
_LEASE = "SELECT * FROM lease WHERE campaign = ?"
_SIZES = """
SELECT f.path, b.size FROM candidate_file AS f JOIN blob AS b ON b.digest = f.blob
WHERE f.campaign = ? AND f.candidate = ? ORDER BY f.position
"""
_CALLS = """
SELECT {what} FROM candidate JOIN exchange USING (campaign, step)
WHERE candidate.campaign = ? AND candidate.number = ?
    AND (asker = candidate.number OR asker = -1 AND exchange.asked < candidate.queued)
"""
_ASKING = "SELECT count(*) FROM exchange WHERE campaign = ? AND state = 'pending'"
_COUNT = _CALLS.format(what="count(*)")
_CONVERSATION = (
    _CALLS.format(what="exchange.*") + "ORDER BY asker, call, generation LIMIT ? OFFSET ?"
)


class Browsing(Journal, Queries):
    """What people look at in one campaign, to read."""

    def version(self) -> tuple[int, State]:
        """Number of its latest fact, and its state: while both stay, so does what there is."""
        with self._database.reading() as connection:
            progress = self._progress(connection)
            lease = connection.execute(_LEASE, (self._campaign,)).fetchone()
        return progress["seq"], state_of(progress, lease, alive=holder(lease) is not None)

    def browse(
        self,
        terms: Sequence[Term] = (),
        order: CandidateOrder = "newest",
        after: tuple[float, int] | None = None,
        limit: int = 100,
    ) -> CandidatePage:
        """Candidates that meet all terms.

        Args:
            terms: What they must meet.
            order: Best and worst go by the first objective, and leave out what has none.
            after: Gain and number of the one that the page before ended with.
            limit: So many at most.
        """
        gain, number = after or _START[order]
        place, by = _BY[order]
        parameters: dict[str, str | float | None] = {"gain": gain, "number": number}
        parameters |= {"limit": limit + 1, "scanned": SCANNED}
        conditions = ["true"]
        for term in terms:
            text = self._condition(term, parameters)
            text = f"NOT coalesce({text}, 0)" if term.negated else text
            if _is_of_number(term):
                place += f" AND {text}"  # an index finds these: they need no scan
            else:
                conditions.append(text)
        start = {"campaign": self._campaign, **parameters}
        if terms:
            query = _SCAN.format(
                candidates=CANDIDATES, place=place, by=by, terms=" AND ".join(conditions)
            )
        else:
            query = f"{CANDIDATES} {place} ORDER BY {by} LIMIT :limit"
        with self._database.reading() as connection:
            found = self._candidates(query, **parameters)
            shown = found[:limit]
            following = None
            if len(found) > limit:
                following = self._place(shown[-1])
            elif terms:
                end = connection.execute(_SCAN_END.format(place=place, by=by), start).fetchone()
                following = None if end is None else (end[0], end[1])
        return CandidatePage(tuple(self._with_more(shown)), following)

    def events_before(
        self, before: int = NOW, kinds: Sequence[str] = (), limit: int = 100
    ) -> EventPage:
        """What happened before a fact; of some kinds only, if any are named."""
        with self._database.reading() as connection:
            before = min(before, self._progress(connection)["seq"] + 1)
            since = max(1, before - SCANNED_EVENTS)
            parameters = {
                "campaign": self._campaign,
                "before": before,
                "since": since,
                "kinds": json.dumps(list(kinds)) if kinds else None,
                "limit": limit,
            }
            rows = connection.execute(_EVENTS, parameters).fetchall()
        events = tuple(as_event(row) for row in rows)
        end = events[-1].seq if len(events) == limit else since
        return EventPage(events, end if end > 1 else None)

    def file_sizes(self, number: int) -> dict[str, int]:
        """Bytes of each file of a candidate's program; empty if it has none."""
        with self._database.reading() as connection:
            rows = connection.execute(_SIZES, (self._campaign, number)).fetchall()
        return dict(rows)

    def asking(self) -> int:
        """How many model calls are under way, or were when the engine died."""
        with self._database.reading() as connection:
            row = connection.execute(_ASKING, (self._campaign,)).fetchone()
        return int(row[0])

    def call_count(self, number: int) -> int:
        """How many model calls led to a candidate, or were made by it."""
        with self._database.reading() as connection:
            row = connection.execute(_COUNT, (self._campaign, number)).fetchone()
        return int(row[0])

    def conversation(self, number: int, after: int, limit: int) -> list[Exchange]:
        """The calls that led to a candidate and then its own, from the ``after``-th on."""
        key = (self._campaign, number, limit, after)
        with self._database.reading() as connection:
            rows = connection.execute(_CONVERSATION, key).fetchall()
            return [self._exchange(connection, row) for row in rows]

    def _place(self, candidate: Candidate) -> tuple[float, int]:
        objective = self._identity.objective
        if objective is None:
            return 0.0, candidate.number
        return objective.gain(candidate.scores.get(objective.name, 0.0)), candidate.number

    def _with_more(self, candidates: Sequence[Candidate]) -> list[ListedCandidate]:
        numbers = json.dumps([candidate.number for candidate in candidates])
        with self._database.reading() as connection:
            rows = connection.execute(_BESIDES, (self._campaign, numbers)).fetchall()
        more = {row["number"]: row for row in rows}
        found, objective = [], self._identity.objective
        for candidate in candidates:
            row = more[candidate.number]
            change = row["change"]
            if change is not None and objective is not None:
                change = objective.gain(change)
            found.append(ListedCandidate(candidate, row["at"], row["usd"], change))
        return found

    def _condition(self, term: Term, parameters: dict[str, str | float | None]) -> str:
        """The term as SQL; its values are added to the parameters."""

        def bound(value: str | float | None) -> str:
            name = f"p{len(parameters)}"
            parameters[name] = value
            return f":{name}"

        match term.condition:
            case OfColumn("outcome", _, None):
                return "c.outcome IS NULL"
            case OfColumn(column, comparison, value):
                return f"c.{column} {comparison} {bound(value)}"
            case OfNumbers(numbers):
                return _NUMBERS.format(numbers=bound(json.dumps(numbers)))
            case OfMetric(metric, comparison, value):
                return _METRIC.format(
                    metric=bound(metric), comparison=comparison, value=bound(value)
                )
            case OfText(text):
                escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                place = bound(f"%{escaped}%")
                return _TEXT.format(text=place)
            case OfParent(number):
                return _PARENT.format(number=bound(number))


def _is_of_number(term: Term) -> bool:
    condition = term.condition
    return isinstance(condition, OfNumbers) or (
        isinstance(condition, OfColumn) and condition.column == "number"
    )
