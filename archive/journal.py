"""The journal of model calls: stored when asked, stored when answered, never bought twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from metasearch.archive.core import SHORT_TEXT, Core, stored_text
from metasearch.archive.facts import Bill, CallBefore, Held
from metasearch.archive.mapping import as_exchange, as_usage, asker_of
from metasearch.exchange import Exchange, ExchangeState, Message, Usage

_FIND = """
SELECT * FROM exchange WHERE campaign = ? AND step = ? AND asker = ? AND call = ?
ORDER BY generation DESC LIMIT 1
"""
_ANSWERED = """
SELECT * FROM exchange WHERE campaign = ? AND step = ? AND asker = ? AND call = ?
    AND state = 'answered' ORDER BY generation
"""
_OF_STEP = """
SELECT * FROM exchange WHERE campaign = ? AND step = ? AND asker = -1 ORDER BY call, generation
"""
_OF_CANDIDATE = """
SELECT exchange.* FROM candidate JOIN exchange USING (campaign, step)
WHERE candidate.campaign = ? AND candidate.number = ? AND exchange.asker = -1
    AND exchange.asked < candidate.queued
ORDER BY exchange.call, generation
"""
_BY_CANDIDATE = """
SELECT exchange.* FROM candidate JOIN exchange USING (campaign, step)
WHERE candidate.campaign = ? AND candidate.number = ? AND exchange.asker = candidate.number
ORDER BY exchange.call, generation
"""
_BILL = """
SELECT count(*) AS calls, coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cached_tokens), 0) AS cached_tokens,
    coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
    coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens, total(usd) AS usd,
    count(*) - count(usd) AS unpriced, total(exchange.seconds) AS model_seconds
FROM candidate JOIN exchange USING (campaign, step)
WHERE candidate.campaign = ? AND candidate.number = ? AND exchange.asker = candidate.number
"""
# The plus keeps the planner from going through all calls up to there.
_BEFORE = """
SELECT role, exchange.model, state, json_extract(parameters, '$.temperature') AS temperature,
    exchange.seq > coalesce((SELECT max(queued) FROM candidate AS last
        WHERE last.campaign = candidate.campaign AND last.step = candidate.step
        AND last.queued < candidate.queued), 0) AS since,
    input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, usd,
    usd IS NULL AS unpriced, seconds AS model_seconds
FROM candidate JOIN exchange USING (campaign, step)
WHERE candidate.campaign = ? AND candidate.number = ? AND exchange.asker = -1
    AND exchange.state <> 'pending' AND +exchange.seq < candidate.queued
ORDER BY +exchange.seq
"""
_ALL = """
SELECT * FROM exchange WHERE campaign = ? AND step = ? ORDER BY asker, call, generation
"""
# INDEXED BY: without statistics SQLite prefers to read all exchanges of the campaign.
_PENDING = """
SELECT * FROM exchange INDEXED BY exchange_pending WHERE campaign = ? AND state = 'pending'
"""
_MESSAGES = """
SELECT role, blob FROM message
WHERE campaign = ? AND step = ? AND asker = ? AND call = ? AND generation = ? ORDER BY position
"""
_BEGIN = """
INSERT INTO exchange (campaign, step, asker, call, generation, asked, seq, role, model, state,
    parameters, reserved_usd, reserved_tokens, finish_reason, error, attempts,
    input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, usd, seconds)
VALUES (:campaign, :step, :asker, :call, :generation, :seq, :seq, :role, :model, 'pending',
    :parameters, :reserved_usd, :reserved_tokens, '', '', 0, 0, 0, 0, 0, 0, 0, 0)
"""
_ADD_MESSAGE = """
INSERT INTO message (campaign, step, asker, call, generation, position, role, blob)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_END = """
UPDATE exchange SET seq = :seq, state = :state, reply = :reply, finish_reason = :finish_reason,
    error = :error, attempts = :attempts, input_tokens = :input_tokens,
    output_tokens = :output_tokens, cached_tokens = :cached_tokens,
    cache_write_tokens = :cache_write_tokens,
    reasoning_tokens = :reasoning_tokens, usd = :usd, seconds = :seconds
WHERE campaign = :campaign AND step = :step AND asker = :asker AND call = :call
    AND generation = :generation AND state = 'pending'
"""
_REFUSE = """
UPDATE exchange SET seq = ?, error = ?
WHERE campaign = ? AND step = ? AND asker = ? AND call = ? AND generation = ?
"""
_LOSE = """
UPDATE exchange SET seq = ?, state = 'lost'
WHERE campaign = ? AND step = ? AND asker = ? AND call = ? AND generation = ?
    AND state = 'pending'
"""


_TEMPLATES = """
SELECT path, blob FROM campaign_file
WHERE campaign = :campaign AND kind = 'prompts' AND seq = (
    SELECT max(f.seq) FROM exchange AS e JOIN campaign_file AS f USING (campaign)
    WHERE campaign = :campaign AND step = :step AND asker = -1 AND call = :call
        AND f.kind = 'prompts' AND f.seq < e.asked)
ORDER BY position
"""


class Journal(Core):
    """The model calls of one campaign.

    (step, call, asker) names a call: ``asker`` is the number of the candidate that asked while
    it was evaluated, ``None`` for the step itself.
    """

    def begin_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        role: str,
        model: str,
        messages: Sequence[Message],
        parameters: Mapping[str, float | int | str | None] | None = None,
        reserved_usd: float | None = 0.0,
        reserved_tokens: int = 0,
    ) -> None:
        """Store a model call that is about to be sent.

        A call that failed, was lost, or was answered when it asked something else, adds a
        record; the earlier one stays.

        Raises:
            ValueError: It is pending, or answered with these messages: sending it would pay
                twice.
        """
        with self._writing() as connection:
            last = self._find(connection, step, call, asker)
            if last is not None and (
                last["state"] == "pending"
                or (
                    last["state"] == "answered"
                    and self._exchange(connection, last).messages == tuple(messages)
                )
            ):
                raise ValueError(f"{_name(step, call, asker)} is {last['state']} already")
            seq = self._advance(connection, facts=1).seq
            row = {
                "campaign": self._campaign,
                "step": step,
                "asker": _stored(asker),
                "call": call,
                "generation": 0 if last is None else last["generation"] + 1,
                "seq": seq,
                "role": stored_text(role, SHORT_TEXT),
                "model": stored_text(model, SHORT_TEXT),
                "parameters": json.dumps(dict(parameters or {})),
                "reserved_usd": reserved_usd,
                "reserved_tokens": reserved_tokens,
            }
            connection.execute(_BEGIN, row)
            for position, message in enumerate(messages):
                blob = self._blobs.add_text(message.content)
                role_ = stored_text(message.role, SHORT_TEXT)
                connection.execute(_ADD_MESSAGE, (*_key(row), position, role_, blob))
            detail = str(row["model"])
            self._event(connection, seq, "asked", step=step, candidate=asker, detail=detail)

    def answer_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        reply: str,
        finish_reason: str = "",
        usage: Usage,
        attempts: int = 1,
    ) -> None:
        """Store the reply to a pending call, before anybody uses it."""
        self._end_exchange(
            (step, call, asker),
            ExchangeState.ANSWERED,
            usage,
            attempts,
            reply,
            finish_reason=finish_reason,
        )

    def fail_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        error: str,
        usage: Usage,
        attempts: int = 1,
    ) -> None:
        """Store that a pending call failed for good, and what its attempts cost."""
        self._end_exchange((step, call, asker), ExchangeState.FAILED, usage, attempts, error=error)

    def refuse_exchange(self, step: int, call: int, *, reason: str) -> None:
        """Record why the reply of an answered call does not give what it was asked for.

        The call stays answered. What is on record already stays as it is.
        """
        key = (self._campaign, step, _stored(None), call)
        with self._writing() as connection:
            row = self._find(connection, step, call, None)
            if row is None or row["state"] != "answered" or row["error"]:
                return
            seq = self._advance(connection, facts=1).seq
            connection.execute(_REFUSE, (seq, stored_text(reason), *key, row["generation"]))
            self._event(connection, seq, "refused", step=step, detail=row["model"])

    def mark_lost(self) -> int:
        """Give up the calls that a dead engine left pending; how many there were.

        Their reservations stay held against the budget, since they may have been billed.
        """
        with self._writing() as connection:
            pending = connection.execute(_PENDING, (self._campaign,)).fetchall()
            for row in pending:
                seq = self._advance(
                    connection,
                    facts=1,
                    lost_usd=row["reserved_usd"] or 0.0,
                    lost_unpriced=int(row["reserved_usd"] is None),
                    lost_tokens=row["reserved_tokens"],
                ).seq
                connection.execute(_LOSE, (seq, *_key(row)))
                asker = asker_of(row)
                self._event(
                    connection, seq, "lost", step=row["step"], candidate=asker, detail=row["model"]
                )
        return len(pending)

    def exchange(self, step: int, call: int, asker: int | None = None) -> Exchange | None:
        """The latest word on one call: ``None`` if it was never sent."""
        with self._database.reading() as connection:
            row = self._find(connection, step, call, asker)
            return None if row is None else self._exchange(connection, row)

    def answered(self, step: int, call: int, asker: int | None = None) -> list[Exchange]:
        """The records of one call that hold a reply, in their order."""
        key = (self._campaign, step, _stored(asker), call)
        with self._database.reading() as connection:
            rows = connection.execute(_ANSWERED, key).fetchall()
            return [self._exchange(connection, row) for row in rows]

    def exchanges(self, step: int) -> list[Exchange]:
        """A step's own calls in their order, lost and failed ones included."""
        return self._exchanges(_OF_STEP, step)

    def all_exchanges(self) -> Iterator[Exchange]:
        """Every call of the campaign, step by step: each step's own, then its candidates'."""
        with self._database.reading() as connection:
            steps = self._progress(connection)["steps"]
        for step in range(steps):
            yield from self._exchanges(_ALL, step)

    def templates_of(self, step: int, call: int) -> dict[str, str]:
        """The prompt templates in force when a step asked: name -> SHA-256 of the text."""
        row = {"campaign": self._campaign, "step": step, "call": call}
        with self._database.reading() as connection:
            return {path: blob.hex() for path, blob in connection.execute(_TEMPLATES, row)}

    def exchanges_of(self, number: int) -> list[Exchange]:
        """The calls that led to a candidate: those of its step before it was proposed."""
        return self._exchanges(_OF_CANDIDATE, number)

    def exchanges_by(self, number: int) -> list[Exchange]:
        """The calls that a candidate made itself while it was evaluated, in their order."""
        return self._exchanges(_BY_CANDIDATE, number)

    def calls_before(self, number: int) -> list[CallBefore]:
        """The calls of a candidate's step that had ended when it was proposed, in that order.

        The same at any later time: what ends after that is left out, as is what was pending.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_BEFORE, (self._campaign, number)).fetchall()
        return [
            CallBefore(
                role=row["role"],
                model=row["model"],
                temperature=row["temperature"],
                answered=row["state"] == "answered",
                since=bool(row["since"]),
                usage=as_usage(row),
            )
            for row in rows
        ]

    def bill_of(self, number: int) -> Bill:
        """What a candidate's own calls have cost, without reading them."""
        with self._database.reading() as connection:
            row = connection.execute(_BILL, (self._campaign, number)).fetchone()
        return Bill(row["calls"], as_usage(row))

    def usage(self) -> Usage:
        """What all calls together have cost, as far as they were answered or failed."""
        with self._database.reading() as connection:
            return as_usage(self._progress(connection))

    def held(self) -> Held:
        """The reservations of all lost calls together."""
        with self._database.reading() as connection:
            row = self._progress(connection)
        return Held(None if row["lost_unpriced"] else row["lost_usd"], row["lost_tokens"])

    def _exchanges(self, query: str, number: int) -> list[Exchange]:
        with self._database.reading() as connection:
            rows = connection.execute(query, (self._campaign, number)).fetchall()
            return [self._exchange(connection, row) for row in rows]

    def _exchange(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Exchange:
        messages = tuple(
            Message(role=role, content=self._blobs.read_text(blob))
            for role, blob in connection.execute(_MESSAGES, _key(row)).fetchall()
        )
        with self._database.checked():
            return as_exchange(row, messages, self._blobs.read_text(row["reply"]))

    def _find(
        self, connection: sqlite3.Connection, step: int, call: int, asker: int | None
    ) -> sqlite3.Row | None:
        key = (self._campaign, step, _stored(asker), call)
        row: sqlite3.Row | None = connection.execute(_FIND, key).fetchone()
        return row

    def _end_exchange(
        self,
        name: tuple[int, int, int | None],
        state: ExchangeState,
        usage: Usage,
        attempts: int,
        reply: str | None = None,
        *,
        finish_reason: str = "",
        error: str = "",
    ) -> None:
        with self._writing() as connection:
            last = self._find(connection, *name)
            if last is None or last["state"] != "pending":
                state_now = "unknown" if last is None else last["state"]
                raise ValueError(f"{_name(*name)} is {state_now}, not pending")
            seq = self._advance(
                connection,
                facts=1,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cached_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                usd=usage.usd or 0.0,
                unpriced=int(usage.usd is None),
                model_seconds=usage.seconds,
            ).seq
            connection.execute(
                _END,
                {
                    "campaign": self._campaign,
                    "step": last["step"],
                    "asker": last["asker"],
                    "call": last["call"],
                    "generation": last["generation"],
                    "seq": seq,
                    "state": state.value,
                    "reply": None if reply is None else self._blobs.add_text(reply),
                    "finish_reason": stored_text(finish_reason, SHORT_TEXT),
                    "error": stored_text(error),
                    "attempts": attempts,
                    **usage.model_dump(),
                },
            )
            step, asker = last["step"], asker_of(last)
            self._event(
                connection, seq, state.value, step=step, candidate=asker, detail=last["model"]
            )


def _stored(asker: int | None) -> int:
    return -1 if asker is None else asker


def _key(row: sqlite3.Row | Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("campaign", "step", "asker", "call", "generation"))


def _name(step: int, call: int, asker: int | None) -> str:
    whose = f"step {step}" if asker is None else f"candidate #{asker}"
    return f"call {call} of {whose}"
