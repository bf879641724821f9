"""One tiny call to a model, and all that is known of it: what ``doctor --model`` tells."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from metasearch.campaign import ModelSection, Price
from metasearch.errors import MetasearchError
from metasearch.exchange import Message, Usage
from metasearch.models.client import ModelClient
from metasearch.models.ledger import Ledger
from metasearch.models.loading import load
from metasearch.models.memory_journal import MemoryJournal
from metasearch.models.prices import freeze_prices
from metasearch.models.provider import OFFLINE

QUESTION = "Answer with the single word: ready"
MAX_TOKENS = 64
"""Of the answer. A thinking model may spend them all on thought; it has answered all the same."""

_FEATURES = {
    "response schema": "supports_response_schema",
    "prompt caching": "supports_prompt_caching",
    "reasoning effort": "supports_reasoning",
    "streaming": "supports_native_streaming",
    "vision": "supports_vision",
}
"""What people call it -> what litellm's table calls it."""

_KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "azure": ("AZURE_API_KEY", "AZURE_AD_TOKEN"),
    "bedrock": (
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ),
    "gemini": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "huggingface": ("HUGGINGFACE_API_KEY", "HF_TOKEN"),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_API_KEY"),
    "vertex_ai": ("GOOGLE_APPLICATION_CREDENTIALS", "VERTEXAI_CREDENTIALS"),
}
"""Where litellm looks for the keys of providers that have more than one name for it."""


@dataclass(frozen=True)
class Probe:
    """What is known of a model."""

    model: str
    problem: str = ""
    """Why it cannot be used, and what to do; empty if it has answered."""
    provider: str | None = None
    """``None`` if litellm knows none for the name, or a key is missing."""
    key: str | None = None
    """The environment variable that its key was found in; never the key."""
    price: Price | None = None
    context_window: int | None = None
    """Most input tokens, where litellm knows."""
    longest_reply: int | None = None
    """Most output tokens, likewise."""
    features: dict[str, bool | None] | None = None
    """By name; ``None`` for what litellm does not know."""
    seconds: float | None = None
    """How long the call took."""
    usage: Usage | None = None


def key_names(provider: str) -> tuple[str, ...]:
    """The environment variables in which a provider's key may stand, those looked at first."""
    return _KEYS.get(provider, (f"{provider.upper()}_API_KEY",))


async def probe(model: str, api_base: str | None = None) -> Probe:
    """Find out what there is to know, and ask the model one question."""
    settings = ModelSection(
        default=model, api_base=api_base, max_tokens=MAX_TOKENS, retries=1, timeout=60.0
    )
    try:
        known = await _known(model, api_base)
    except MetasearchError as error:
        return Probe(model, problem=str(error))
    try:
        async with ModelClient(settings, MemoryJournal(), Ledger(), 0, concurrency=1) as client:
            reply = await client.ask(
                step=0, call=0, role="propose", messages=[Message(role="user", content=QUESTION)]
            )
    except MetasearchError as error:
        return replace(known, problem=str(error))
    return replace(known, seconds=reply.usage.seconds, usage=reply.usage)


async def _known(model: str, api_base: str | None) -> Probe:
    provider = await load(offline=model.startswith(OFFLINE))
    target = provider.target(model, api_base)
    entry = provider.price_entry(model) or {}
    features: dict[str, bool | None] = {
        name: entry.get(column) for name, column in _FEATURES.items()
    }
    if provider.caches_where_marked(target):
        features["prompt caching"] = True
    context, reply = entry.get("max_input_tokens"), entry.get("max_output_tokens")
    return Probe(
        model=model,
        provider=target.provider,
        key=next((name for name in key_names(target.provider) if os.environ.get(name)), None),
        price=freeze_prices([model], {}, provider)[model],
        context_window=context if isinstance(context, int) else None,
        longest_reply=reply if isinstance(reply, int) else None,
        features=features,
    )
