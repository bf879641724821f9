"""The broker on a real client, a real HTTP model server and a real archive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import AgentSection, Campaign, CampaignFile, ModelSection, Price
from metasearch.candidate import Split
from metasearch.engine.broker import Broker
from metasearch.errors import BudgetExhausted, ModelError, ModelSetupError
from metasearch.exchange import ExchangeState, Message, Usage
from metasearch.models import Backoff, Ledger, ModelClient
from metasearch.models.call import most_tokens
from metasearch.program import Program
from metasearch.sandboxes.asks import Ask, Given, Refused
from metasearch.testing.model_server import Break, Fault, ModelServer

FAST = Backoff(first=0.01, longest=0.05)
STEP, CANDIDATE = 0, 0
PRICE = Price(input=1.0, output=2.0)


def ask(text: str, max_tokens: int | None = 10) -> Ask:
    return Ask((("user", text),), None, max_tokens)


def echo(messages: Sequence[Message]) -> str:
    return f"re: {messages[-1].content}"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[CampaignArchive]:
    campaign = Campaign(
        name="asking",
        folder=tmp_path,
        settings=CampaignFile.model_validate({"task": "t", "objectives": {"score": "maximize"}}),
        seed_program=Program(files={"program.py": ""}),
        evaluator_files={},
    )
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = archive.create(campaign)
        assert run.open_step().number == STEP
        run.queue_candidate(STEP, 0, campaign.seed_program, operator="seed")
        yield run


MakeBroker = Callable[..., Broker]


@pytest.fixture
def broker_of(run: CampaignArchive) -> MakeBroker:
    """A broker on the server, as one engine has it: ``caps`` and the campaign's own budget."""

    def make(
        server: ModelServer,
        caps: AgentSection | None = None,
        *,
        usd: float | None = None,
        tokens: int | None = None,
        price: Price | None = PRICE,
        retries: int = 2,
    ) -> Broker:
        run.mark_lost()
        held = run.held()
        settings = ModelSection(
            default="openai/test",
            api_base=server.url,
            retries=retries,
            prices={} if price is None else {"openai/test": price},
        )
        ledger = Ledger(
            usd=usd, tokens=tokens, spent=run.usage(), held_usd=held.usd, held_tokens=held.tokens
        )
        client = ModelClient(settings, run, ledger, seed=1, concurrency=16, backoff=FAST)
        return Broker(client, caps or AgentSection())

    return make


async def test_asks_are_journalled_under_the_candidate_and_billed(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo) as server:
        broker = broker_of(server)
        answer = broker.attend(STEP, CANDIDATE)
        first, second = await answer(ask("one")), await answer(ask("two"))
    assert isinstance(first, Given)
    assert isinstance(second, Given)
    assert (first.text, second.text) == ("re: one", "re: two")
    assert [(e.call, e.asker, e.role, e.reply) for e in run.exchanges_by(CANDIDATE)] == [
        (0, CANDIDATE, "agent", "re: one"),
        (1, CANDIDATE, "agent", "re: two"),
    ]
    assert run.exchanges(STEP) == []
    bill = run.bill_of(CANDIDATE)
    assert bill.calls == 2
    assert bill.usage.input_tokens == first.input_tokens + second.input_tokens
    assert bill.usage.usd == pytest.approx((first.usd or 0) + (second.usd or 0))
    assert bill.usage.tokens == run.usage().tokens


async def test_an_evaluation_run_again_pays_for_the_same_question_once(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo) as server:
        answer = broker_of(server).attend(STEP, CANDIDATE)
        before = [await answer(ask(text)) for text in ("a", "b", "c")]
        again = broker_of(server).attend(STEP, CANDIDATE)
        assert [await again(ask(text)) for text in ("a", "b")] == before[:2]
        assert server.counts.requests == 3
        other = await again(ask("not c"))  # another question at the place of c
        assert isinstance(other, Given)
        assert other.text == "re: not c"
        assert server.counts.requests == 4
        test = broker_of(server).attend(STEP, CANDIDATE, Split.TEST)
        await test(ask("a"))  # another measurement
        assert server.counts.requests == 5
        neighbour = broker_of(server).attend(STEP, 1)
        await neighbour(ask("a"))  # another candidate
        assert server.counts.requests == 6
    assert [e.reply for e in run.exchanges_by(CANDIDATE)] == [
        *("re: a", "re: b", "re: c", "re: not c", "re: a")
    ]


async def test_no_cap_is_passed(broker_of: MakeBroker) -> None:
    with ModelServer(echo, latency=0.02) as server:
        answer = broker_of(server, AgentSection(calls=3)).attend(STEP, CANDIDATE)
        answers = await asyncio.gather(*(answer(ask(f"c{n}")) for n in range(5)))
        refused = [a for a in answers if isinstance(a, Refused)]
        assert [r.cap for r in refused] == ["calls", "calls"]
        assert server.counts.requests == 3

        fits = most_tokens([Message(role="user", content="t0")]) + 10
        caps = AgentSection(tokens=2 * fits)
        answer = broker_of(server, caps).attend(STEP, CANDIDATE + 1)
        answers = [await answer(ask(f"t{n}")) for n in range(9)]
        used = sum(a.input_tokens + a.output_tokens for a in answers if isinstance(a, Given))
        assert isinstance(answers[0], Given)
        last = answers[-1]
        assert isinstance(last, Refused)
        assert last.cap == "tokens"
        assert f"{used} of {2 * fits} tokens" in last.reason
        assert fits < used <= 2 * fits

        whole = await broker_of(server).upper_bound(ask("u0"), 10)
        caps = AgentSection(usd=1.5 * (whole[0] or 0))
        answer = broker_of(server, caps).attend(STEP, CANDIDATE + 2)
        both = await asyncio.gather(*(answer(ask(f"u{n}")) for n in range(40)))
        spent = sum(a.usd or 0 for a in both if isinstance(a, Given))
        assert 0 < spent <= (caps.usd or 0)
        assert {a.cap for a in both if isinstance(a, Refused)} == {"usd"}

        caps = AgentSection(seconds=0.05)
        answer = broker_of(server, caps).attend(STEP, CANDIDATE + 3)
        slow = [await answer(ask(f"s{n}")) for n in range(5)]
        given = sum(isinstance(a, Given) for a in slow)
        assert 1 <= given <= 3
        assert all(isinstance(a, Given) for a in slow[:given])
        last = slow[-1]
        assert isinstance(last, Refused)
        assert last.cap == "seconds"


async def test_caps_count_replies_that_are_paid_for_already(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    caps = AgentSection(calls=2)
    with ModelServer(echo) as server:
        for _ in range(2):
            answer = broker_of(server, caps).attend(STEP, CANDIDATE)
            answers = [await answer(ask(f"q{n}")) for n in range(3)]
            assert [isinstance(a, Given) for a in answers] == [True, True, False]
        assert server.counts.requests == 2


async def test_a_reply_may_be_no_longer_than_the_campaign_says(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo) as server:
        answer = broker_of(server, AgentSection(max_tokens=50)).attend(STEP, CANDIDATE)
        for most in (None, 20, 9999):
            await answer(ask("x", most))
    sent = [e.parameters["max_tokens"] for e in run.exchanges_by(CANDIDATE)]
    assert sent == [50, 20, 50]


async def test_the_campaign_s_budget_is_no_refusal(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo) as server:
        answer = broker_of(server, tokens=100).attend(STEP, CANDIDATE)
        await answer(ask("one"))
        with pytest.raises(BudgetExhausted):
            await answer(ask("two"))
        extended = broker_of(server, tokens=1000).attend(STEP, CANDIDATE)
        await extended(ask("one"))
        await extended(ask("two"))
        assert server.counts.requests == 2
    assert [e.reply for e in run.exchanges_by(CANDIDATE)] == ["re: one", "re: two"]


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(Break.RESET)])
async def test_a_provider_that_is_down_is_no_refusal(broker_of: MakeBroker, fault: Fault) -> None:
    with ModelServer(echo, faults=lambda number: fault) as server:
        answer = broker_of(server).attend(STEP, CANDIDATE)
        with pytest.raises(ModelError, match=r"no reply|cannot be reached"):
            await answer(ask("one"))
    answer = broker_of(server).attend(STEP, CANDIDATE)
    with pytest.raises(ModelSetupError, match="cannot be reached"):
        await answer(ask("one"))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, message="bad", code="content_policy_violation"),
        Fault(status=400, message="too long", code="context_length_exceeded"),
        Fault(status=400, message="no such thing"),
    ],
)
async def test_a_question_that_the_provider_refuses_stops_no_campaign(
    run: CampaignArchive, broker_of: MakeBroker, fault: Fault
) -> None:
    with ModelServer(echo, faults=[fault, None]) as server:
        answer = broker_of(server).attend(STEP, CANDIDATE)
        refused = await answer(ask("rude"))
        assert isinstance(refused, Refused)
        assert refused.cap == ""
        assert "refuses this" in refused.reason or "too long" in refused.reason
        given = await answer(ask("kind"))
        assert isinstance(given, Given)
    assert [e.state for e in run.exchanges_by(CANDIDATE)] == ["failed", "answered"]


async def test_a_call_under_way_arrives_when_nobody_waits_for_it_any_more(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo, latency=0.3) as server:
        async with broker_of(server) as broker:
            left = asyncio.ensure_future(broker.attend(STEP, CANDIDATE)(ask("one")))
            while not server.counts.received:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            left.cancel()
            again = await broker.attend(STEP, CANDIDATE)(ask("one"))
            assert isinstance(again, Given)
            last = asyncio.ensure_future(broker.attend(STEP, 1)(ask("last")))
            while server.counts.received < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            last.cancel()
        assert server.counts.requests == 2
    assert [e.state for e in run.exchanges_by(CANDIDATE)] == ["answered"]
    stored = run.exchange(STEP, 0, 1)
    assert stored is not None
    assert stored.state is ExchangeState.ANSWERED


async def test_calls_are_given_up_at_once_if_all_is(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo, latency=5) as server:
        async with asyncio.timeout(3):
            async with broker_of(server) as broker:
                left = asyncio.ensure_future(broker.attend(STEP, CANDIDATE)(ask("one")))
                while not server.counts.received:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                broker.abandon()
        with pytest.raises(asyncio.CancelledError):
            await left
    assert [e.state for e in run.exchanges_by(CANDIDATE)] == ["pending"]
    assert run.mark_lost() == 1
    assert run.held().tokens > 0
    assert run.usage() == Usage()


async def test_a_cap_in_usd_needs_a_price(broker_of: MakeBroker) -> None:
    with ModelServer(echo) as server:
        await broker_of(server, AgentSection(usd=1), price=Price(input=1, output=1)).check()
        await broker_of(server, AgentSection(), price=None).check()
        with pytest.raises(ModelSetupError, match=r"agent\.usd = 1 cannot be kept"):
            await broker_of(server, AgentSection(usd=1), price=None).check()


async def test_questions_that_change_places_are_asked_anew(
    run: CampaignArchive, broker_of: MakeBroker
) -> None:
    with ModelServer(echo) as server:
        answer = broker_of(server).attend(STEP, CANDIDATE)
        for text in ("a", "b", "c"):
            await answer(ask(text))
        raced = broker_of(server).attend(STEP, CANDIDATE)
        answers = [await raced(ask(text)) for text in ("b", "a", "c")]
        assert [a.text for a in answers if isinstance(a, Given)] == ["re: b", "re: a", "re: c"]
        assert server.counts.requests == 5
    assert run.bill_of(CANDIDATE).calls == 5
