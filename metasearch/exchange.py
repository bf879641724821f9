"""Exchanges: what was asked of a model, what came back, and what it cost."""

from __future__ import annotations

from enum import StrEnum

from metasearch.candidate import Frozen


class Message(Frozen):
    """One turn of a conversation with a model."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    content: str


class Usage(Frozen):
    """What model calls cost. An unknown amount is ``None``, never 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Part of ``input_tokens`` that the provider served from its cache."""
    cache_write_tokens: int = 0
    """Another part of them, which the provider put into its cache."""
    reasoning_tokens: int = 0
    """Part of ``output_tokens`` spent on thinking."""
    usd: float | None = 0.0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Input plus output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            usd=None if self.usd is None or other.usd is None else self.usd + other.usd,
            seconds=self.seconds + other.seconds,
        )


class ExchangeState(StrEnum):
    """Where a model call stands."""

    PENDING = "pending"
    """Sent, no reply stored. After a crash: it may have been billed; its reservation counts."""
    ANSWERED = "answered"
    FAILED = "failed"
    """The provider refused or the retries ran out; what the attempts cost is kept."""
    LOST = "lost"
    """Was pending when an engine died; asked again by the next one."""


class Exchange(Frozen):
    """One model call: what was asked, what came back, what it cost."""

    step: int
    call: int
    """Counts the asks of its asker from 0; (step, call, asker) finds the reply again after a
    crash."""
    asker: int | None = None
    """The number of the candidate that asked while it was evaluated; ``None``: the step did."""
    role: str
    model: str
    state: ExchangeState
    messages: tuple[Message, ...]
    parameters: dict[str, float | int | str | None] = {}
    """Temperature, seed, token limit, schema name: what else shaped the request."""
    reply: str = ""
    finish_reason: str = ""
    error: str = ""
    """Why it failed; of an answered call, why its reply does not give what was asked for."""
    attempts: int = 1
    usage: Usage = Usage()
    reserved_usd: float | None = 0.0
    """Upper bound of the cost, held against the budget while pending or lost."""
    reserved_tokens: int = 0
