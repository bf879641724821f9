"""The client over real HTTP: the way of a call, the journal, faults and their limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from metasearch.campaign import Role
from metasearch.errors import ModelError, ModelSetupError
from metasearch.exchange import ExchangeState, Message
from metasearch.models import CUT, MAX_REPLY, Backoff, ModelClient
from metasearch.models.faults import seconds_asked
from metasearch.models.memory_journal import MemoryJournal
from metasearch.step import Reply
from metasearch.testing.model_server import Break, Fault, ModelServer

PROMPT = (
    Message(role="system", content="You improve programs."),
    Message(role="user", content="x"),
)
MakeClient = Callable[..., ModelClient]


async def ask(
    client: ModelClient, step: int = 1, call: int = 0, text: str = "", role: Role = "propose"
) -> Reply:
    messages = (*PROMPT, Message(role="user", content=text)) if text else PROMPT
    return await client.ask(step=step, call=call, role=role, messages=messages)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server counts in another thread
            await asyncio.sleep(0.01)


async def test_reply_is_stored_with_its_cost(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("an answer") as server:
        async with make_client(server) as client:
            reply = await ask(client)
        counts = server.counts
    assert (reply.text, reply.finish_reason, reply.replayed) == ("an answer", "stop", False)
    assert reply.usage.input_tokens == counts.input_tokens > 0
    assert reply.usage.output_tokens == counts.output_tokens > 0
    assert reply.usage.usd == pytest.approx(
        (counts.input_tokens * 1.0 + counts.output_tokens * 2.0) / 1e6
    )
    (record,) = journal.records
    assert (record.state, record.reply, record.model) == (
        ExchangeState.ANSWERED,
        "an answer",
        "openai/test",
    )
    assert record.messages == PROMPT
    assert server.prompts == [list(PROMPT)]
    assert record.parameters["temperature"] == 0.8
    assert record.usage == reply.usage == client.usage


async def test_reply_of_the_journal_is_not_bought_again(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(["first", "second"]) as server:
        async with make_client(server) as client:
            first = await ask(client)
            again = await ask(client)
            other = await ask(client, call=1)
        async with make_client(server) as after_restart:
            once_more = await ask(after_restart)
        assert server.counts.requests == 2
    assert (again.text, again.replayed, again.usage) == ("first", True, first.usage)
    assert (other.text, other.replayed) == ("second", False)
    assert (once_more.text, once_more.replayed) == ("first", True)


async def test_stored_reply_never_answers_another_question(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(["first", "second"]) as server:
        async with make_client(server) as client:
            await ask(client)
            changed = await ask(client, text="and something else")
            again = await ask(client, text="and something else")
    assert (changed.text, changed.replayed) == ("second", False)
    assert (again.text, again.replayed) == ("second", True)
    assert [record.reply for record in journal.records] == ["first", "second"]


async def test_seed_depends_on_campaign_step_and_call(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer() as server:
        async with make_client(server) as client:
            for step, call in ((1, 0), (1, 1), (2, 0)):
                await ask(client, step, call)
    seeds = [record.parameters["seed"] for record in journal.records]
    assert len(set(seeds)) == 3
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=408),
        Fault(status=429),
        Fault(status=500),
        Fault(status=502),
        Fault(status=503),
        Fault(status=529),
        Fault(Break.RESET),
        Fault(Break.TRUNCATED),
        Fault(Break.INVALID_JSON),
    ],
    ids=lambda fault: fault.kind or str(fault.status),
)
@pytest.mark.parametrize("model", ["openai/test", "hosted_vllm/test"])
async def test_transient_fault_is_retried(
    make_client: MakeClient, journal: MemoryJournal, fault: Fault, model: str
) -> None:
    with ModelServer("at last", faults=[fault, fault]) as server:
        async with make_client(server, default=model, prices={}) as client:
            reply = await ask(client)
        assert server.counts.requests == 3
    assert reply.text == "at last"
    (record,) = journal.records
    assert record.attempts == 3
    assert reply.usage.output_tokens == server.counts.output_tokens


@pytest.mark.parametrize("kind", [Break.STALL, Break.DRIP])
async def test_silent_and_dripping_servers_are_cut_off(
    make_client: MakeClient, kind: Break
) -> None:
    with ModelServer("at last", faults=[Fault(kind)]) as server:
        async with make_client(server, timeout=0.4) as client:
            await client.check(["propose"])  # loads litellm, which takes a while
            started = time.monotonic()
            reply = await ask(client)
    assert reply.text == "at last"
    assert 0.4 <= time.monotonic() - started < 12


@pytest.mark.parametrize("model", ["openai/test", "hosted_vllm/test", "ollama/test"])
async def test_server_that_is_not_there_is_given_up_soon_and_named(
    make_client: MakeClient, journal: MemoryJournal, model: str
) -> None:
    with ModelServer() as server:
        pass
    client = make_client(server, default=model, retries=6)
    with pytest.raises(ModelSetupError) as caught:
        await ask(client)
    text = str(caught.value)
    assert f"cannot connect to {server.url}" in text
    assert "connection refused. Is its server running, and the address right" in text
    assert "models.api_base" in text
    assert "status" not in text
    (record,) = journal.records
    assert (record.state, record.attempts) == (ExchangeState.FAILED, 3)
    assert "connection refused" in record.error
    assert record.usage.tokens == 0


async def test_address_of_the_environment_is_named(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer() as server:
        pass
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    with pytest.raises(ModelSetupError, match=f"to {server.url}: .*OPENAI_API_BASE"):
        await ask(make_client(server, api_base=None))


async def test_each_model_has_its_own_server_and_no_server_another_ones_key(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    with ModelServer("theirs") as theirs, ModelServer("mine") as mine:
        client = make_client(
            theirs, judge="hosted_vllm/mine", api_bases={"hosted_vllm/mine": mine.url}
        )
        assert (await ask(client, call=0)).text == "theirs"
        assert (await ask(client, call=1, role="judge")).text == "mine"
    assert theirs.keys == ["sk-0123456789"]
    assert len(mine.keys) == 1
    assert mine.keys != theirs.keys


async def test_address_is_named_without_what_may_be_a_key(make_client: MakeClient) -> None:
    with ModelServer() as server:
        pass
    settings = {"default": "openai/test", "api_base": f"{server.url}?key=hunter22"}
    with pytest.raises(ModelSetupError, match=f"cannot connect to {server.url}") as caught:
        await ask(make_client(server, **settings))
    assert "hunter22" not in str(caught.value)


async def test_request_that_cannot_be_sent_has_no_status(make_client: MakeClient) -> None:
    with ModelServer() as server:
        client = make_client(server, retries=0, api_base=server.url.replace("127", "me:it@127"))
        with pytest.raises(ModelError, match="no reply: ") as caught:
            await ask(client)
        assert server.counts.requests == 0
    assert "status" not in str(caught.value)


async def test_name_that_no_machine_has_is_given_up_soon(make_client: MakeClient) -> None:
    with ModelServer() as server:
        client = make_client(server, api_base="http://server.invalid/v1")
    with pytest.raises(ModelSetupError, match=r"3 times: cannot connect to http://server\.invalid"):
        await ask(client)


async def test_server_that_goes_down_is_waited_for_with_all_retries(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer() as server:
        client = make_client(server, retries=4)
        await ask(client)
    with pytest.raises(ModelError, match=r"5 attempts.*connection refused") as caught:
        await ask(client, step=2)
    assert not isinstance(caught.value, ModelSetupError)
    assert "status" not in str(caught.value)
    assert journal.records[1].attempts == 5


@pytest.mark.parametrize("kind", [Break.RESET, Break.TRUNCATED])
async def test_broken_connection_has_no_status(make_client: MakeClient, kind: Break) -> None:
    with ModelServer(faults=[Fault(kind)]) as server:
        async with make_client(server, retries=0) as client:
            with pytest.raises(ModelError, match="connection broke") as caught:
                await ask(client)
    assert "status" not in str(caught.value)


async def test_failed_call_is_asked_again_after_a_restart(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("fine now", faults=[Fault(status=500)] * 2) as server:
        async with make_client(server, retries=1) as client:
            with pytest.raises(ModelError, match="HTTP status 500"):
                await ask(client)
            assert (await ask(client)).text == "fine now"
    assert [record.state for record in journal.records] == [
        ExchangeState.FAILED,
        ExchangeState.ANSWERED,
    ]


async def test_retry_after_is_heeded(make_client: MakeClient) -> None:
    with ModelServer(faults=[Fault(status=429, retry_after=0.5)]) as server:
        async with make_client(server, backoff=Backoff(first=0.001)) as client:
            await client.check(["propose"])  # loads litellm
            started = time.monotonic()
            await ask(client)
            waited = time.monotonic() - started
    assert 0.5 <= waited < 2


def test_backoff_grows_and_is_bounded() -> None:
    backoff = Backoff(first=1.0, longest=8.0, longest_asked=100.0)
    for attempt, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (50, 8.0)):
        waits = [backoff.seconds(attempt, None) for _ in range(50)]
        assert all(most / 2 <= wait <= most for wait in waits)
        assert len(set(waits)) > 1
    assert 0.1 <= backoff.seconds(2, None, overloaded=False) <= 0.2
    assert backoff.seconds(1, 30.0) == 30.0
    assert backoff.seconds(1, 86_400.0) == 100.0


async def test_empty_replies_are_billed_each_and_asked_again_with_another_seed(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("text", faults=[Fault(Break.EMPTY)]) as server:
        async with make_client(server) as client:
            reply = await ask(client)
            counts = server.counts
    assert reply.text == "text"
    empty, answered = journal.records
    assert (empty.state, empty.error) == (ExchangeState.FAILED, "empty reply")
    assert empty.parameters["seed"] != answered.parameters["seed"]
    assert client.usage.input_tokens == counts.input_tokens
    assert client.usage.output_tokens == counts.output_tokens
    assert journal.usage() == client.usage


async def test_model_that_stays_silent_gives_an_empty_reply_and_no_error(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("") as server:
        async with make_client(server) as client:
            reply = await ask(client)
        assert server.counts.requests == 3
    assert reply.text == ""
    assert journal.usage().input_tokens == server.counts.input_tokens


async def test_reply_cut_short_by_its_length_is_not_asked_again(make_client: MakeClient) -> None:
    with ModelServer("", faults=[Fault(finish_reason="length")]) as server:
        async with make_client(server) as client:
            reply = await ask(client)
        assert server.counts.requests == 1
    assert (reply.text, reply.finish_reason) == ("", "length")


async def test_reply_of_ten_megabytes_is_cut(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(faults=[Fault(Break.HUGE)]) as server:
        async with make_client(server) as client:
            reply = await ask(client)
    assert len(reply.text) == MAX_REPLY
    assert reply.finish_reason == CUT
    assert reply.usage.output_tokens == server.counts.output_tokens == 2_500_000
    assert journal.records[0].reply == reply.text


async def test_text_that_no_file_can_hold_is_made_storable(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("bad \ud800 half") as server:
        async with make_client(server) as client:
            reply = await ask(client, text="also \udfff here")
    assert reply.text == "bad ? half"
    assert journal.records[0].messages[-1].content == "also ? here"


async def test_missing_usage_counts_as_the_most_it_can_have_been(make_client: MakeClient) -> None:
    with ModelServer("some text", faults=[Fault(Break.NO_USAGE)]) as server:
        async with make_client(server) as client:
            reply = await ask(client)
    assert reply.usage.input_tokens >= server.counts.input_tokens - 100  # the JSON around it
    assert reply.usage.input_tokens > len(PROMPT[0].content)
    assert reply.usage.output_tokens >= server.counts.output_tokens
    assert reply.usage.usd


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        (Fault(status=401, message="bad key"), "refuses the key.*OPENAI_API_KEY"),
        (Fault(status=403), "refuses the key"),
        (Fault(status=402), "no credit"),
        (Fault(status=429, code="insufficient_quota"), "no credit"),
        (Fault(status=404, message="no such model"), "does not know.*no such model.*api_base"),
        (Fault(status=400, message="odd request"), "refuses the request: odd request"),
        (Fault(status=413), "refuses the request"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
async def test_refusal_stops_at_once_and_says_what_to_change(
    make_client: MakeClient, journal: MemoryJournal, fault: Fault, pattern: str
) -> None:
    with ModelServer(faults=[fault]) as server:
        async with make_client(server) as client:
            with pytest.raises(ModelSetupError, match=pattern) as caught:
                await ask(client)
        assert server.counts.requests == 1
    assert "openai/test" in str(caught.value)
    assert "propose" in str(caught.value)
    assert journal.records[0].state is ExchangeState.FAILED


async def test_bad_request_of_a_model_that_works_is_no_setup_error(make_client: MakeClient) -> None:
    with ModelServer(faults=[None, Fault(status=400)]) as server:
        async with make_client(server) as client:
            await ask(client)
            with pytest.raises(ModelError) as caught:
                await ask(client, step=2)
    assert not isinstance(caught.value, ModelSetupError)


async def test_in_flight_never_exceeds_concurrency(make_client: MakeClient) -> None:
    with ModelServer(latency=0.05) as server:
        async with make_client(server, concurrency=3) as client:
            await ask(client, step=0)
            seen = set()

            async def watch() -> None:
                while True:
                    seen.add(client.in_flight)
                    await asyncio.sleep(0.005)

            watching = asyncio.create_task(watch())
            await asyncio.gather(*(ask(client, step=step) for step in range(1, 10)))
            watching.cancel()
        assert server.counts.most_in_flight == 3
    assert max(seen) == 3
    assert client.in_flight == 0


async def test_a_call_that_waits_between_attempts_keeps_no_other_from_being_sent(
    make_client: MakeClient,
) -> None:
    with ModelServer(faults=[Fault(status=429, retry_after=300.0)]) as server:
        async with make_client(server, concurrency=1) as client:
            await client.check(["propose"])
            slow = asyncio.create_task(ask(client))
            await until(lambda: client.pausing == 1)
            await ask(client, step=2)
            assert (client.in_flight, slow.done()) == (1, False)
            slow.cancel()
            await asyncio.wait([slow])
    assert (client.in_flight, client.pausing) == (0, 0)


async def test_cancelled_call_stays_pending_and_keeps_its_reservation(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(latency=30) as server:
        async with make_client(server, tokens=100_000) as client:
            await client.check(["propose"])
            asking = asyncio.create_task(ask(client))
            await until(lambda: server.counts.in_flight == 1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
    (record,) = journal.records
    assert record.state is ExchangeState.PENDING
    assert client.in_flight == 0
    assert client._ledger.held_tokens == record.reserved_tokens > 100
    assert client._ledger.reserved_tokens == 0
    journal.mark_lost()
    with ModelServer("after the restart") as server:
        async with make_client(server) as client:
            reply = await ask(client)
    assert (reply.text, reply.replayed) == ("after the restart", False)
    assert journal.held().tokens == record.reserved_tokens


async def test_call_cancelled_between_attempts_costs_nothing(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(faults=[Fault(status=503, retry_after=60)]) as server:
        async with make_client(server) as client:
            asking = asyncio.create_task(ask(client))
            await until(lambda: server.counts.requests == 1)
            await asyncio.sleep(0.1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
    assert journal.records[0].state is ExchangeState.FAILED
    assert client._ledger.held_tokens == client._ledger.reserved_tokens == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.25", 0.25),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("-1", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert seconds_asked(header) == seconds


def test_a_date_to_come_is_so_many_seconds_from_now() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    asked = seconds_asked(then)
    assert asked is not None
    assert 85 < asked <= 90


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"default": "openai/gpt-4o-mini"}, 128_000 - 100),
        ({"default": "openai/gpt-4", "max_tokens": 8_192}, 4_096),
        ({"default": "openai/test"}, 100_000),
        ({"default": "openai/gpt-4o-mini", "prompt_tokens": 777}, 777),
    ],
)
async def test_a_prompt_may_fill_what_a_models_context_holds_besides_the_reply(
    make_client: MakeClient, settings: dict[str, object], tokens: int
) -> None:
    async with make_client(ModelServer(), **settings) as client:
        assert await client.prompt_tokens("propose") == tokens
