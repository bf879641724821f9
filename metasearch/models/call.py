"""One call in its record and in the budget: begun, answered, failed or abandoned.

Journal and ledger change together, in one turn of the event loop, so that what is stored
and what is counted never differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from metasearch.campaign import Price
from metasearch.exchange import Message, Usage
from metasearch.models.attempt import Completion, Sampling, Target
from metasearch.models.journal import Journal, Parameters
from metasearch.models.ledger import Ledger, Reservation
from metasearch.models.prices import cost, most
from metasearch.step import Reply

MAX_REPLY = 1_000_000
"""Characters of a reply that are kept; the rest is cut off, and ``finish_reason`` says so."""

CUT = "cut"
"""The ``finish_reason`` of a reply that was cut at :data:`MAX_REPLY`."""


@dataclass(frozen=True)
class Request:
    """What is asked, of whom, in whose name."""

    step: int
    call: int
    asker: int | None
    role: str
    target: Target
    price: Price | None
    messages: tuple[Message, ...]
    sampling: Sampling
    part: int = 1
    """2: the rest of a reply that was cut at its length limit."""

    @property
    def most_input(self) -> int:
        """More tokens than any tokenizer makes of what is sent."""
        schema = self.sampling.schema
        if schema is None:
            return most_tokens(self.messages)
        return most_tokens(self.messages) + 2 * len(json.dumps(schema.model_json_schema()))


@dataclass(eq=False)
class Call:
    """A request on its way through its attempts."""

    request: Request
    archive: Journal
    ledger: Ledger
    attempts: int = 0
    """Since the present record began."""
    empty: int = 0
    """Replies so far that had no text."""
    wider: Sampling | None = None
    """Instead of the request's, once a reply was nothing but thinking."""
    _reservation: Reservation | None = None
    _began: float = field(default=0.0)

    @property
    def is_open(self) -> bool:
        """Whether there is a pending record, and a reservation for it."""
        return self._reservation is not None

    @property
    def sampling(self) -> Sampling:
        """The request's own, but with another seed after an empty reply: it would be the same."""
        sampling = self.wider or self.request.sampling
        return replace(sampling, seed=sampling.seed + self.empty)

    async def open(self) -> None:
        """Reserve the most that one attempt may cost, and record the call as pending.

        Attempts that bring nothing, and so are not billed, share one record.
        """
        if self._reservation is not None:
            return
        request, sampling = self.request, self.sampling
        input_tokens = request.most_input
        reservation = await self.ledger.reserve(
            most(request.price, input_tokens, sampling.max_tokens),
            input_tokens + sampling.max_tokens,
            model=request.target.model,
        )
        try:
            self.archive.begin_exchange(
                request.step,
                request.call,
                request.asker,
                role=request.role,
                model=request.target.model,
                messages=request.messages,
                parameters=_parameters(request, sampling),
                reserved_usd=reservation.usd,
                reserved_tokens=reservation.tokens,
            )
        except BaseException:
            self.ledger.release(reservation)
            raise
        self._reservation = reservation
        self._began = time.monotonic()
        self.attempts = 0

    def answer(self, completion: Completion) -> Reply:
        """Store a reply and what it cost."""
        usage = self._usage(completion)
        text, finish_reason = completion.text, completion.finish_reason
        if len(text) > MAX_REPLY:
            text, finish_reason = text[:MAX_REPLY], CUT
        request, reservation = self.request, self._taken()
        try:
            self.archive.answer_exchange(
                request.step,
                request.call,
                request.asker,
                reply=text,
                finish_reason=finish_reason,
                usage=usage,
                attempts=self.attempts,
            )
        finally:
            # Also if the archive cannot store it: it is paid for.
            self.ledger.settle(reservation, usage)
        return Reply(text, usage, finish_reason, replayed=False, model=request.target.model)

    def fail(self, error: str, completion: Completion | None = None) -> None:
        """End the record without a reply to use; a useless completion is billed all the same."""
        if completion is None:
            usage = Usage(seconds=time.monotonic() - self._began)
        else:
            usage = self._usage(completion)
        request, reservation = self.request, self._taken()
        try:
            self.archive.fail_exchange(
                request.step,
                request.call,
                request.asker,
                error=error,
                usage=usage,
                attempts=self.attempts,
            )
        finally:
            self.ledger.settle(reservation, usage)

    def abandon(self) -> None:
        """Leave the record pending: the request is out, and its reply will never be seen.

        It may be billed, so the reservation stays counted, now and for later engines.
        """
        self.ledger.hold(self._taken())

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """For waits between attempts: nothing is out, so a cancelled wait costs nothing."""
        try:
            yield
        except asyncio.CancelledError:
            if self.is_open:
                self.fail("cancelled between attempts")
            raise

    def _taken(self) -> Reservation:
        if self._reservation is None:
            raise RuntimeError("the call has no open record")
        reservation, self._reservation = self._reservation, None
        return reservation

    def _usage(self, completion: Completion) -> Usage:
        request = self.request
        usage = completion.usage
        if usage is None:
            # The provider does not say. What the call reserved is at least what it took;
            # counting nothing would let a budget be overrun unseen.
            usage = Usage(
                input_tokens=request.most_input,
                output_tokens=min(self.sampling.max_tokens, len(completion.text.encode())),
            )
        return usage.model_copy(
            update={"usd": cost(request.price, usage), "seconds": time.monotonic() - self._began}
        )


def _parameters(request: Request, sampling: Sampling) -> Parameters:
    parameters: dict[str, float | int | str | None] = {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    if sampling.effort is not None:
        parameters["effort"] = sampling.effort
    if sampling.schema is not None:
        parameters["schema"] = sampling.schema.__name__
    if request.part > 1:
        parameters["part"] = request.part
    return parameters


def most_tokens(messages: Sequence[Message]) -> int:
    """More tokens than any tokenizer makes of a prompt: one a byte, and some for the frame."""
    return 64 + sum(16 + len(message.content.encode()) for message in messages)


def derived_seed(seed: int, step: int, call: int, asker: int | None) -> int:
    """A call's own seed: 31 bits, since some providers take no more."""
    name = f"{seed}:{step}:{call}" if asker is None else f"{seed}:{step}:{asker}:{call}"
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
