"""What the models room needs of the archive: the record of every call.

:class:`metasearch.archive.CampaignArchive` is one; tests and tools may bring their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from metasearch.exchange import Exchange, Message, Usage

Parameters = Mapping[str, float | int | str | None]
"""What shaped a request besides its messages: temperature, seed, token limit."""


class Journal(Protocol):
    """The model calls of one campaign, each stored before its reply is used.

    (step, call, asker) names a call: ``asker`` is the number of the candidate that asks while
    it is evaluated, ``None`` for the step itself. Each method is one short, durable
    transaction. A call that failed or was lost may begin again under the same name, and so may
    one that was answered and now asks for something else, such as the rest of its reply: the
    earlier record stays.
    """

    def answered(self, step: int, call: int, asker: int | None = None) -> Sequence[Exchange]:
        """The records of a call that hold a reply, in their order."""

    def begin_exchange(
        self,
        step: int,
        call: int,
        asker: int | None = None,
        *,
        role: str,
        model: str,
        messages: Sequence[Message],
        parameters: Parameters,
        reserved_usd: float | None,
        reserved_tokens: int,
    ) -> None:
        """Record a call as pending, with the most that it may cost, before it is sent."""

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
        """Store the reply of the pending call."""

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
        """Record that the pending call came to nothing, and what it cost all the same."""
