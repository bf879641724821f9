"""Replies of no use over real HTTP: silent, filtered, nothing but thoughts; in streams, too."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from metasearch.campaign import ModelSection
from metasearch.errors import ModelUnavailable, RequestRefused
from metasearch.exchange import ExchangeState, Message
from metasearch.models import Ledger, ModelClient
from metasearch.models.memory_journal import MemoryJournal
from metasearch.step import Reply
from metasearch.testing.model_server import Break, Fault, ModelServer

MakeClient = Callable[..., ModelClient]

PROMPT = [Message(role="user", content="x")]
TEXT = "".join(f"line {number}\n" for number in range(40))
THINKING = Fault(Break.THINKING)


async def ask(client: ModelClient, asker: int | None = None) -> Reply:
    role = "propose" if asker is None else "agent"
    return await client.ask(step=1, call=0, asker=asker, role=role, messages=PROMPT)  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_but_thinking_gets_more_room_once(
    make_client: MakeClient, journal: MemoryJournal, stream: bool
) -> None:
    with ModelServer("text", faults=[THINKING]) as server:
        async with make_client(server, stream=stream) as client:
            reply = await ask(client)
        counts = server.counts
    assert reply.text == "text"
    thought, answered = journal.records
    assert thought.state is ExchangeState.FAILED
    assert "100 tokens (models.max_tokens) went into thinking" in thought.error
    assert thought.usage.reasoning_tokens == thought.usage.output_tokens == 100
    assert answered.parameters["max_tokens"] == 400
    assert answered.parameters["effort"] == "low"
    assert client.usage.input_tokens == counts.input_tokens
    assert client.usage.output_tokens == counts.output_tokens


async def test_nothing_but_thinking_twice_is_a_failure_that_names_the_setting(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("text", faults=[THINKING] * 2) as server:
        async with make_client(server) as client:
            with pytest.raises(
                RequestRefused, match=r"all its 100 tokens.*Raise models.max_tokens"
            ):
                await ask(client)
        assert server.counts.requests == 2
    assert [r.state for r in journal.records] == [ExchangeState.FAILED] * 2
    assert journal.usage().output_tokens == server.counts.output_tokens == 500


async def test_room_for_thinking_that_the_budget_lacks_is_not_taken(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer("text", faults=[THINKING]) as server:
        async with make_client(server, tokens=350) as client:
            with pytest.raises(RequestRefused, match="the budget has no room for more"):
                await ask(client)
        assert server.counts.requests == 1
    assert len(journal.records) == 1


async def test_room_for_thinking_that_the_provider_refuses_is_said(
    make_client: MakeClient,
) -> None:
    with ModelServer("text", faults=[THINKING, Fault(status=400, message="at most 200")]) as server:
        async with make_client(server) as client:
            with pytest.raises(RequestRefused, match=r"says: at most 200.*Raise models.max_tokens"):
                await ask(client)


async def test_a_candidates_own_limit_is_not_widened(make_client: MakeClient) -> None:
    with ModelServer("text", faults=[THINKING]) as server:
        async with make_client(server) as client:
            reply = await ask(client, asker=4)
        assert server.counts.requests == 1
    assert (reply.text, reply.finish_reason) == ("", "length")


async def test_a_known_model_gets_no_more_room_than_it_has(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    """litellm's table: gpt-4o writes at most 16,384 tokens."""
    with ModelServer("text", faults=[THINKING]) as server:
        async with make_client(server, default="openai/gpt-4o", max_tokens=10_000) as client:
            await ask(client)
    assert [r.parameters["max_tokens"] for r in journal.records] == [10_000, 16_384]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_filtered_reply_is_the_models_answer(
    make_client: MakeClient, journal: MemoryJournal, stream: bool
) -> None:
    with ModelServer("text", faults=[Fault(Break.FILTERED)]) as server:
        async with make_client(server, stream=stream) as client:
            reply = await ask(client)
        assert server.counts.requests == 1
    assert (reply.text, reply.finish_reason) == ("", "content_filter")
    assert journal.records[0].state is ExchangeState.ANSWERED
    assert reply.usage.output_tokens == server.counts.output_tokens


async def test_an_empty_reply_at_the_last_attempt_is_not_an_outage(
    make_client: MakeClient,
) -> None:
    faults = [Fault(status=500), Fault(Break.EMPTY)]
    with ModelServer("text", faults=faults) as server:
        async with make_client(server, retries=1) as client:
            assert (await ask(client)).text == "text"


@pytest.mark.parametrize("model", ["openai/test", "hosted_vllm/test"])
async def test_a_stream_is_read_whole_and_billed(
    make_client: MakeClient, journal: MemoryJournal, model: str
) -> None:
    with ModelServer(TEXT) as server:
        async with make_client(server, stream=True, default=model, prices={}) as client:
            reply = await ask(client)
        counts = server.counts
    assert (reply.text, reply.finish_reason) == (TEXT, "stop")
    assert reply.usage.input_tokens == counts.input_tokens
    assert reply.usage.output_tokens == counts.output_tokens
    assert journal.records[0].reply == TEXT


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=503),
        Fault(Break.RESET),
        Fault(Break.TRUNCATED),
        Fault(Break.CUT_STREAM),
        Fault(Break.INVALID_JSON),
        Fault(Break.EMPTY),
    ],
    ids=lambda fault: fault.name,
)
@pytest.mark.parametrize("model", ["openai/test", "hosted_vllm/test"])
async def test_a_stream_that_breaks_is_asked_for_again(
    make_client: MakeClient, journal: MemoryJournal, fault: Fault, model: str
) -> None:
    with ModelServer(TEXT, faults=[fault, fault]) as server:
        async with make_client(server, stream=True, default=model, prices={}) as client:
            reply = await ask(client)
        assert server.counts.requests == 3
    assert reply.text == TEXT
    assert journal.usage().output_tokens == server.counts.output_tokens


@pytest.mark.parametrize("kind", [Break.STALL, Break.DRIP])
async def test_a_stream_that_stalls_is_given_up_long_before_its_time(
    make_client: MakeClient, kind: Break
) -> None:
    # A dripping server takes 15 s for a piece, and 20 s for the headers before them.
    with ModelServer(TEXT, faults=[Fault(kind)]) as server:
        limit = 30 if kind is Break.STALL else 1
        async with make_client(server, stream=True, stall=0.3, timeout=limit) as client:
            await client.check(["propose"])
            started = time.monotonic()
            reply = await ask(client)
    assert reply.text == TEXT
    assert 0.3 <= time.monotonic() - started < 12


async def test_a_stream_that_stalls_for_good_says_so(make_client: MakeClient) -> None:
    with ModelServer(TEXT, faults=[Fault(Break.STALL)]) as server:
        async with make_client(server, stream=True, stall=0.2, retries=0) as client:
            with pytest.raises(ModelUnavailable, match=r"stalled: no more of it for 0\.2 s"):
                await ask(client)


async def test_a_stream_without_usage_is_counted_as_the_most_it_can_have_been(
    make_client: MakeClient,
) -> None:
    with ModelServer(TEXT, faults=[Fault(Break.NO_USAGE)]) as server:
        async with make_client(server, stream=True, max_tokens=1000) as client:
            reply = await ask(client)
    assert reply.text == TEXT
    assert reply.usage.output_tokens == len(TEXT) >= server.counts.output_tokens
    assert reply.usage.usd


async def test_a_stream_that_reached_its_length_is_continued(make_client: MakeClient) -> None:
    with ModelServer(TEXT, faults=[Fault(Break.LENGTH)]) as server:
        async with make_client(server, stream=True) as client:
            reply = await ask(client)
        assert server.counts.requests == 2
    assert (reply.text, reply.finish_reason) == (TEXT, "stop")


class Anthropic:
    """Anthropic's own stream, which says in two places what a call took."""

    EVENTS = (
        '{"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", '
        '"content": [], "model": "claude", "stop_reason": null, "stop_sequence": null, '
        '"usage": {"input_tokens": 25, "output_tokens": 1}}}',
        '{"type": "content_block_start", "index": 0, '
        '"content_block": {"type": "text", "text": ""}}',
        '{"type": "content_block_delta", "index": 0, '
        '"delta": {"type": "text_delta", "text": "Go"}}',
        '{"type": "content_block_delta", "index": 0, '
        '"delta": {"type": "text_delta", "text": "od"}}',
        '{"type": "content_block_stop", "index": 0}',
        '{"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, '
        '"usage": {"output_tokens": 15}}',
        '{"type": "message_stop"}',
    )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        for event in self.EVENTS:
            kind = json.loads(event)["type"]
            writer.write(f"event: {kind}\ndata: {event}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.close()


async def test_a_stream_of_another_kind_is_billed_whole(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-of-no-worth")
    server = await asyncio.start_server(Anthropic().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = ModelSection(
        default="anthropic/claude-sonnet-4-20250514",
        api_base=f"http://127.0.0.1:{port}",
        stream=True,
        retries=0,
        max_tokens=100,
    )
    async with server, ModelClient(settings, journal, Ledger(), 0, 1) as client:
        reply = await ask(client)
    assert (reply.text, reply.finish_reason) == ("Good", "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (25, 15)
