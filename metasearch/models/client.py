"""One client for all models: journal first, budget reserved, faults retried.

The way of a call: the journal may hold its reply already; else the most that it may cost is
reserved, the call is recorded as pending and sent; the reply is stored, and the reservation
settled in the same turn of the event loop, before anybody sees it. Whatever kills the engine
in between, a reply that had arrived is never bought again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, get_args

from pydantic import BaseModel

from metasearch.campaign import ModelSection, Price, Role
from metasearch.errors import ModelSetupError, ModelUnavailable, RequestRefused
from metasearch.exchange import Message, Usage
from metasearch.models.attempt import Sampling
from metasearch.models.call import Request, derived_seed, most_tokens
from metasearch.models.embedding import EMBED, read_vector
from metasearch.models.endpoints import Endpoints
from metasearch.models.ensemble import draw
from metasearch.models.journal import Journal
from metasearch.models.ledger import Ledger
from metasearch.models.prices import most
from metasearch.models.redaction import Redactor, storable
from metasearch.models.replay import Recording
from metasearch.models.rest import rest_of, whole
from metasearch.models.retrying import Attempts, Backoff
from metasearch.models.routing import Route, Router
from metasearch.models.stored import find_stored, lacks_rest
from metasearch.step import Reply

_log = logging.getLogger("metasearch.models")


@dataclass(frozen=True)
class _Question:
    """An ask, with the model that is wanted: another may answer while that is down."""

    model: str
    step: int
    call: int
    asker: int | None
    role: Role
    sampling: Sampling


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
        router: Router | None = None,
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
            router: Keeps count of which models are down.
        """
        self._settings = settings
        self._archive = archive
        self._ledger = ledger
        self._seed = seed
        self._endpoints = Endpoints(settings, ledger.usd_limit, prices or {}, recordings or {})
        self._embedding = embedding
        self._redactor = Redactor()
        self._router = router or Router()
        self._attempts = Attempts(
            self._endpoints.complete,
            archive,
            ledger,
            self._redactor,
            backoff or Backoff(),
            settings.retries,
            concurrency,
            self._endpoints.longest_reply,
        )

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
            try:
                for model in self._models_of(role):
                    await self._endpoints.prepare(model)
            except ModelSetupError as error:
                raise ModelSetupError(f"The model for role {role!r} cannot be used. {error}") from (
                    error.__cause__
                )
        if self._embedding is not None:
            await self._endpoints.prepare(self._embedding)
        return dict(self._endpoints.prices)

    async def ask(
        self,
        *,
        step: int,
        call: int,
        asker: int | None = None,
        role: Role,
        messages: Sequence[Message],
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
        schema: type[BaseModel] | None = None,
    ) -> Reply:
        """The reply to a prompt, from the journal if it has been given before.

        Args:
            step: The asking step's number.
            call: Counts the asks of the asker; (step, call, asker) names the reply.
            asker: The number of the candidate that asks while it is evaluated; the step itself
                if not given.
            role: What it is asked for.
            messages: The prompt.
            model: Which one of the role's; if not given one by its weight, the same for every
                asker's call of this number, so that candidates are measured alike.
            temperature: Instead of the role's or the campaign's.
            max_tokens: Instead of the campaign's.
            seed: Instead of the one derived from campaign seed, step, call and asker.
            schema: What the answer is to fit; given to providers that can keep to one.

        Raises:
            BudgetExhausted: The most that it may cost does not fit the budget.
            ModelSetupError: The provider refuses key, model or request.
            ContextOverflow: The prompt is too long for the model.
            RequestRefused: It refuses this one prompt or request, and has answered others.
            ModelUnavailable: The provider is down, after all retries.
            ModelError: It failed for good.
        """
        asked = self._clean(messages)
        stored = find_stored(self._archive, step, call, asker, asked)
        if stored.reply is not None:
            return stored.reply
        settings = self._settings
        if model is None:
            arm = draw(settings.ensemble_for(role), random.Random(f"{self._seed}/{call}"))
            model = arm.model
            temperature = arm.temperature if temperature is None else temperature
        question = _Question(
            model=model,
            step=step,
            call=call,
            asker=asker,
            role=role,
            sampling=Sampling(
                temperature=settings.temperature if temperature is None else temperature,
                max_tokens=settings.max_tokens if max_tokens is None else max_tokens,
                seed=derived_seed(self._seed, step, call, asker) if seed is None else seed,
                schema=schema,
            ),
        )
        first = stored.first
        try:
            if first is None:
                first = await self._answer(question, asked)
            if not lacks_rest(first, asker):
                return first
            return whole(first, await self._answer(question, rest_of(asked, first.text), part=2))
        except RequestRefused:
            if first is None:
                raise
            return first  # the provider takes no second part: what there is must do

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
            request = Request(
                step=step,
                call=call,
                asker=None,
                role=EMBED,
                target=await self._endpoints.prepare(model),
                price=self._endpoints.prices[model],
                messages=messages,
                sampling=Sampling(temperature=0.0, max_tokens=0, seed=0),
            )
            reply = await self._attempts.reply(request)
        return read_vector(reply.text)

    async def upper_bound(
        self, role: Role, messages: Sequence[Message], max_tokens: int
    ) -> tuple[float | None, int]:
        """The most USD (``None``: unknown) and tokens that one attempt at a call may take."""
        input_tokens = most_tokens(self._clean(messages))
        costs = []
        for model in self._models_of(role):
            await self._endpoints.prepare(model)
            costs.append(most(self._endpoints.prices[model], input_tokens, max_tokens))
        known = [usd for usd in costs if usd is not None]
        return max(known) if len(known) == len(costs) else None, input_tokens + max_tokens

    async def prompt_tokens(self, role: Role) -> int:
        """Most tokens of a prompt: as set, or what each model of the role takes besides a reply."""
        if self._settings.prompt_tokens is not None:
            return self._settings.prompt_tokens
        return min([await self._endpoints.prompt_tokens(model) for model in self._models_of(role)])

    def recall(
        self, step: int, call: int, messages: Sequence[Message], asker: int | None = None
    ) -> Reply | None:
        """The stored reply to a call, if it was given to these very messages, and whole."""
        return find_stored(self._archive, step, call, asker, self._clean(messages)).reply

    async def close(self) -> None:
        """Close open connections."""
        await self._endpoints.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def widen(self, concurrency: int) -> None:
        """Allow another number of calls in flight, for those that are asked from now on."""
        self._attempts.widen(concurrency)

    @property
    def in_flight(self) -> int:
        """Calls that are under way now, waits between their attempts included."""
        return self._attempts.sending + self._attempts.pausing

    @property
    def pausing(self) -> int:
        """Those of them that wait between two attempts."""
        return self._attempts.pausing

    @property
    def usage(self) -> Usage:
        """What all calls of the campaign have cost so far, those of earlier runs included."""
        return self._ledger.spent

    def _clean(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as they are sent and stored: without keys, and fit for a file."""
        return tuple(
            Message(role=m.role, content=storable(self._redactor.values(m.content)))
            for m in messages
        )

    async def _answer(
        self, question: _Question, messages: tuple[Message, ...], part: int = 1
    ) -> Reply:
        """The reply of the role's model, or of its fallback while that is down."""
        role = question.role
        route = self._router.route(question.model, self._settings.fallback_for(role))
        while True:
            request = Request(
                step=question.step,
                call=question.call,
                asker=question.asker,
                role=role,
                target=await self._endpoints.prepare(route.model),
                price=self._endpoints.prices[route.model],
                messages=messages,
                sampling=question.sampling,
                part=part,
            )
            try:
                reply = await self._attempts.reply(request, retries=0 if route.is_trial else None)
            except ModelUnavailable as error:
                if self._router.failed(route.model):
                    _log.warning("%s counts as down", route.model)
                if route.fallback is None:
                    raise
                _log.warning("%s is asked instead: %s", route.fallback, error)
                route = Route(route.fallback)
            except RequestRefused:
                self._router.answered(route.model)
                raise
            else:
                self._router.answered(route.model)
                return reply

    def _models_of(self, role: Role) -> tuple[str, ...]:
        """All models that may answer for a role."""
        fallback = self._settings.fallback_for(role)
        models = tuple(self._settings.models_for(role))
        return models if fallback is None else (*models, fallback)
