"""A call on its way to a reply: attempt after attempt, each fault answered in its own way."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from metasearch.errors import BudgetExhausted, RequestRefused
from metasearch.models.attempt import AttemptFailed, Completion, Sampling
from metasearch.models.call import Call, Request
from metasearch.models.journal import Journal
from metasearch.models.ledger import Ledger
from metasearch.models.redaction import Redactor, storable
from metasearch.models.refusals import final_error
from metasearch.models.rest import LENGTH
from metasearch.step import Reply

EMPTY_RETRIES = 2
"""Empty replies are billed like others, so they are asked again less often than faults are."""
CONNECT_ATTEMPTS = 3
"""Refused connections after which a server that has never answered counts as not there."""
WIDER = 4
"""How many times the tokens a reply gets after one that was nothing but thinking."""
LITTLE_EFFORT = "low"

_log = logging.getLogger("metasearch.models")


@dataclass(frozen=True)
class Backoff:
    """How long to wait before another attempt: doubling, with jitter."""

    first: float = 1.0
    """Seconds before the second attempt, at most; at least half of it."""
    longest: float = 60.0
    longest_asked: float = 600.0
    """Most seconds that a provider's own ``Retry-After`` is heeded for."""
    broken: float = 0.1
    """Part of these waits that is enough where nobody complains of load: after a broken
    connection, a reply that cannot be read, or one for which the wait was long already."""

    def seconds(self, attempt: int, asked: float | None, *, overloaded: bool = True) -> float:
        """The wait after a number of attempts, given what the provider asked for."""
        own = min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
        own *= random.uniform(0.5, 1.0)
        if not overloaded:
            own *= self.broken
        return own if asked is None else max(own, min(asked, self.longest_asked))


Complete = Callable[[Request, Sampling], Awaitable[Completion]]
"""Makes one attempt; raises :class:`AttemptFailed`."""


class Attempts:
    """Makes the attempts of one campaign's calls, and knows which models have ever answered.

    Attributes:
        sending: Attempts that are out now.
        pausing: Calls that wait between two attempts; they keep no other call from being sent.
    """

    def __init__(
        self,
        complete: Complete,
        archive: Journal,
        ledger: Ledger,
        redactor: Redactor,
        backoff: Backoff,
        retries: int,
        concurrency: int,
        longest_reply: Callable[[str], int | None],
    ) -> None:
        """Prepare.

        Args:
            complete: Makes one attempt.
            archive: Where calls are recorded.
            ledger: Keeps the budget.
            redactor: Keeps keys out of replies and errors.
            backoff: Waits between attempts.
            retries: Further attempts after a transient fault.
            concurrency: Most attempts out at once.
            longest_reply: The most tokens that a model writes, as far as that is known.
        """
        self._complete = complete
        self._archive = archive
        self._ledger = ledger
        self._redactor = redactor
        self._backoff = backoff
        self._retries = retries
        self._longest_reply = longest_reply
        self._known: set[str] = set()
        self._slots = asyncio.Semaphore(concurrency)
        self.sending = 0
        self.pausing = 0

    def widen(self, concurrency: int) -> None:
        """Let so many attempts out at once, besides those that are out or wait already."""
        self._slots = asyncio.Semaphore(concurrency)

    async def reply(self, request: Request, *, retries: int | None = None) -> Reply:
        """The reply to a request, stored and billed.

        Args:
            request: What is asked, of whom.
            retries: Instead of the campaign's.

        Raises:
            ModelError: See :meth:`metasearch.models.ModelClient.ask`.
        """
        call = Call(request, self._archive, self._ledger)
        most = self._retries if retries is None else retries
        retrying = AsyncRetrying(
            stop=lambda state: self._gives_up(request, state, most),
            wait=self._wait,
            sleep=lambda seconds: self._pause(call, seconds),
            retry=retry_if_exception(lambda e: isinstance(e, AttemptFailed) and e.transient),
            before_sleep=lambda state: self._tell(request, state),
            reraise=True,
        )
        try:
            return await retrying(self._next, call)
        except AttemptFailed as failure:
            text = self._redactor.redact(str(failure))
            attempts = retrying.statistics.get("attempt_number", 1)
            if call.is_open:
                call.fail(text)
            if call.wider is not None and not failure.transient:
                raise _nothing_but_thinking(call, f"and with more its provider says: {text}") from (
                    None
                )
            raise final_error(
                request, failure, text, attempts, known=self._knows(request)
            ) from None

    async def _next(self, call: Call) -> Reply:
        """One attempt, once there is a slot for it."""
        slots = self._slots
        with call.idle():
            await slots.acquire()
        self.sending += 1
        try:
            return await self._attempt(call)
        finally:
            self.sending -= 1
            slots.release()

    async def _pause(self, call: Call, seconds: float) -> None:
        self.pausing += 1
        try:
            with call.idle():
                await asyncio.sleep(seconds)
        finally:
            self.pausing -= 1

    async def _attempt(self, call: Call) -> Reply:
        await self._open(call)
        call.attempts += 1
        request = call.request
        try:
            completion = await self._complete(request, call.sampling)
        except AttemptFailed:
            raise
        except BaseException:
            call.abandon()
            raise
        self._known.add(request.target.model)
        completion = replace(completion, text=storable(self._redactor.values(completion.text)))
        if _empty(completion) and call.empty < min(EMPTY_RETRIES, self._retries):
            call.fail("empty reply", completion)
            call.empty += 1
            raise AttemptFailed("empty reply", transient=True, at_once=True)
        # What a candidate asks is its own: it has said how long a reply may be.
        if _only_thought(completion) and request.asker is None:
            self._think_less(call, completion)
        # After that, an empty reply is the model's answer: the step sees it and goes on,
        # where an error would stop the campaign, and stop it again when it is continued.
        return call.answer(completion)

    async def _open(self, call: Call) -> None:
        try:
            await call.open()
        except BudgetExhausted:
            if call.wider is None:
                raise
            raise _nothing_but_thinking(call, "and the budget has no room for more") from None

    def _think_less(self, call: Call, completion: Completion) -> None:
        """Have it asked once more with room for thoughts and reply, and less thinking."""
        sampling = call.sampling
        call.fail(
            f"all {sampling.max_tokens} tokens (models.max_tokens) went into thinking", completion
        )
        if call.wider is not None or not self._retries:
            raise _nothing_but_thinking(call, "and there is no reply")
        longest = self._longest_reply(call.request.target.model)
        room = WIDER * sampling.max_tokens
        if longest is not None:
            room = max(sampling.max_tokens, min(room, longest))
        call.wider = replace(sampling, max_tokens=room, effort=LITTLE_EFFORT)
        raise AttemptFailed("nothing but thinking", transient=True, at_once=True)

    def _gives_up(self, request: Request, state: RetryCallState, retries: int) -> bool:
        error, attempts = _failure(state), state.attempt_number
        if isinstance(error, AttemptFailed) and error.at_once:
            return False  # those have limits of their own
        never_reached = (
            isinstance(error, AttemptFailed) and error.unreachable and not self._knows(request)
        )
        return attempts > retries or (never_reached and attempts >= CONNECT_ATTEMPTS)

    def _knows(self, request: Request) -> bool:
        return request.target.model in self._known

    def _wait(self, state: RetryCallState) -> float:
        error = _failure(state)
        if not isinstance(error, AttemptFailed) or error.at_once:
            return 0.0
        return self._backoff.seconds(
            state.attempt_number, error.retry_after, overloaded=error.overloaded
        )

    def _tell(self, request: Request, state: RetryCallState) -> None:
        wait = state.next_action.sleep if state.next_action is not None else 0.0
        _log.info(
            "%s, step %d: attempt %d failed, next in %.1f s: %s",
            request.target.model,
            request.step,
            state.attempt_number,
            wait,
            self._redactor.redact(str(_failure(state))),
        )


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _empty(completion: Completion) -> bool:
    # "length" without text: a thinking model spent all its tokens, and would again.
    # "content_filter": the prompt is at fault, not chance.
    return not completion.text.strip() and completion.finish_reason in ("", "stop", "eos")


def _only_thought(completion: Completion) -> bool:
    return not completion.text.strip() and completion.finish_reason == LENGTH and completion.thought


def _nothing_but_thinking(call: Call, more: str) -> RequestRefused:
    request = call.request
    return RequestRefused(
        f"The model {request.target.model!r} (role {request.role}) spent all its "
        f"{request.sampling.max_tokens} tokens on thinking, {more}. Raise models.max_tokens, or "
        "take a model that thinks less."
    )
