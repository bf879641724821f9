"""One client for all models: journal first, budget reserved, faults retried.

The way of a call: the journal may hold its reply already; else the most that it may cost is
reserved, the call is recorded as pending and sent; the reply is stored, and the reservation
settled in the same turn of the event loop, before anybody sees it. Whatever kills the engine
in between, a reply that had arrived is never bought again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, get_args

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from metasearch.campaign import ModelSection, Price, Role
from metasearch.errors import ModelError, ModelSetupError, ModelUnavailable, RequestRefused
from metasearch.exchange import ExchangeState, Message, Usage
from metasearch.models.call import Call, Request, most_tokens
from metasearch.models.embedding import EMBED, read_vector, vector_text
from metasearch.models.journal import Journal
from metasearch.models.ledger import Ledger, unknown_price
from metasearch.models.prices import FREE, freeze_prices, most
from metasearch.models.provider import (
    OFFLINE,
    AttemptFailed,
    Completion,
    Provider,
    Target,
    load,
)
from metasearch.models.redaction import Redactor
from metasearch.models.replay import Recording
from metasearch.step import Reply

EMPTY_RETRIES = 2
"""Empty replies are billed like others, so they are asked again less often than faults are."""
CONNECT_ATTEMPTS = 3
"""Refused connections after which a server that has never answered counts as not there."""

_log = logging.getLogger("metasearch.models")


@dataclass(frozen=True)
class Backoff:
    """How long to wait before another attempt: doubling, with jitter."""

    first: float = 1.0
    """Seconds before the second attempt, at most; at least half of it."""
    longest: float = 60.0
    longest_asked: float = 600.0
    """Most seconds that a provider's own ``Retry-After`` is heeded for."""

    def seconds(self, attempt: int, asked: float | None) -> float:
        """The wait after a number of attempts, given what the provider asked for."""
        own = min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
        own *= random.uniform(0.5, 1.0)
        return own if asked is None else max(own, min(asked, self.longest_asked))


class ModelClient:
    """Asks the campaign's models, and never twice for what it has been answered.

    Belongs to one campaign and one event loop.
    """

    def __init__(
        self,
        settings: ModelSection,
        archive: Journal,
        ledger: Ledger,
        seed: int,
        concurrency: int,
        *,
        prices: Mapping[str, Price | None] | None = None,
        recordings: Mapping[str, Recording] | None = None,
        embedding: str | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Prepare; nothing is imported or sent yet.

        Args:
            settings: The campaign's ``[models]``.
            archive: Where calls are recorded and found again.
            ledger: Keeps the budget.
            seed: The campaign's; each call's own seed is derived from it.
            concurrency: Most calls in flight.
            prices: Prices frozen when the campaign started, as :meth:`check` gave them.
            recordings: What answers for models that are replayed, by their names.
            embedding: The embedding model that will be asked for, if any.
            backoff: Waits between attempts.
        """
        self._settings = settings
        self._archive = archive
        self._ledger = ledger
        self._seed = seed
        self._slots = asyncio.Semaphore(concurrency)
        self._frozen = {m: p for m, p in (prices or {}).items() if p is not None}
        self._recordings = recordings or {}
        self._embedding = embedding
        self._prices: dict[str, Price | None] = {}
        self._targets: dict[str, Target] = {}
        self._answering: set[str] = set()
        self._backoff = backoff or Backoff()
        self._redactor = Redactor()
        self._provider: Provider | None = None
        self.in_flight = 0
        """Calls that are under way now, waits between their attempts included."""

    async def check(self, roles: Iterable[Role] | None = None) -> dict[str, Price | None]:
        """Find out, before anything is paid for, whether the models of these roles can be used.

        Args:
            roles: Those that the strategy asks; all if not given.

        Returns:
            The price of each model, ``None`` where it is unknown; to be stored with the
            campaign and given to the client of its next run.

        Raises:
            ModelSetupError: Which role and model, what is wrong, and what to change.
        """
        for role in get_args(Role) if roles is None else roles:
            model = self._settings.model_for(role)
            try:
                await self._prepare(model)
            except ModelSetupError as error:
                raise ModelSetupError(f"The model for role {role!r} cannot be used. {error}") from (
                    error.__cause__
                )
        if self._embedding is not None:
            await self._prepare(self._embedding)
        return dict(self._prices)

    async def ask(
        self,
        *,
        step: int,
        call: int,
        asker: int | None = None,
        role: Role,
        messages: Sequence[Message],
        temperature: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> Reply:
        """The reply to a prompt, from the journal if it has been given before.

        Args:
            step: The asking step's number.
            call: Counts the asks of the asker; (step, call, asker) names the reply.
            asker: The number of the candidate that asks while it is evaluated; the step itself
                if not given.
            role: Decides the model.
            messages: The prompt.
            temperature: Instead of the campaign's.
            max_tokens: Instead of the campaign's.
            seed: Instead of the one derived from campaign seed, step, call and asker.

        Raises:
            BudgetExhausted: The most that it may cost does not fit the budget.
            ModelSetupError: The provider refuses key, model or request.
            RequestRefused: It refuses this one prompt or request, and has answered others.
            ModelUnavailable: The provider is down, after all retries.
            ModelError: It failed for good.
        """
        reply = self.recall(step, call, messages, asker)
        if reply is not None:
            return reply
        model = self._settings.model_for(role)
        target = await self._prepare(model)
        request = Request(
            step=step,
            call=call,
            asker=asker,
            role=role,
            target=target,
            price=self._prices[model],
            messages=self._clean(messages),
            temperature=self._settings.temperature if temperature is None else temperature,
            max_tokens=self._settings.max_tokens if max_tokens is None else max_tokens,
            seed=_derived(self._seed, step, call, asker) if seed is None else seed,
        )
        return await self._sent(request)

    async def embed(self, *, step: int, call: int, model: str, text: str) -> list[float]:
        """The embedding of a text, from the journal if it was bought before.

        It is an exchange like all others, with the role ``embed`` and the vector as its reply.

        Args:
            step: In whose name.
            call: Its place there; no ask of the step may have the same.
            model: An embedding model's litellm name.
            text: What to embed.

        Raises:
            BudgetExhausted: The most that it may cost does not fit the budget.
            ModelError: As for :meth:`ask`.
        """
        messages = self._clean([Message(role="user", content=text)])
        reply = self.recall(step, call, messages)
        if reply is None:
            target = await self._prepare(model)
            price = self._prices[model]
            request = Request(step, call, None, EMBED, target, price, messages, 0.0, 0, 0)
            reply = await self._sent(request)
        return read_vector(reply.text)

    async def _sent(self, request: Request) -> Reply:
        async with self._slots:
            self.in_flight += 1
            try:
                return await self._with_retries(request)
            finally:
                self.in_flight -= 1

    async def upper_bound(
        self, role: Role, messages: Sequence[Message], max_tokens: int
    ) -> tuple[float | None, int]:
        """The most USD (``None``: unknown) and tokens that one attempt at a call may take."""
        model = self._settings.model_for(role)
        await self._prepare(model)
        input_tokens = most_tokens(self._clean(messages))
        return most(self._prices[model], input_tokens, max_tokens), input_tokens + max_tokens

    def recall(
        self, step: int, call: int, messages: Sequence[Message], asker: int | None = None
    ) -> Reply | None:
        """The stored reply to a call, if it was given to these very messages."""
        earlier = self._archive.exchange(step, call, asker)
        if earlier is None or earlier.state is not ExchangeState.ANSWERED:
            return None
        if earlier.messages == self._clean(messages):
            return Reply(earlier.reply, earlier.usage, earlier.finish_reason, replayed=True)
        # A strategy that was edited since, or that depends on more than archive, seed and
        # step, asks another question now; so does a candidate whose threads race. The old
        # reply would be taken for an answer to it; it stays on record, and the new question
        # is asked under the same name.
        _log.warning("call %d of step %d asks something else than before", call, step)
        return None

    async def close(self) -> None:
        """Close open connections."""
        if self._provider is not None:
            await self._provider.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def usage(self) -> Usage:
        """What all calls of the campaign have cost so far, those of earlier runs included."""
        return self._ledger.spent

    def _clean(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as they are sent and stored: without keys, and fit for a file."""
        return tuple(
            Message(role=m.role, content=_storable(self._redactor.values(m.content)))
            for m in messages
        )

    async def _prepare(self, model: str) -> Target:
        if model in self._recordings and model not in self._targets:
            self._prices[model] = FREE
            self._targets[model] = Target(model, "offline", None, None)
        if model not in self._targets:
            self._provider = await load(offline=model.startswith(OFFLINE))
            target = self._provider.target(model, self._settings.api_base)
            known = {**self._frozen, **self._settings.prices}
            price = freeze_prices([model], known, self._provider)[model]
            if price is None and self._ledger.usd_limit is not None:
                raise ModelSetupError(unknown_price(model, self._ledger.usd_limit))
            self._prices[model] = price
            self._targets[model] = target
        return self._targets[model]

    async def _with_retries(self, request: Request) -> Reply:
        call = Call(request, self._archive, self._ledger)
        retrying = AsyncRetrying(
            stop=lambda state: self._gives_up(request, state),
            wait=self._wait,
            sleep=call.pause,
            retry=retry_if_exception(lambda e: isinstance(e, AttemptFailed) and e.transient),
            before_sleep=lambda state: self._tell(request, state),
            reraise=True,
        )
        try:
            return await retrying(self._attempt, call)
        except AttemptFailed as failure:
            text = self._redactor.redact(str(failure))
            attempts = retrying.statistics.get("attempt_number", 1)
            if call.is_open:
                call.fail(text)
            raise self._final(request, failure, text, attempts) from None

    async def _attempt(self, call: Call) -> Reply:
        await call.open()
        call.attempts += 1
        request = call.request
        try:
            completion = await self._complete(request, call.seed)
        except AttemptFailed:
            raise
        except BaseException:
            call.abandon()
            raise
        self._answering.add(request.target.model)
        completion = replace(completion, text=_storable(self._redactor.values(completion.text)))
        if _empty(completion) and call.empty < min(EMPTY_RETRIES, self._settings.retries):
            call.fail("empty reply", completion)
            call.empty += 1
            raise AttemptFailed("empty reply", transient=True)
        # After that, an empty reply is the model's answer: the step sees it and goes on,
        # where an error would stop the campaign, and stop it again when it is continued.
        return call.answer(completion)

    async def _complete(self, request: Request, seed: int) -> Completion:
        recording = self._recordings.get(request.target.model)
        if recording is not None:
            return recording.completion(
                (request.step, request.call, request.asker), request.messages
            )
        if self._provider is None:
            raise RuntimeError("a call before its model was prepared")
        if request.role == EMBED:
            vector, usage = await self._provider.embed(
                request.target, request.messages[0].content, timeout=self._settings.timeout
            )
            return Completion(vector_text(vector), "stop", usage)
        return await self._provider.complete(
            request.target,
            request.messages,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            seed=seed,
            timeout=self._settings.timeout,
        )

    def _gives_up(self, request: Request, state: RetryCallState) -> bool:
        attempts = state.attempt_number
        never_reached = self._never_reached(request, _failure(state))
        return attempts > self._settings.retries or (never_reached and attempts >= CONNECT_ATTEMPTS)

    def _never_reached(self, request: Request, error: BaseException | None) -> bool:
        unreachable = isinstance(error, AttemptFailed) and error.unreachable
        return unreachable and request.target.model not in self._answering

    def _wait(self, state: RetryCallState) -> float:
        error = _failure(state)
        asked = error.retry_after if isinstance(error, AttemptFailed) else None
        return self._backoff.seconds(state.attempt_number, asked)

    def _tell(self, request: Request, state: RetryCallState) -> None:
        error = _failure(state)
        wait = state.next_action.sleep if state.next_action is not None else 0.0
        _log.info(
            "%s, step %d: attempt %d failed, next in %.1f s: %s",
            request.target.model,
            request.step,
            state.attempt_number,
            wait,
            self._redactor.redact(str(error)),
        )

    def _final(
        self, request: Request, failure: AttemptFailed, text: str, attempts: int
    ) -> ModelError:
        target = request.target
        who = f"model {target.model!r} (role {request.role})"
        key = f"{target.provider.upper()}_API_KEY"
        if target.model in self._recordings:
            return ModelError(f"Nothing more to replay from {target.model!r}: {text}.")
        if failure.about_prompt:
            return RequestRefused(f"The provider of {who} refuses this prompt: {text}")
        if self._never_reached(request, failure):
            where = "models.api_base" if target.api_base else f"{target.provider.upper()}_API_BASE"
            return ModelSetupError(
                f"The {who} cannot be reached, tried {attempts} times: {text}. Is its server "
                f"running, and the address right ({where})?"
            )
        if failure.transient:
            return ModelUnavailable(
                f"The {who} gave no reply in {attempts} attempts; the last error: {text}."
            )
        match failure.status:
            case 401 | 403:
                return ModelSetupError(
                    f"The provider of {who} refuses the key: {text}. Check the environment "
                    f"variable that holds it (usually {key})."
                )
            case 402:
                return ModelSetupError(
                    f"The account behind {who} has no credit left: {text}. Add credit, or set "
                    f"another key (usually {key})."
                )
            case 404:
                return ModelSetupError(
                    f"The provider does not know {who}: {text}. Check its name under [models]"
                    + (f", and models.api_base ({target.api_base})." if target.api_base else ".")
                )
        # What a candidate asks is its own: its odd requests stop no campaign.
        if target.model in self._answering or request.asker is not None:
            return RequestRefused(f"The provider of {who} refuses this request: {text}")
        return ModelSetupError(
            f"The provider of {who} refuses the request: {text}. Check name and settings "
            "under [models] (max_tokens, temperature)."
        )


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _empty(completion: Completion) -> bool:
    # "length" without text: a thinking model spent all its tokens, and would again.
    # "content_filter": the prompt is at fault, not chance.
    return not completion.text.strip() and completion.finish_reason in ("", "stop", "eos")


def _derived(seed: int, step: int, call: int, asker: int | None) -> int:
    """A call's own seed: 31 bits, since some providers take no more."""
    name = f"{seed}:{step}:{call}" if asker is None else f"{seed}:{step}:{asker}:{call}"
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _storable(text: str) -> str:
    """The text without lone surrogates, which JSON may carry and no file can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
