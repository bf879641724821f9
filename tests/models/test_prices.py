"""Prices: frozen, unknown where unknown, and the most a call can cost is never too little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.campaign import Price, PriceTier
from metasearch.exchange import Usage
from metasearch.models.loading import load
from metasearch.models.prices import FREE, cost, freeze_prices, most, saved

LONG = Price(
    input=1.0,
    output=10.0,
    cached=0.1,
    tiers=(PriceTier(above=200_000, input=2.0, output=15.0, cached=0.2),),
)


async def test_prices_come_from_the_campaign_then_from_litellms_table() -> None:
    provider = await load()
    own = Price(input=3.0, output=4.0)
    prices = freeze_prices(
        ["gpt-4o", "openai/gpt-4o-mini", "openai/mine", "offline/evolve"],
        {"openai/mine": own},
        provider,
    )
    assert prices["gpt-4o"] == Price(input=2.5, output=10.0, cached=1.25)
    mini = prices["openai/gpt-4o-mini"]
    assert mini is not None
    assert (mini.input, mini.output) == (0.15, 0.6)
    assert prices["openai/mine"] == own
    assert prices["offline/evolve"] == FREE


async def test_models_outside_the_table_have_no_price() -> None:
    # litellm.get_model_info makes up a price of 0 for the second of these.
    names = ["openai/mine", "anthropic/claude-sonnet-9-20990101", "hosted_vllm/x", "nonsense"]
    prices = freeze_prices(names, {}, await load())
    assert prices == dict.fromkeys(names)


async def test_long_prompts_have_their_own_price() -> None:
    price = freeze_prices(["gemini/gemini-2.5-pro"], {}, await load())["gemini/gemini-2.5-pro"]
    assert price is not None
    (tier,) = price.tiers
    assert (tier.above, tier.input, tier.output) == (200_000, 2.5, 15.0)
    assert (price.input, price.output) == (1.25, 10.0)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(input_tokens=1000, output_tokens=100), 0.002),
        (Usage(input_tokens=1000, output_tokens=0, cached_tokens=1000), 0.0001),
        (Usage(input_tokens=200_000), 0.2),
        (Usage(input_tokens=200_001), 0.400002),
        (Usage(input_tokens=300_000, cached_tokens=300_000, output_tokens=1), 0.060015),
    ],
)
def test_cost_of_a_call(usage: Usage, usd: float) -> None:
    assert cost(LONG, usage) == pytest.approx(usd)


def test_thinking_may_have_its_own_price() -> None:
    price = Price(input=0.0, output=1.0, reasoning=3.0)
    usage = Usage(output_tokens=10, reasoning_tokens=4)
    assert cost(price, usage) == pytest.approx(18e-6)


async def test_what_goes_into_anthropics_cache_costs_a_quarter_more() -> None:
    """Anthropic's price list: 1.25 times the input price to write, a tenth to read."""
    name = "bedrock/anthropic.claude-sonnet-4-20250514-v1:0"
    price = freeze_prices([name], {}, await load())[name]
    assert price is not None
    assert (price.input, price.cache_write, price.cached) == (3.0, 3.75, 0.3)
    (tier,) = price.tiers
    assert (tier.input, tier.cache_write, tier.cached) == (6.0, 7.5, 0.6)
    writes = Usage(input_tokens=3000, cache_write_tokens=2000)
    reads = Usage(input_tokens=3000, cached_tokens=2000)
    assert cost(price, writes) == pytest.approx(0.0105)
    assert saved(price, writes) == pytest.approx(-0.0015)
    assert cost(price, reads) == pytest.approx(0.0036)
    assert saved(price, reads) == pytest.approx(0.0054)


def test_unknown_stays_unknown() -> None:
    assert cost(None, Usage(input_tokens=5)) is None
    assert most(None, 5, 5) is None
    assert saved(None, Usage(input_tokens=5, cached_tokens=5)) is None


amount = st.floats(0, 100)
rates = st.builds(
    Price,
    input=amount,
    output=amount,
    cached=st.none() | amount,
    cache_write=st.none() | amount,
    reasoning=st.none() | amount,
    tiers=st.just(())
    | st.tuples(
        st.builds(
            PriceTier,
            above=st.integers(0, 2000),
            input=amount,
            output=amount,
            cached=st.none() | amount,
            cache_write=st.none() | amount,
        )
    ),
)


@given(
    price=rates,
    input_tokens=st.integers(0, 4000),
    output_tokens=st.integers(0, 4000),
    cached=st.integers(0, 4000),
    written=st.integers(0, 4000),
    reasoning=st.integers(0, 4000),
    spare=st.integers(0, 2000),
)
def test_no_call_costs_more_than_was_reserved(
    price: Price,
    input_tokens: int,
    output_tokens: int,
    cached: int,
    written: int,
    reasoning: int,
    spare: int,
) -> None:
    usage = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )
    spent = cost(price, usage)
    limit = most(price, input_tokens + spare, output_tokens)
    assert spent is not None
    assert limit is not None
    assert spent <= limit + 1e-12
