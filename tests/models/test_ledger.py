"""The ledger never lets spent, held and reserved exceed the limit, in any order of events."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasearch.errors import BudgetExhausted, ModelSetupError
from metasearch.exchange import Message, Usage
from metasearch.models import Ledger, ModelClient
from metasearch.models.memory_journal import MemoryJournal
from metasearch.testing.model_server import Break, Fault, ModelServer


def used(usd: float | None, tokens: int = 0) -> Usage:
    return Usage(input_tokens=tokens, usd=usd)


async def test_without_limits_everything_fits() -> None:
    ledger = Ledger()
    reservation = await ledger.reserve(1e9, 10**12)
    ledger.settle(reservation, used(2.5, 7))
    assert (ledger.spent.usd, ledger.spent.tokens) == (2.5, 7)
    assert ledger.usd_left is None
    assert ledger.tokens_left is None


async def test_call_waits_while_one_in_flight_may_turn_out_cheaper() -> None:
    ledger = Ledger(usd=10.0)
    first = await ledger.reserve(8.0, 0)
    second = asyncio.create_task(ledger.reserve(5.0, 0))
    await asyncio.sleep(0)
    assert not second.done()
    ledger.settle(first, used(1.0))
    await second
    assert ledger.usd_left == pytest.approx(4.0)


async def test_call_that_can_never_fit_ends_at_once() -> None:
    ledger = Ledger(usd=10.0, spent=used(6.0), held_usd=1.0)
    await ledger.reserve(1.0, 0)
    with pytest.raises(BudgetExhausted, match=r"budget of 10 USD.*6.0000 spent, 1.0000 held.*m/x"):
        await ledger.reserve(3.5, 0, model="m/x")


async def test_waiting_call_ends_once_it_can_no_longer_fit() -> None:
    ledger = Ledger(tokens=100)
    first = await ledger.reserve(0.0, 60)
    second = asyncio.create_task(ledger.reserve(0.0, 50))
    await asyncio.sleep(0)
    ledger.settle(first, used(0.0, 60))
    with pytest.raises(BudgetExhausted, match="budget of 100 tokens"):
        await second


async def test_small_calls_do_not_overtake_a_large_one() -> None:
    ledger = Ledger(usd=10.0)
    first, other = await ledger.reserve(6.0, 0), await ledger.reserve(2.0, 0)
    large = asyncio.create_task(ledger.reserve(7.0, 0))
    await asyncio.sleep(0)
    small = asyncio.create_task(ledger.reserve(1.0, 0))
    await asyncio.sleep(0)
    ledger.release(other)
    await asyncio.sleep(0)
    assert not small.done()
    ledger.settle(first, used(1.0))
    await large
    await small


async def test_cancelled_waiter_leaves_no_trace() -> None:
    ledger = Ledger(usd=10.0)
    first = await ledger.reserve(8.0, 0)
    waiting = asyncio.create_task(ledger.reserve(5.0, 0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    ledger.release(first)
    assert ledger.usd_left == 10.0


async def test_waiter_cancelled_as_it_is_granted_gives_back() -> None:
    ledger = Ledger(usd=10.0)
    first = await ledger.reserve(8.0, 0)
    waiting = asyncio.create_task(ledger.reserve(5.0, 0))
    await asyncio.sleep(0)
    ledger.release(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ledger.usd_left == 10.0


async def test_unknown_price_is_refused_only_under_a_usd_limit() -> None:
    with pytest.raises(ModelSetupError, match=r'(?s)openai/new.*\[models.prices."openai/new"\]'):
        await Ledger(usd=1.0).reserve(None, 5, model="openai/new")
    ledger = Ledger(tokens=100)
    ledger.settle(await ledger.reserve(None, 5), used(None, 5))
    assert ledger.spent.usd is None
    assert ledger.spent.tokens == 5


def test_usd_limit_over_unknown_spending_is_refused() -> None:
    with pytest.raises(ModelSetupError, match="--fresh"):
        Ledger(usd=1.0, spent=used(None, 5))
    with pytest.raises(ModelSetupError, match="--fresh"):
        Ledger(usd=1.0, held_usd=None)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    limit=st.floats(0.0, 20.0),
    tokens=st.integers(0, 3000),
    tasks=st.integers(1, 64),
)
def test_limits_hold_whatever_runs_concurrently(
    seed: int, limit: float, tokens: int, tasks: int
) -> None:
    rng = random.Random(seed)
    ledger = Ledger(usd=limit, tokens=tokens)
    bill = [0.0, 0]

    async def spend() -> None:
        for _ in range(4):
            most, many = rng.uniform(0, 3), rng.randrange(400)
            try:
                reservation = await ledger.reserve(most, many)
            except BudgetExhausted:
                return
            assert ledger.usd_left is not None
            assert ledger.usd_left >= -1e-9
            assert ledger.tokens_left is not None
            assert ledger.tokens_left >= 0
            try:
                for _ in range(rng.randrange(3)):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                ledger.hold(reservation)
                raise
            share = rng.random()
            match rng.randrange(4):
                case 0:
                    ledger.release(reservation)
                case 1:
                    ledger.hold(reservation)
                case _:
                    usage = used(most * share, int(many * share))
                    bill[0] += usage.usd or 0.0
                    bill[1] += usage.tokens
                    ledger.settle(reservation, usage)

    async def run() -> None:
        running = [asyncio.create_task(spend()) for _ in range(tasks)]
        for task in rng.sample(running, tasks // 8):
            await asyncio.sleep(0)
            task.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(run())
    assert bill[0] <= limit + 1e-9
    assert bill[1] <= tokens
    assert ledger.spent.usd == pytest.approx(bill[0])
    assert ledger.spent.tokens == bill[1]


MakeClient = Callable[..., ModelClient]


def bill_of(server: ModelServer) -> float:
    return (server.counts.input_tokens * 1.0 + server.counts.output_tokens * 2.0) / 1e6


@pytest.mark.parametrize("limit", ["usd", "tokens"])
async def test_64_concurrent_calls_stay_within_the_budget(
    make_client: MakeClient, journal: MemoryJournal, limit: str
) -> None:
    rng = random.Random(limit)

    def reply(messages: object) -> str:
        return "y" * rng.randrange(1, 400)  # at most the 100 tokens that were asked for

    def fault(number: int) -> Fault | None:
        return rng.choice((None, None, Fault(Break.EMPTY), Fault(status=503), Fault(Break.RESET)))

    budget: dict[str, float | int] = {"usd": 0.005} if limit == "usd" else {"tokens": 5000}
    with ModelServer(reply, latency=0.01, faults=fault) as server:
        async with make_client(server, concurrency=64, retries=20, **budget) as client:

            async def one(step: int) -> str:
                text = "z" * (step * 7 % 400)
                try:
                    await client.ask(
                        step=step,
                        call=0,
                        role="propose",
                        messages=[Message(role="user", content=text)],
                    )
                except BudgetExhausted:
                    return "exhausted"
                return "answered"

            results = await asyncio.gather(*(one(step) for step in range(64)))
        assert {"answered", "exhausted"} == set(results)
        assert client.usage.tokens == server.counts.input_tokens + server.counts.output_tokens
        assert client.usage.usd == pytest.approx(bill_of(server))
        assert journal.usage().usd == pytest.approx(client.usage.usd)
        if limit == "usd":
            assert bill_of(server) <= 0.005
        else:
            assert client.usage.tokens <= 5000
