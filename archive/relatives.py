"""What a candidate comes from, what came of it, and what was recorded about it."""

# ruff: noqa: S608 - the queries are put together from constants of this file

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from metasearch.archive.queries import CANDIDATES, Queries
from metasearch.candidate import Candidate
from metasearch.facts import Idea, Kind, Origin, Recorded

SCANNED = 5_000
"""Relatives, the nearest or latest, that one question looks at."""

SCANNED_FACTS = 1_000
"""Facts of one kind, the first ones after a candidate was proposed, likewise."""

_ANCESTORS = (
    CANDIDATES
    + """c.number IN (
    WITH RECURSIVE line(number) AS (
        VALUES (:number)
        UNION ALL
        SELECT parent FROM line JOIN lineage
        ON lineage.campaign = :campaign AND child = line.number AND position = 0
        -- A parent is older than its child; a file from elsewhere may claim a circle.
        WHERE parent < line.number
        LIMIT :limit
    )
    SELECT number FROM line
) ORDER BY c.number DESC"""
)
# CROSS JOIN: from the few relatives to their rows, not through all candidates.
_CHILDREN = (
    CANDIDATES
    + """c.number IN (
    SELECT k.number FROM (
        SELECT child FROM lineage WHERE campaign = :campaign AND parent = :number
        ORDER BY child DESC LIMIT :scanned
    ) CROSS JOIN candidate AS k ON k.campaign = :campaign AND k.number = child
    ORDER BY k.gain IS NULL, k.gain DESC, k.number DESC LIMIT :limit
) ORDER BY c.gain IS NULL, c.gain DESC, c.number DESC"""
)
_DESCENDANTS = """
WITH RECURSIVE down(number) AS (
    SELECT child FROM lineage WHERE campaign = :campaign AND parent = :number AND child > parent
    UNION
    SELECT child FROM down JOIN lineage
    ON lineage.campaign = :campaign AND parent = down.number AND child > parent
    LIMIT :scanned
)
SELECT c.number, c.gain
FROM down CROSS JOIN candidate AS c ON c.campaign = :campaign AND c.number = down.number
"""
_ABOUT = """
SELECT * FROM fact WHERE campaign = ? AND seq IN (
    SELECT seq FROM fact INDEXED BY fact_kind WHERE campaign = ? AND kind = ? AND seq > {since}
    ORDER BY seq LIMIT ?
) AND {names} ORDER BY seq LIMIT ?
"""
_PROPOSED = "(SELECT queued FROM candidate WHERE campaign = ? AND number = ?)"
_IN_LIST = "EXISTS (SELECT 1 FROM json_each(body, '$.{field}') WHERE value = ?)"
_NAMING: dict[Kind, str] = {
    "origin": "json_extract(body, '$.candidate') = ?",
    "value": "json_extract(body, '$.candidate') = ?",
    "match": "json_extract(body, '$.between') = 'candidates' AND "
    + _IN_LIST.format(field="contestants"),
    "insight": _IN_LIST.format(field="evidence"),
    "idea": _IN_LIST.format(field="candidates"),
}
_NAMED = {
    kind: _ABOUT.format(since=_PROPOSED, names=condition) for kind, condition in _NAMING.items()
}
_REVIEWS = _ABOUT.format(since="?", names="json_extract(body, '$.idea') = ?")
_CHOICES = """
SELECT * FROM fact WHERE campaign = ? AND step = ? AND kind = 'selection'
ORDER BY position LIMIT ?
"""


class Descent(NamedTuple):
    """All that came of a candidate."""

    total: int
    best: Candidate | None
    """By the first objective, among its descendants."""
    complete: bool
    """False if there are more than were looked at."""


class Background(NamedTuple):
    """What a campaign has recorded about one candidate, besides how it was measured."""

    choices: tuple[Recorded, ...] = ()
    """What its step chose to work on."""
    ideas: tuple[Recorded, ...] = ()
    """That it implements."""
    reviews: tuple[Recorded, ...] = ()
    """Of those ideas."""
    insights: tuple[Recorded, ...] = ()
    """That its prompt showed."""
    values: tuple[Recorded, ...] = ()
    """A model's estimates of it."""
    matches: tuple[Recorded, ...] = ()
    """With other candidates."""
    learnt: tuple[Recorded, ...] = ()
    """Insights that it speaks for."""
    built_on: tuple[Recorded, ...] = ()
    """Ideas that build on it."""


class Relatives(Queries):
    """Questions about one candidate of a campaign and those around it."""

    def ancestors(self, number: int, limit: int) -> list[Candidate]:
        """A candidate, its main parent, and so on: so many at most, the nearest first."""
        return self._candidates(_ANCESTORS, number=number, limit=limit)

    def best_children(self, number: int, limit: int) -> list[Candidate]:
        """Candidates made from this one, the best first, those without a score last."""
        return self._candidates(_CHILDREN, number=number, limit=limit, scanned=SCANNED)

    def descent(self, number: int) -> Descent:
        """How many candidates descend from this one, and which of them is the best."""
        parameters = {"campaign": self._campaign, "number": number, "scanned": SCANNED}
        with self._database.reading() as connection:
            found = connection.execute(_DESCENDANTS, parameters).fetchall()
        scored = [(gain, -child) for child, gain in found if gain is not None]
        best = self.candidate(-max(scored)[1]) if scored else None
        return Descent(len(found), best, complete=len(found) < SCANNED)

    def background(self, candidate: Candidate, limit: int = 20) -> Background:
        """What was recorded about a candidate.

        Args:
            candidate: Which one.
            limit: Facts of each kind.
        """
        named = {kind: self._naming(kind, candidate.number, limit) for kind in _NAMING}
        origins = [found.fact for found in named["origin"] if isinstance(found.fact, Origin)]
        ideas = self._numbered((n for origin in origins for n in origin.ideas), limit)
        return Background(
            choices=tuple(self._recorded(_CHOICES, candidate.step, limit)),
            ideas=ideas,
            reviews=tuple(
                review
                for idea in ideas
                if isinstance(idea.fact, Idea)
                for review in self._reviews(idea, limit)
            ),
            insights=self._numbered((n for origin in origins for n in origin.insights), limit),
            values=tuple(named["value"]),
            matches=tuple(named["match"]),
            learnt=tuple(named["insight"]),
            built_on=tuple(named["idea"]),
        )

    def _naming(self, kind: Kind, number: int, limit: int) -> list[Recorded]:
        place = (self._campaign, kind, self._campaign, number)
        return self._recorded(_NAMED[kind], *place, SCANNED_FACTS, number, limit)

    def _reviews(self, idea: Recorded, limit: int) -> list[Recorded]:
        place = (self._campaign, "review", idea.seq)
        return self._recorded(_REVIEWS, *place, SCANNED_FACTS, idea.number, limit)

    def _numbered(self, numbers: Iterable[int], limit: int) -> tuple[Recorded, ...]:
        found = []
        for number in list(dict.fromkeys(numbers))[:limit]:
            # A strategy may name what it never recorded.
            with contextlib.suppress(KeyError):
                found.append(self.fact(number))
        return tuple(found)
