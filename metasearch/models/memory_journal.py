"""A journal of model calls in memory, as strict as the archive's: for calls nobody keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from metasearch.exchange import Exchange, ExchangeState, Message, Usage


class Held(NamedTuple):
    """Reservations of lost calls."""

    usd: float | None
    tokens: int


@dataclass
class MemoryJournal:
    """The calls of one campaign: :class:`metasearch.models.Journal`, without a file."""

    records: list[Exchange] = field(default_factory=list)
    """Every one ever begun, in order."""
    _latest: dict[tuple[int, int, int | None], int] = field(default_factory=dict)
    """Of each call, the place of its latest record."""

    def exchange(self, step: int, call: int, asker: int | None = None) -> Exchange | None:
        """The latest record of a call."""
        place = self._latest.get((step, call, asker))
        return None if place is None else self.records[place]

    def answered(self, step: int, call: int, asker: int | None = None) -> list[Exchange]:
        """The records of a call that hold a reply."""
        name = (step, call, asker)
        return [
            r
            for r in self.records
            if r.state is ExchangeState.ANSWERED and (r.step, r.call, r.asker) == name
        ]

    def begin_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        role: str,
        model: str,
        messages: Sequence[Message],
        parameters: Mapping[str, float | int | str | None],
        reserved_usd: float | None,
        reserved_tokens: int,
    ) -> None:
        """Add a pending record; refuses to pay twice for the same question."""
        last = self.exchange(step, call, asker)
        if last is not None and (
            last.state is ExchangeState.PENDING
            or (last.state is ExchangeState.ANSWERED and last.messages == tuple(messages))
        ):
            raise ValueError(f"call {call} of step {step} is {last.state}")
        self._latest[step, call, asker] = len(self.records)
        self.records.append(
            Exchange(
                step=step,
                call=call,
                asker=asker,
                role=role,
                model=model,
                state=ExchangeState.PENDING,
                messages=tuple(messages),
                parameters=dict(parameters),
                reserved_usd=reserved_usd,
                reserved_tokens=reserved_tokens,
            )
        )

    def answer_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        reply: str,
        finish_reason: str,
        usage: Usage,
        attempts: int,
    ) -> None:
        """Store the reply of the pending record."""
        self._end(
            (step, call, asker),
            state=ExchangeState.ANSWERED,
            reply=reply,
            finish_reason=finish_reason,
            usage=usage,
            attempts=attempts,
        )

    def fail_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        error: str,
        usage: Usage,
        attempts: int,
    ) -> None:
        """Store the failure of the pending record."""
        self._end(
            (step, call, asker),
            state=ExchangeState.FAILED,
            error=error,
            usage=usage,
            attempts=attempts,
        )

    def mark_lost(self) -> None:
        """What the next engine does with the records that a killed one left pending."""
        self.records = [
            record.model_copy(update={"state": ExchangeState.LOST})
            if record.state is ExchangeState.PENDING
            else record
            for record in self.records
        ]

    def usage(self) -> Usage:
        """What all calls have cost."""
        return sum((record.usage for record in self.records), Usage())

    def held(self) -> Held:
        """What lost calls had reserved."""
        lost = [record for record in self.records if record.state is ExchangeState.LOST]
        return Held(
            sum(record.reserved_usd or 0.0 for record in lost),
            sum(record.reserved_tokens for record in lost),
        )

    def _end(self, name: tuple[int, int, int | None], **changes: object) -> None:
        place = self._latest.get(name)
        if place is None or self.records[place].state is not ExchangeState.PENDING:
            raise ValueError("no pending record")
        self.records[place] = self.records[place].model_copy(update=changes)
