"""From rows to the frozen types, and back for the few that go both ways."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter

from metasearch.archive.facts import CurvePoint, Evaluation, Event
from metasearch.candidate import Candidate, Outcome, Score, Split, StageResult
from metasearch.exchange import Exchange, ExchangeState, Message, Usage

_PARAMETERS = TypeAdapter(dict[str, float | int | str | None])
_OUTCOMES: dict[str | None, Outcome | None] = {None: None, **{str(o): o for o in Outcome}}
_CANDIDATE_FIELDS = set(Candidate.model_fields)


def as_candidate(
    row: sqlite3.Row,
    scores: dict[str, float],
    private_scores: dict[str, float],
    parents: tuple[int, ...],
) -> Candidate:
    """A candidate from its row, without validation.

    The tables are STRICT and checked to be so at opening, so the types hold; validating
    each of 50,000 candidates at the start of an engine would take longer than reading them.
    """
    (number, step, outcome, digest, operator, island, stage, name, thought) = row[:9]
    length, feedback, error, seconds, seq, gains, model, temperature, original, memory = row[9:]
    return Candidate.model_construct(
        _CANDIDATE_FIELDS,
        number=number,
        step=step,
        outcome=_OUTCOMES[outcome],
        digest=None if digest is None else digest.hex(),
        scores=scores,
        private_scores=private_scores,
        parents=parents,
        length=length,
        operator=operator,
        model=model,
        temperature=temperature,
        island=island,
        stage=stage,
        complete=outcome != "scored" or bool(gains),
        name=name,
        thought=thought,
        feedback=feedback,
        error=error,
        duplicate_of=original,
        seconds=seconds,
        memory=memory,
        seq=seq,
    )


def as_usage(row: sqlite3.Row) -> Usage:
    """The usage in a campaign's counters."""
    return Usage(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cached_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        usd=None if row["unpriced"] else row["usd"],
        seconds=row["model_seconds"],
    )


def asker_of(row: sqlite3.Row) -> int | None:
    """Whose call it is; a part of the primary key, and so never NULL in its row."""
    asker: int = row["asker"]
    return None if asker < 0 else asker


def as_exchange(row: sqlite3.Row, messages: tuple[Message, ...], reply: str) -> Exchange:
    """A model call from its row, its messages and its reply."""
    return Exchange(
        step=row["step"],
        call=row["call"],
        asker=asker_of(row),
        role=row["role"],
        model=row["model"],
        state=ExchangeState(row["state"]),
        messages=messages,
        parameters=_PARAMETERS.validate_json(row["parameters"]),
        reply=reply,
        finish_reason=row["finish_reason"],
        error=row["error"],
        attempts=row["attempts"],
        usage=Usage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cached_tokens=row["cached_tokens"],
            cache_write_tokens=row["cache_write_tokens"],
            reasoning_tokens=row["reasoning_tokens"],
            usd=row["usd"],
            seconds=row["seconds"],
        ),
        reserved_usd=row["reserved_usd"],
        reserved_tokens=row["reserved_tokens"],
    )


def as_evaluation(
    row: sqlite3.Row,
    stages: Iterable[sqlite3.Row],
    scores: Mapping[int, list[sqlite3.Row]],
    examples: Mapping[int, dict[str, tuple[float, ...]]],
) -> Evaluation:
    """A measurement from its row, its stages' rows and, by stage, what was measured in them."""
    private = (score["metric"] for found in scores.values() for score in found if score["private"])
    return Evaluation(
        seq=row["seq"],
        split=Split(row["split"]),
        outcome=Outcome(row["outcome"]),
        stages=tuple(
            StageResult(
                stage=stage["stage"],
                scores={score["metric"]: as_score(score) for score in scores[stage["position"]]},
                passed=bool(stage["passed"]),
                seconds=stage["seconds"],
                examples=examples.get(stage["position"], {}),
            )
            for stage in stages
        ),
        private=tuple(dict.fromkeys(private)),
        feedback=row["feedback"],
        error=row["error"],
        seconds=row["seconds"],
        memory=row["memory"],
    )


def as_score(row: sqlite3.Row) -> Score:
    """One metric's score."""
    return Score(value=row["value"], low=row["low"], high=row["high"], samples=row["samples"])


def as_event(row: sqlite3.Row) -> Event:
    """An event from its row."""
    return Event(
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        step=row["step"],
        candidate=row["candidate"],
        detail=row["detail"],
    )


def as_curve_point(row: sqlite3.Row) -> CurvePoint:
    """An improvement from its row."""
    return CurvePoint(
        row["evaluations"], row["candidate"], row["seconds"], row["usd"], row["score"]
    )
