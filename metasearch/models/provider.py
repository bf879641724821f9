"""The only module that calls litellm: what it knows of a model, one attempt."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from metasearch.errors import ModelSetupError
from metasearch.exchange import Message, Usage
from metasearch.models.attempt import AttemptFailed, Completion, Sampling, Target
from metasearch.models.embedding import is_embedding
from metasearch.models.faults import explain
from metasearch.models.reading import read_reply, read_stream, read_usage

OFFLINE = "offline/"

_PLACEHOLDER_KEY = "no-key-needed"
_NEEDS_NO_KEY = frozenset({"ollama", "ollama_chat", "lm_studio", "llamafile", "hosted_vllm"})
_FINDS_KEYS_ELSEWHERE = frozenset({"bedrock", "bedrock_converse", "sagemaker", "vertex_ai"})
"""Their credentials may come from files, profiles or the machine; the first call will tell."""

_TAKES_MARKS = frozenset(
    {"anthropic", "azure_ai", "bedrock", "bedrock_converse", "openrouter", "vertex_ai"}
)
_MARK = {"type": "ephemeral"}


class Provider:
    """litellm, loaded and quiet. Get it from :func:`metasearch.models.loading.load`."""

    def __init__(self, litellm: Any) -> None:
        self._litellm = litellm

    def target(self, model: str, api_base: str | None) -> Target:
        """Resolve a model name.

        Raises:
            ModelSetupError: The name has no provider that litellm knows, or its key is
                missing. Says what to change.
        """
        if model.startswith(OFFLINE):
            return Target(model, "offline", None, None)
        try:
            _, provider, _, _ = self._litellm.get_llm_provider(model=model, api_base=api_base)
        except self._litellm.exceptions.BadRequestError:
            raise ModelSetupError(self._unknown_name(model, api_base)) from None
        key_found = self._litellm.validate_environment(model=model, api_base=api_base)
        missing = [name for name in key_found["missing_keys"] if not name.endswith("_API_BASE")]
        if provider == "azure" and os.environ.get("AZURE_AD_TOKEN"):
            missing = [name for name in missing if name != "AZURE_API_KEY"]
        if key_found["keys_in_environment"] or not missing:
            return Target(model, provider, api_base, None)
        if api_base is not None:
            # A server of one's own seldom wants a key, but the OpenAI client insists on one.
            return Target(model, provider, api_base, _PLACEHOLDER_KEY)
        if provider in _NEEDS_NO_KEY or provider in _FINDS_KEYS_ELSEWHERE:
            return Target(model, provider, None, None)
        joint = " and " if provider == "azure" else " or "
        raise ModelSetupError(
            f"Model {model!r} needs a key: set the environment variable {joint.join(missing)}. "
            "For a local server give its address as models.api_base; with no key at all, "
            "use model offline/evolve."
        )

    def price_entry(self, model: str) -> Mapping[str, Any] | None:
        """The model's own row of litellm's local table.

        Not ``get_model_info``: for names outside the table it makes up a price of 0.
        """
        table: Mapping[str, Mapping[str, Any]] = self._litellm.model_cost
        try:
            name, provider, _, _ = self._litellm.get_llm_provider(model=model)
        except self._litellm.exceptions.BadRequestError:
            return table.get(model)
        for key in (model, f"{provider}/{name}"):
            if key in table:
                return table[key]
        entry = table.get(name)
        same = entry is not None and str(entry.get("litellm_provider", "")).startswith(provider)
        return entry if same else None

    def longest_reply(self, model: str) -> int | None:
        """The most tokens that the model writes in one reply; ``None`` if litellm does not know."""
        entry = self.price_entry(model) or {}
        most = entry.get("max_output_tokens")
        return most if isinstance(most, int) else None

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        timeout: float,  # noqa: ASYNC109 - passed on to the HTTP client, too
        stall: float | None = None,
    ) -> Completion:
        """One attempt. A schema is passed on to models that can keep their answer to one.

        Args:
            target: Whom to ask.
            messages: The prompt.
            sampling: How the reply is to be written.
            timeout: Seconds for all of it.
            stall: If given, the reply is taken in pieces, and given up after so many seconds
                without another one.

        Raises:
            AttemptFailed: With everything needed to decide what to do next.
        """
        options: dict[str, Any] = {}
        if sampling.effort is not None:
            options["reasoning_effort"] = sampling.effort
        if stall is not None:
            options |= {"stream": True, "stream_options": {"include_usage": True}}
        try:
            # The client's own timeout is for each read; a dripping reply would outlast it.
            async with asyncio.timeout(timeout):
                response = await self._litellm.acompletion(
                    model=target.model,
                    messages=self._marked(target, messages),
                    temperature=sampling.temperature,
                    max_tokens=sampling.max_tokens,
                    seed=sampling.seed,
                    timeout=timeout,
                    api_base=target.api_base,
                    api_key=target.api_key,
                    num_retries=0,
                    max_retries=0,
                    response_format=sampling.schema if self._keeps_to_schemas(target) else None,
                    **options,
                )
                if stall is not None:
                    return await read_stream(response, stall)
        except TimeoutError:
            raise AttemptFailed(f"no complete reply in {timeout:g} s", transient=True) from None
        except AttemptFailed:
            raise
        except Exception as error:
            # No cause: its text may hold a key, and tracebacks print causes.
            raise explain(self._litellm, error, timeout) from None
        return read_reply(response)

    @lru_cache(maxsize=64)  # noqa: B019 - there is one provider
    def _keeps_to_schemas(self, target: Target) -> bool:
        return target.provider != "offline" and bool(
            self._litellm.supports_response_schema(model=target.model)
        )

    def caches_where_marked(self, target: Target) -> bool:
        """Whether the model keeps prompts for later calls if, and where, it is told to.

        Claude does, whoever hosts it. OpenAI and Gemini keep prompts by themselves.
        """
        if "claude" not in target.model or target.provider not in _TAKES_MARKS:
            return False
        # Reads litellm's own table, which says nothing of names that are not in it.
        return bool(self._litellm.utils.supports_prompt_caching(model=target.model))

    def _marked(self, target: Target, messages: Sequence[Message]) -> list[dict[str, Any]]:
        plain: list[dict[str, Any]] = [{"role": m.role, "content": m.content} for m in messages]
        if not self.caches_where_marked(target):
            return plain
        for place in stable_ends(messages):
            content = {"type": "text", "text": messages[place].content, "cache_control": _MARK}
            plain[place]["content"] = [content]
        return plain

    async def embed(
        self,
        target: Target,
        text: str,
        *,
        timeout: float,  # noqa: ASYNC109 - passed on to the HTTP client, too
    ) -> tuple[list[float], Usage | None]:
        """One attempt at the embedding of a text, and what it took.

        Raises:
            AttemptFailed: With everything needed to decide what to do next.
        """
        try:
            async with asyncio.timeout(timeout):
                response = await self._litellm.aembedding(
                    model=target.model,
                    input=[text],
                    timeout=timeout,
                    api_base=target.api_base,
                    api_key=target.api_key,
                    encoding_format="float",
                    max_retries=0,
                )
        except TimeoutError:
            raise AttemptFailed(f"no embedding in {timeout:g} s", transient=True) from None
        except Exception as error:
            # No cause: its text may hold a key, and tracebacks print causes.
            raise explain(self._litellm, error, timeout) from None
        data = response.data[0] if response.data else {}
        vector = data.get("embedding") if hasattr(data, "get") else None
        if not is_embedding(vector):
            raise AttemptFailed("the reply holds no embedding", transient=True)
        return vector, read_usage(getattr(response, "usage", None))

    async def close(self) -> None:
        """Close the connections that litellm keeps open."""
        await self._litellm.close_litellm_async_clients()

    def _unknown_name(self, model: str, api_base: str | None) -> str:
        providers = [getattr(name, "value", str(name)) for name in self._litellm.provider_list]
        prefix, slash, rest = model.partition("/")
        close = difflib.get_close_matches(prefix, providers, n=1) if slash else []
        if close:
            hint = f"Did you mean {close[0]}/{rest}?"
        elif api_base is not None:
            hint = f"For an OpenAI-compatible server write openai/{model}."
        else:
            names = difflib.get_close_matches(model, self._litellm.model_cost, n=1, cutoff=0.7)
            hint = f"Did you mean {names[0]}?" if names else "Names look like openai/gpt-4o-mini."
        return f"litellm knows no provider for model {model!r}. {hint}"


def stable_ends(messages: Sequence[Message]) -> list[int]:
    """The places up to which a prompt is worth keeping, because it will come again.

    The system message is the same for a whole campaign. A conversation that has gone on twice
    is taken to go on again. A first answer mostly gets no second turn, and keeping costs more
    than sending once, so no prompt is kept for one.
    """
    ends = [0] if len(messages) > 1 and messages[0].role == "system" else []
    if sum(message.role == "assistant" for message in messages) >= 2:
        ends.append(len(messages) - 1)
    return [place for place in ends if messages[place].content]
