"""What a campaign's model calls have cost, in groups or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from metasearch.archive.core import Core
from metasearch.archive.mapping import as_usage
from metasearch.exchange import Usage

Grouping = Literal["model", "role", "operator", "candidate", "call"]

NO_CANDIDATE = "(no candidate)"
"""Stands for the operator of calls that led to none: lost, failed, or of a step under way."""
OWN_CALLS = "(asked by candidates)"
"""Stands for the operator of calls that candidates made while they were evaluated."""

# A call belongs to the candidate that its step proposed next.
_NEXT = """coalesce((
    SELECT {what} FROM candidate WHERE candidate.campaign = exchange.campaign
    AND candidate.step = exchange.step AND candidate.queued > exchange.asked
    ORDER BY candidate.queued LIMIT 1), :none)"""
_NAMES: dict[Grouping, str] = {
    "model": "model",
    "role": "role",
    "operator": f"CASE WHEN asker >= 0 THEN :own ELSE {_NEXT.format(what='operator')} END",
    "candidate": f"""CASE WHEN asker >= 0 THEN '#' || asker
        ELSE {_NEXT.format(what="'#' || number")} END""",
    "call": """'step ' || step || ', call ' || call
        || CASE WHEN asker >= 0 THEN ' of #' || asker ELSE '' END""",
}
_USAGE = """
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    sum(cached_tokens) AS cached_tokens, sum(cache_write_tokens) AS cache_write_tokens,
    sum(reasoning_tokens) AS reasoning_tokens,
    total(usd) AS usd, count(*) - count(usd) AS unpriced, total(seconds) AS model_seconds
"""
_COSTS = """
SELECT {name} AS name, count(*) AS calls, sum(state <> 'answered') AS vain,
    sum(state = 'answered' AND error <> '') AS refused, {usage},
    total(CASE WHEN state = 'lost' THEN reserved_usd END) AS held_usd,
    sum(state = 'lost' AND reserved_usd IS NULL) AS held_unpriced
FROM exchange WHERE campaign = :campaign AND state <> 'pending'
GROUP BY 1 ORDER BY usd DESC, input_tokens + output_tokens DESC, name
"""
_PAIRS = """
SELECT {operator} AS operator, model, {usage}
FROM exchange WHERE campaign = :campaign AND state <> 'pending' GROUP BY 1, 2
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


class PairCost(NamedTuple):
    """What the calls of one model have cost that led to candidates of one operator."""

    operator: str
    """Or :data:`NO_CANDIDATE`, or :data:`OWN_CALLS`."""
    model: str
    usage: Usage


class Costs(Core):
    """The bill of one campaign, to read."""

    def costs(self, by: Grouping) -> list[Cost]:
        """The campaign's model calls in groups, the dearest first. Sums to :meth:`usage`."""
        query = _COSTS.format(name=_NAMES[by], usage=_USAGE)
        with self._database.reading() as connection:
            return [
                Cost(
                    name=row["name"],
                    calls=row["calls"],
                    vain=row["vain"],
                    refused=row["refused"],
                    usage=as_usage(row),
                    held_usd=None if row["held_unpriced"] else row["held_usd"],
                )
                for row in connection.execute(query, self._names()).fetchall()
            ]

    def pair_costs(self) -> list[PairCost]:
        """The same bill by operator and model at once."""
        query = _PAIRS.format(operator=_NAMES["operator"], usage=_USAGE)
        with self._database.reading() as connection:
            rows = connection.execute(query, self._names()).fetchall()
        return [PairCost(row["operator"], row["model"], as_usage(row)) for row in rows]

    def cached_calls(self) -> Iterator[tuple[str, Usage]]:
        """Model and usage of each call for which a provider's cache was read or written."""
        with self._database.reading() as connection:
            rows = connection.execute(_CACHED, (self._campaign,)).fetchall()
        return ((row["model"], as_usage(row)) for row in rows)

    def _names(self) -> dict[str, int | str]:
        return {"campaign": self._campaign, "own": OWN_CALLS, "none": NO_CANDIDATE}
