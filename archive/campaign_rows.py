"""The tables of campaigns: settings, counters, lease, events, steps and model calls."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text

from metasearch.archive.row import (
    CLUSTERED,
    STRICT,
    Row,
    binary,
    content,
    integer,
    of_campaign,
    primary,
    real,
    words,
)


class BlobRow(Row, table=True):
    """Content, once for all campaigns, under its SHA-256."""

    __tablename__ = "blob"
    __table_args__ = (UniqueConstraint("digest"), STRICT)
    key: int = primary()
    digest: bytes = binary()
    size: int = integer()
    """Of the content."""
    zstd: int = integer()
    """1 if ``data`` is a zstd frame, 0 if it is the content itself."""
    data: bytes = binary()


class CampaignRow(Row, table=True):
    """One run of one campaign, as it was asked for."""

    __tablename__ = "campaign"
    __table_args__ = (UniqueConstraint("id"), Index("campaign_name", "name"), STRICT)
    key: int = primary()
    id: str = words()
    name: str = words()
    created: float = real()
    objective: str = words()
    """The first one: what best and curve go by; empty in a campaign of ideas alone."""
    direction: str = words()
    seed_digest: str = words()


class SettingsRow(Row, table=True):
    """The settings that a campaign began with, or was continued with."""

    __tablename__ = "settings"
    __table_args__ = (of_campaign(), CLUSTERED)
    campaign: int = primary()
    seq: int = primary()
    folder: str = words()
    settings: str = words()
    """The resolved campaign file as JSON."""
    evaluator_digest: str = words()


class CampaignFileRow(Row, table=True):
    """A file that the campaign came with."""

    __tablename__ = "campaign_file"
    __table_args__ = (of_campaign(), content(), CLUSTERED)
    campaign: int = primary()
    kind: str = words(primary_key=True)
    """``seed``, ``evaluator`` or ``prompts``."""
    seq: int = primary()
    """Fact that brought it: 1 for the campaign's beginning, later ones for an evaluator that
    was accepted in its place, and for other prompt templates; all files of a kind together."""
    position: int = primary()
    path: str = words()
    blob: bytes = binary()


class ProgressRow(Row, table=True):
    """Counters over a campaign's facts, moved by the transaction that adds the fact.

    They say in one row what counting would find, at any size of the archive.
    """

    __tablename__ = "progress"
    __table_args__ = (of_campaign(), STRICT)
    campaign: int = primary()
    seq: int = integer()
    """Of the latest fact."""
    steps: int = integer()
    candidates: int = integer()
    scored: int = integer()
    invalid: int = integer()
    crashed: int = integer()
    timed_out: int = integer()
    out_of_memory: int = integer()
    output_limit: int = integer()
    rejected: int = integer()
    input_tokens: int = integer()
    output_tokens: int = integer()
    cached_tokens: int = integer()
    cache_write_tokens: int = integer(sa_column_kwargs={"server_default": text("0")})
    reasoning_tokens: int = integer()
    usd: float = real()
    unpriced: int = integer()
    """Calls whose cost nobody knows."""
    model_seconds: float = real()
    lost_usd: float = real()
    """Reservations of lost calls, which may have been billed."""
    lost_unpriced: int = integer()
    lost_tokens: int = integer()
    best_gain: float | None = real()
    seconds: float = real()
    """Time that engines have held the campaign."""
    ended: str | None = words()
    """``finished``, ``paused``, or ``held`` by a person, if an engine said so."""
    reason: str = words()


class LeaseRow(Row, table=True):
    """Which engine has the campaign, and when it was last heard of."""

    __tablename__ = "lease"
    __table_args__ = (of_campaign(), STRICT)
    campaign: int = primary()
    token: str = words()
    """Drawn by the holder: a writer whose token is gone has lost the campaign."""
    host: str = words()
    machine: str = words()
    """Boot and pid namespace: within them a pid can be looked up."""
    pid: int = integer()
    started: int = integer()
    """The process's start in clock ticks after boot, against a pid used again."""
    beat: float = real()
    released: int = integer()


class EventRow(Row, table=True):
    """That something happened, and when."""

    __tablename__ = "event"
    __table_args__ = (
        of_campaign(),
        Index("event_started", "campaign", "seq", sqlite_where=text("kind = 'started'")),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    at: float = real()
    kind: str = words()
    step: int | None = integer()
    candidate: int | None = integer()
    detail: str = words()


class StepRow(Row, table=True):
    """One engine step."""

    __tablename__ = "step"
    __table_args__ = (
        of_campaign(),
        Index("step_unfinished", "campaign", "seq", sqlite_where=text("ended IS NULL")),
        Index("step_ended", "campaign", "ended"),
        CLUSTERED,
    )
    campaign: int = primary()
    number: int = primary()
    seq: int = integer()
    """Of its opening."""
    ended: int | None = integer()
    """Fact of its end."""


class ExchangeRow(Row, table=True):
    """One model call; a call asked again after a loss or failure is a further generation."""

    __tablename__ = "exchange"
    __table_args__ = (
        of_campaign(),
        ForeignKeyConstraint(["campaign", "step"], ["step.campaign", "step.number"]),
        content("reply"),
        Index("exchange_seq", "campaign", "seq"),
        Index("exchange_pending", "campaign", sqlite_where=text("state = 'pending'")),
        CLUSTERED,
    )
    campaign: int = primary()
    step: int = primary()
    asker: int = primary()
    """The number of the candidate that asked; -1 for the step itself."""
    call: int = primary()
    generation: int = primary()
    asked: int = integer()
    """Fact of the asking."""
    seq: int = integer()
    """Its last fact."""
    role: str = words()
    model: str = words()
    state: str = words()
    parameters: str = words()
    reserved_usd: float | None = real()
    reserved_tokens: int = integer()
    reply: bytes | None = binary()
    finish_reason: str = words()
    error: str = words()
    attempts: int = integer()
    input_tokens: int = integer()
    output_tokens: int = integer()
    cached_tokens: int = integer()
    cache_write_tokens: int = integer(sa_column_kwargs={"server_default": text("0")})
    reasoning_tokens: int = integer()
    usd: float | None = real()
    seconds: float = real()


class MessageRow(Row, table=True):
    """One message of a model call."""

    __tablename__ = "message"
    __table_args__ = (
        ForeignKeyConstraint(
            ["campaign", "step", "asker", "call", "generation"],
            [
                "exchange.campaign",
                "exchange.step",
                "exchange.asker",
                "exchange.call",
                "exchange.generation",
            ],
        ),
        content(),
        CLUSTERED,
    )
    campaign: int = primary()
    step: int = primary()
    asker: int = primary()
    call: int = primary()
    generation: int = primary()
    position: int = primary()
    role: str = words()
    blob: bytes = binary()
