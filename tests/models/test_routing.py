"""A model that is down: its breaker opens, its fallback answers, and it is tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metasearch.campaign import Price
from metasearch.errors import ModelSetupError, ModelUnavailable
from metasearch.exchange import ExchangeState, Message
from metasearch.models import ModelClient
from metasearch.models.memory_journal import MemoryJournal
from metasearch.models.routing import FAILURES, Route, Router
from metasearch.testing.model_server import Fault, ModelServer

MakeClient = Callable[..., ModelClient]

FIRST, SECOND = "openai/first", "hosted_vllm/second"
PRICES = {FIRST: Price(input=1.0, output=2.0), SECOND: Price(input=10.0, output=20.0)}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_after_failures_in_a_row_and_closes_on_an_answer() -> None:
    clock = Clock()
    router = Router(pause=10, clock=clock)
    for _ in range(FAILURES - 1):
        assert not router.failed("a")
    router.answered("a")
    for _ in range(FAILURES - 1):
        router.failed("a")
    assert router.route("a", "b") == Route("a", "b")
    assert router.failed("a")
    assert router.route("a", "b") == Route("b")
    clock.now = 10
    assert router.route("a", "b") == Route("a", "b", is_trial=True)
    assert router.route("a", "b") == Route("b")  # one trial at a time
    clock.now = 20
    assert router.route("a", "b").is_trial
    assert not router.failed("a")  # known already
    clock.now = 29
    assert router.route("a", "b") == Route("b")
    router.answered("a")
    assert router.route("a", "b") == Route("a", "b")


def test_without_a_fallback_a_model_is_asked_up_or_down() -> None:
    router = Router()
    for _ in range(2 * FAILURES):
        router.failed("a")
    assert router.route("a", None) == router.route("a", "a") == Route("a")


async def ask(client: ModelClient, step: int) -> str:
    messages = [Message(role="user", content=f"question {step}")]
    return (await client.ask(step=step, call=0, role="propose", messages=messages)).text


def settings(**more: object) -> dict[str, object]:
    return {
        "default": FIRST,
        "api_base": None,
        "prices": PRICES,
        "fallback": {"default": SECOND},
        "retries": 1,
        **more,
    }


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModelServer, ModelServer], None]:
    """Gives each of the two providers a server of its own."""

    def give(first: ModelServer, second: ModelServer) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-first")
        monkeypatch.setenv("OPENAI_API_BASE", first.url)
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", second.url)

    return give


async def test_calls_go_to_the_fallback_and_back_again(
    make_client: MakeClient,
    journal: MemoryJournal,
    addresses: Callable[[ModelServer, ModelServer], None],
) -> None:
    clock = Clock()
    broken = [Fault(status=503)] * (2 * FAILURES + 1)
    with ModelServer("first", faults=broken) as first, ModelServer("second") as second:
        addresses(first, second)
        client = make_client(first, router=Router(pause=10, clock=clock), **settings())
        async with client:
            texts = [await ask(client, step) for step in range(FAILURES)]
            asked = first.counts.requests
            texts += [await ask(client, FAILURES)]
            assert first.counts.requests == asked == 2 * FAILURES  # down: not asked at all
            clock.now = 10
            texts += [await ask(client, FAILURES + 1)]
            assert first.counts.requests == asked + 1  # a trial is one attempt
            clock.now = 20
            texts += [await ask(client, FAILURES + 2), await ask(client, FAILURES + 3)]
    assert texts == ["second"] * (FAILURES + 2) + ["first"] * 2
    answered = [r for r in journal.records if r.state is ExchangeState.ANSWERED]
    assert [r.model for r in answered] == [SECOND] * (FAILURES + 2) + [FIRST] * 2
    for server, model in ((first, FIRST), (second, SECOND)):
        counts, price = server.counts, PRICES[model]
        billed = sum(r.usage.usd or 0 for r in journal.records if r.model == model)
        assert billed == pytest.approx(
            (counts.input_tokens * price.input + counts.output_tokens * price.output) / 1e6
        )


async def test_a_refused_prompt_shows_that_a_model_is_up(
    make_client: MakeClient, addresses: Callable[[ModelServer, ModelServer], None]
) -> None:
    down = [Fault(status=503)] * 2
    refusal = Fault(status=400, code="context_length_exceeded", message="too long")
    faults = [*down, *down, refusal, *down, *down, None]
    with ModelServer("first", faults=faults) as first, ModelServer("second") as second:
        addresses(first, second)
        async with make_client(first, **settings()) as client:
            assert [await ask(client, step) for step in (1, 2)] == ["second"] * 2
            with pytest.raises(Exception, match="too long"):
                await ask(client, 3)
            assert [await ask(client, step) for step in (4, 5)] == ["second"] * 2
            assert await ask(client, 6) == "first"


async def test_when_the_fallback_is_down_too_the_campaign_waits(
    make_client: MakeClient, addresses: Callable[[ModelServer, ModelServer], None]
) -> None:
    down = [Fault(status=503)] * 2
    with ModelServer(faults=down) as first, ModelServer(faults=down) as second:
        addresses(first, second)
        async with make_client(first, **settings()) as client:
            with pytest.raises(ModelUnavailable, match=SECOND):
                await ask(client, 1)


async def test_the_fallbacks_price_is_checked_and_frozen_at_the_start(
    make_client: MakeClient, addresses: Callable[[ModelServer, ModelServer], None]
) -> None:
    with ModelServer() as first, ModelServer() as second:
        addresses(first, second)
        assert await make_client(first, **settings()).check(["propose"]) == PRICES
        known = settings(prices={FIRST: PRICES[FIRST]})
        client = make_client(first, usd=1.0, **known)
        with pytest.raises(ModelSetupError, match=f"(?s)role 'propose'.*{SECOND}"):
            await client.check(["propose"])
        client = make_client(first, **settings(prices=PRICES))
        most, _ = await client.upper_bound("agent", [], 100)
        assert most == pytest.approx((64 * 10.0 + 100 * 20.0) / 1e6)


async def test_a_role_may_have_a_fallback_of_its_own(
    make_client: MakeClient,
    addresses: Callable[[ModelServer, ModelServer], None],
    journal: MemoryJournal,
) -> None:
    with ModelServer(faults=[Fault(status=503)] * 9) as first, ModelServer("second") as second:
        addresses(first, second)
        only = settings(fallback={"judge": SECOND})
        async with make_client(first, **only) as client:
            with pytest.raises(ModelUnavailable):
                await ask(client, 1)
            question = [Message(role="user", content="x")]
            reply = await client.ask(step=2, call=0, role="judge", messages=question)
    assert reply.text == "second"
    assert [r.model for r in journal.records] == [FIRST, FIRST, SECOND]
