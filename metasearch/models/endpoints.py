"""Where a campaign's models are asked: at a provider, offline, or in a recording."""

from __future__ import annotations

from collections.abc import Mapping

from metasearch.campaign import ModelSection, Price
from metasearch.errors import ModelSetupError
from metasearch.models.attempt import Completion, Sampling, Target
from metasearch.models.call import Request
from metasearch.models.embedding import EMBED, vector_text
from metasearch.models.ledger import unknown_price
from metasearch.models.loading import load
from metasearch.models.prices import FREE, freeze_prices
from metasearch.models.provider import OFFLINE, Provider
from metasearch.models.replay import Recording

PROMPT_TOKENS = 100_000
"""Of a prompt for a model whose context litellm's table does not know."""


class Endpoints:
    """Makes each model ready once, at its first use, and takes single attempts to it.

    Attributes:
        prices: Of the models that are ready; ``None`` where a price is unknown.
    """

    def __init__(
        self,
        settings: ModelSection,
        usd_limit: float | None,
        frozen: Mapping[str, Price | None],
        recordings: Mapping[str, Recording],
    ) -> None:
        """Prepare; nothing is imported or sent yet.

        Args:
            settings: The campaign's ``[models]``.
            usd_limit: The budget, if there is one in money: then each price must be known.
            frozen: Prices of an earlier run of the campaign.
            recordings: What answers for models that are replayed, by their names.
        """
        self._settings = settings
        self._usd_limit = usd_limit
        self._frozen = {m: p for m, p in frozen.items() if p is not None}
        self._recordings = recordings
        self._targets: dict[str, Target] = {}
        self._provider: Provider | None = None
        self.prices: dict[str, Price | None] = {}

    async def prepare(self, model: str) -> Target:
        """Make a model ready.

        Raises:
            ModelSetupError: What is wrong, and what to change.
        """
        if model in self._recordings and model not in self._targets:
            self.prices[model] = FREE
            self._targets[model] = Target(model, "offline", None, None)
        if model not in self._targets:
            self._provider = await load(offline=model.startswith(OFFLINE))
            target = self._provider.target(model, self._settings.api_base_of(model))
            known = {**self._frozen, **self._settings.prices}
            price = freeze_prices([model], known, self._provider)[model]
            if price is None and self._usd_limit is not None:
                raise ModelSetupError(unknown_price(model, self._usd_limit))
            self.prices[model] = price
            self._targets[model] = target
        return self._targets[model]

    async def complete(self, request: Request, sampling: Sampling) -> Completion:
        """Make one attempt at a call.

        Raises:
            AttemptFailed: How it failed.
        """
        recording = self._recordings.get(request.target.model)
        if recording is not None:
            place = (request.step, request.call, request.asker)
            return recording.completion(place, request.messages, part=request.part)
        if self._provider is None:
            raise RuntimeError("a call before its model was prepared")
        if request.role == EMBED:
            vector, usage = await self._provider.embed(
                request.target, request.messages[0].content, timeout=self._settings.timeout
            )
            return Completion(vector_text(vector), "stop", usage)
        streams = self._settings.stream and not request.target.model.startswith(OFFLINE)
        return await self._provider.complete(
            request.target,
            request.messages,
            sampling,
            timeout=self._settings.timeout,
            stall=self._settings.stall if streams else None,
        )

    async def prompt_tokens(self, model: str) -> int:
        """Tokens of a model's context besides a reply."""
        await self.prepare(model)
        entry = None if self._provider is None else self._provider.price_entry(model)
        window = None if entry is None else entry.get("max_input_tokens")
        if not isinstance(window, int) or window <= 0:
            return PROMPT_TOKENS
        return max(window - self._settings.max_tokens, window // 2)

    def longest_reply(self, model: str) -> int | None:
        """The most tokens that a model writes, as far as that is known."""
        return None if self._provider is None else self._provider.longest_reply(model)

    async def close(self) -> None:
        """Close open connections."""
        if self._provider is not None:
            await self._provider.close()
