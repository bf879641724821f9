"""Prices, frozen when a campaign starts, and what calls cost by them.

A provider's price list may change while a campaign runs; its own stays, so that its budget
means the same at the end as at the start. The lead of the run stores what
:func:`freeze_prices` gives and hands it back on the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metasearch.campaign import Price, PriceTier
from metasearch.exchange import Usage
from metasearch.models.provider import Provider

MILLION = 1_000_000
FREE = Price(input=0.0, output=0.0)
"""What offline models cost: nothing, and that is known."""

_ABOVE = "input_cost_per_token_above_"


def freeze_prices(
    models: Iterable[str], known: Mapping[str, Price], provider: Provider
) -> dict[str, Price | None]:
    """The price of each model, ``None`` where it is unknown.

    Args:
        models: Model names as in the campaign file.
        known: Prices that count before litellm's: the campaign's own, or stored ones.
        provider: Where litellm's local table is read.
    """
    prices: dict[str, Price | None] = {}
    for model in models:
        if model in known:
            prices[model] = known[model]
        elif model.startswith("offline/"):
            prices[model] = FREE
        else:
            entry = provider.price_entry(model)
            prices[model] = None if entry is None else _price(entry)
    return prices


def _price(entry: Mapping[str, Any]) -> Price | None:
    """An entry of litellm's table, in USD per token, as a price."""
    if entry.get("input_cost_per_token") is None or entry.get("output_cost_per_token") is None:
        return None
    tiers = []
    for key, value in entry.items():
        size = key.removeprefix(_ABOVE).removesuffix("k_tokens")
        if not key.startswith(_ABOVE) or not size.isdigit() or value is None:
            continue
        suffix = f"_above_{size}k_tokens"
        output = entry.get(f"output_cost_per_token{suffix}", entry["output_cost_per_token"])
        cached = entry.get(f"cache_read_input_token_cost{suffix}")
        written = entry.get(f"cache_creation_input_token_cost{suffix}")
        tiers.append(
            PriceTier(
                above=int(size) * 1000,
                input=_million(value),
                output=_million(output),
                cached=None if cached is None else _million(cached),
                cache_write=None if written is None else _million(written),
            )
        )
    cached = entry.get("cache_read_input_token_cost")
    written = entry.get("cache_creation_input_token_cost")
    reasoning = entry.get("output_cost_per_reasoning_token")
    return Price(
        input=_million(entry["input_cost_per_token"]),
        output=_million(entry["output_cost_per_token"]),
        cached=None if cached is None else _million(cached),
        cache_write=None if written is None else _million(written),
        reasoning=None if reasoning is None else _million(reasoning),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above)),
    )


def _million(per_token: float) -> float:
    # Rounded: the table holds floats such as 1.5e-07, whose product is 0.15000000000000002.
    return round(float(per_token) * MILLION, 9)


def cost(price: Price | None, usage: Usage) -> float | None:
    """What a call did cost in USD; ``None`` if the price is unknown."""
    if price is None:
        return None
    rate: Price | PriceTier = price
    for tier in price.tiers:
        if usage.input_tokens > tier.above:
            rate = tier
    cached = min(usage.cached_tokens, usage.input_tokens)
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    cached_price = rate.input if rate.cached is None else rate.cached
    written_price = rate.input if rate.cache_write is None else rate.cache_write
    thinking = rate.output if price.reasoning is None or rate is not price else price.reasoning
    return (
        (usage.input_tokens - cached - written) * rate.input
        + cached * cached_price
        + written * written_price
        + (usage.output_tokens - reasoning) * rate.output
        + reasoning * thinking
    ) / MILLION


def saved(price: Price | None, usage: Usage) -> float | None:
    """USD that a provider's cache took off a call, or less than 0; ``None`` if unknown."""
    spent = cost(price, usage)
    whole = cost(price, usage.model_copy(update={"cached_tokens": 0, "cache_write_tokens": 0}))
    return None if spent is None or whole is None else whole - spent


def most(price: Price | None, input_tokens: int, output_tokens: int) -> float | None:
    """The most that a call of at most so many tokens can cost; ``None`` if unknown."""
    if price is None:
        return None
    rates: list[Price | PriceTier] = [price]
    rates += [tier for tier in price.tiers if input_tokens > tier.above]
    into = max(max(rate.input, rate.cached or 0.0, rate.cache_write or 0.0) for rate in rates)
    out = max(max(rate.output for rate in rates), price.reasoning or 0.0)
    return (input_tokens * into + output_tokens * out) / MILLION
