"""What a campaign's model calls have cost, in groups or one by one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from metasearch.archive.core import Core
from metasearch.archive.mapping import as_usage
from metasearch.exchange import Usage

Grouping = Literal["model", "role", "operator", "pair", "candidate", "call"]
"""``pair``: by operator and model at once; its names are read by :func:`operator_and_model`."""

NO_CANDIDATE = "(no candidate)"
"""Stands for the operator of calls that led to none: lost, failed, or of a step under way."""
OWN_CALLS = "(asked by candidates)"
"""Stands for the operator of calls that candidates made while they were evaluated."""

# A call belongs to the candidate that its step proposed next.
_NEXT = """coalesce((
    SELECT {what} FROM candidate WHERE candidate.campaign = exchange.campaign
    AND candidate.step = exchange.step AND candidate.queued > exchange.asked
    ORDER BY candidate.queued LIMIT 1), :none)"""
_OPERATOR = f"CASE WHEN asker >= 0 THEN :own ELSE {_NEXT.format(what='operator')} END"
_NAMES: dict[Grouping, str] = {
    "model": "model",
    "role": "role",
    "operator": _OPERATOR,
    "pair": f"json_array({_OPERATOR}, model)",
    "candidate": f"""CASE WHEN asker >= 0 THEN '#' || asker
        ELSE {_NEXT.format(what="'#' || number")} END""",
    "call": """'step ' || step || ', call ' || call
        || CASE WHEN asker >= 0 THEN ' of #' || asker ELSE '' END""",
}
_COSTS = """
SELECT {name} AS name, count(*) AS calls, sum(state <> 'answered') AS vain,
    sum(state = 'answered' AND error <> '') AS refused,
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    sum(cached_tokens) AS cached_tokens, sum(cache_write_tokens) AS cache_write_tokens,
    sum(reasoning_tokens) AS reasoning_tokens,
    total(usd) AS usd, count(*) - count(usd) AS unpriced, total(seconds) AS model_seconds,
    total(CASE WHEN state = 'lost' THEN reserved_usd END) AS held_usd,
    sum(state = 'lost' AND reserved_usd IS NULL) AS held_unpriced
FROM exchange {index} WHERE campaign = :campaign AND state <> 'pending' {which}
GROUP BY 1 ORDER BY usd DESC, input_tokens + output_tokens DESC, name
"""
_FIRST_OPEN = """
SELECT min(number) FROM step INDEXED BY step_unfinished WHERE campaign = ? AND ended IS NULL
"""
_CACHED = """
SELECT model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    usd, usd IS NULL AS unpriced, seconds AS model_seconds
FROM exchange WHERE campaign = ? AND (cached_tokens > 0 OR cache_write_tokens > 0)
"""


class Cost(NamedTuple):
    """What the calls of one group have cost together."""

    name: str
    calls: int
    """Failed and lost ones included."""
    vain: int
    """Those that brought no reply: failed, or lost with an engine that died."""
    refused: int
    """Those whose reply did not give the data that it was asked for."""
    usage: Usage
    """What the provider billed; failed attempts included where it billed them."""
    held_usd: float | None
    """Reserved for lost calls, which may have been billed; ``None`` if a price is unknown."""

    def plus(self, other: Cost) -> Cost:
        """Both together, under the same name."""
        unknown = self.held_usd is None or other.held_usd is None
        return Cost(
            name=self.name,
            calls=self.calls + other.calls,
            vain=self.vain + other.vain,
            refused=self.refused + other.refused,
            usage=self.usage + other.usage,
            held_usd=None if unknown else (self.held_usd or 0) + (other.held_usd or 0),
        )


class Tally(NamedTuple):
    """What the calls of a campaign's first steps have cost: it can be brought up to date."""

    groups: tuple[Cost, ...] = ()
    """The dearest first."""
    steps: int = 0
    """All calls of steps before this one are in it. These steps have ended."""
    seq: int = 0
    """The latest fact when it was made."""


class Costs(Core):
    """The bill of one campaign, to read."""

    def costs(self, by: Grouping) -> list[Cost]:
        """The campaign's model calls in groups, the dearest first. Sums to :meth:`usage`."""
        with self._database.reading() as connection:
            return self._costs(connection, by)

    def tally(self, by: Grouping, known: Tally, steps: int) -> tuple[Tally, list[Cost] | None]:
        """The bill, made in parts: what is known of it is brought on by some steps.

        Args:
            by: What is put together.
            known: Begin with an empty one.
            steps: So many at most.

        Returns:
            What is known now; and the whole bill, the same as by :meth:`costs`, if that many
            steps were enough.
        """
        with self._database.reading() as connection:
            progress = self._progress(connection)
            (first,) = connection.execute(_FIRST_OPEN, (self._campaign,)).fetchone()
            ended = progress["steps"] if first is None else first
            before = max(known.steps, min(known.steps + steps, ended))
            groups = [*known.groups]
            if known.steps:  # a candidate may ask for the test split when its step has ended
                late = {"since": known.seq, "before": known.steps}
                groups += self._costs(
                    connection,
                    by,
                    "AND seq > :since AND step < :before",
                    "INDEXED BY exchange_seq",
                    **late,
                )
            place = {"since": known.steps, "before": before}
            groups += self._costs(connection, by, "AND step >= :since AND step < :before", **place)
            tally = Tally(tuple(_added_up(groups)), before, progress["seq"])
            if before < ended:
                return tally, None
            rest = self._costs(connection, by, "AND step >= :since", since=before)
        return tally, _added_up([*tally.groups, *rest])

    def cached_calls(self) -> Iterator[tuple[str, Usage]]:
        """Model and usage of each call for which a provider's cache was read or written."""
        with self._database.reading() as connection:
            rows = connection.execute(_CACHED, (self._campaign,)).fetchall()
        return ((row["model"], as_usage(row)) for row in rows)

    def _costs(
        self,
        connection: sqlite3.Connection,
        by: Grouping,
        which: str = "",
        index: str = "",
        **place: int,
    ) -> list[Cost]:
        query = _COSTS.format(name=_NAMES[by], which=which, index=index)
        names = {"campaign": self._campaign, "own": OWN_CALLS, "none": NO_CANDIDATE, **place}
        return [
            Cost(
                name=row["name"],
                calls=row["calls"],
                vain=row["vain"],
                refused=row["refused"],
                usage=as_usage(row),
                held_usd=None if row["held_unpriced"] else row["held_usd"],
            )
            for row in connection.execute(query, names).fetchall()
        ]


def operator_and_model(pair: str) -> tuple[str, str]:
    """What the name of a group of the grouping ``pair`` stands for."""
    operator, model = json.loads(pair)
    return operator, model


def _added_up(costs: Sequence[Cost]) -> list[Cost]:
    """One line for each name, the dearest first; those of an unknown price last."""
    groups: dict[str, Cost] = {}
    for cost in costs:
        known = groups.get(cost.name)
        groups[cost.name] = cost if known is None else known.plus(cost)
    return sorted(
        groups.values(), key=lambda cost: (-(cost.usage.usd or 0), -cost.usage.tokens, cost.name)
    )
