"""Replies that break off: continued once, joined without doubling, never bought twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.errors import ModelUnavailable
from metasearch.exchange import ExchangeState, Message
from metasearch.models import ModelClient, Recording
from metasearch.models.memory_journal import MemoryJournal
from metasearch.models.rest import GO_ON, join
from metasearch.testing.model_server import Break, Fault, ModelServer

MakeClient = Callable[..., ModelClient]

PROMPT = [Message(role="user", content="x")]
TEXT = "```python\ndef answer():\n    return 41 + 1\n```\n"
CUT = Fault(Break.LENGTH)


async def test_a_reply_that_broke_off_is_continued_once(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(TEXT, faults=[CUT]) as server:
        async with make_client(server) as client:
            reply = await client.ask(step=1, call=0, role="propose", messages=PROMPT)
            again = client.recall(1, 0, PROMPT)
        counts = server.counts
        assert counts.requests == 2
    assert (reply.text, reply.finish_reason, reply.replayed) == (TEXT, "stop", False)
    first, rest = journal.records
    assert first.reply + rest.reply == TEXT
    assert [m.role for m in rest.messages] == ["user", "assistant", "user"]
    assert rest.messages[1].content == first.reply
    assert rest.messages[2].content == GO_ON
    assert reply.usage == first.usage + rest.usage == client.usage
    assert reply.usage.input_tokens == counts.input_tokens
    assert reply.usage.output_tokens == counts.output_tokens
    assert again is not None
    assert (again.text, again.replayed, again.usage) == (TEXT, True, reply.usage)


async def test_a_crash_between_the_parts_buys_neither_twice(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    with ModelServer(TEXT, faults=[CUT, Fault(status=503)]) as server:
        async with make_client(server, retries=0) as client:
            with pytest.raises(ModelUnavailable):
                await client.ask(step=1, call=0, role="propose", messages=PROMPT)
            assert client.recall(1, 0, PROMPT) is None  # half a reply is none
        async with make_client(server) as after_restart:
            reply = await after_restart.ask(step=1, call=0, role="propose", messages=PROMPT)
            assert reply.text == TEXT
            once_more = await after_restart.ask(step=1, call=0, role="propose", messages=PROMPT)
            assert (once_more.text, once_more.replayed) == (TEXT, True)
        assert server.counts.answered == 2
        assert server.counts.outcomes == {"length": 1, "503": 1, "200": 1}
        assert journal.usage().output_tokens == server.counts.output_tokens


async def test_a_reply_that_breaks_off_twice_is_taken_as_it_is(make_client: MakeClient) -> None:
    with ModelServer(TEXT, faults=[CUT, CUT]) as server:
        async with make_client(server) as client:
            reply = await client.ask(step=1, call=0, role="propose", messages=PROMPT)
            again = client.recall(1, 0, PROMPT)
        assert server.counts.requests == 2
    assert reply.finish_reason == "length"
    assert TEXT.startswith(reply.text)
    assert len(reply.text) > len(TEXT) * 0.7
    assert again is not None
    assert again.text == reply.text


async def test_a_provider_that_takes_no_second_part_leaves_the_first(
    make_client: MakeClient,
) -> None:
    with ModelServer(TEXT, faults=[CUT, Fault(status=400)]) as server:
        async with make_client(server) as client:
            reply = await client.ask(step=1, call=0, role="propose", messages=PROMPT)
    assert (reply.text, reply.finish_reason) == (TEXT[: len(TEXT) // 2], "length")


async def test_what_a_candidate_asks_is_not_continued(make_client: MakeClient) -> None:
    with ModelServer(TEXT, faults=[CUT]) as server:
        async with make_client(server) as client:
            reply = await client.ask(step=1, call=0, asker=3, role="agent", messages=PROMPT)
        assert server.counts.requests == 1
    assert (reply.text, reply.finish_reason) == (TEXT[: len(TEXT) // 2], "length")


@pytest.mark.parametrize("name", ["offline/replay:x", "offline/replay-by-content:x"])
async def test_a_recording_answers_part_by_part(
    make_client: MakeClient, journal: MemoryJournal, name: str
) -> None:
    with ModelServer(TEXT, faults=[CUT]) as server:
        async with make_client(server) as client:
            bought = await client.ask(step=1, call=0, role="propose", messages=PROMPT)
    recording = Recording.for_model(name, list(journal.records))
    journal.records.clear()
    journal._latest.clear()
    client = make_client(server, default=name, recordings={name: recording})
    replayed = await client.ask(step=1, call=0, role="propose", messages=PROMPT)
    assert replayed.text == bought.text == TEXT
    assert len(journal.records) == 2


@pytest.mark.parametrize(
    ("first", "rest", "text"),
    [
        ("one two", " three", "one two three"),
        ("def f():\n    return 1 +", "    return 1 + 2\n", "def f():\n    return 1 + 2\n"),
        ("```python\nx = 1\n", "```python\ny = 2\n```\n", "```python\nx = 1\ny = 2\n```\n"),
        ("```python\nx = 1\n", "```\nDone.", "```python\nx = 1\n```\nDone."),
        ("a" * 40, "a" * 40, "a" * 80),
        ("0, " * 20, "0, " * 20, "0, " * 40),
        ("text", "", "text"),
    ],
)
def test_joining_two_parts(first: str, rest: str, text: str) -> None:
    assert join(first, rest) == text


@given(
    st.lists(st.uuids(version=4).map(str), min_size=2, max_size=12).map("\n".join),
    st.data(),
)
def test_what_the_rest_repeats_is_not_doubled(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(20, len(text) - 1))
    back = data.draw(st.one_of(st.just(0), st.integers(16, cut)))
    assert join(text[:cut], text[cut - back :]) == text


async def test_the_rest_of_an_unanswered_call_is_no_answer(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    """Another question under the same name finds neither part."""
    with ModelServer(TEXT, faults=[CUT]) as server:
        async with make_client(server) as client:
            await client.ask(step=1, call=0, role="propose", messages=PROMPT)
            assert client.recall(1, 0, [Message(role="user", content="y")]) is None
            assert client.recall(1, 0, journal.records[1].messages[:2]) is None
    assert [r.state for r in journal.records] == [ExchangeState.ANSWERED] * 2
