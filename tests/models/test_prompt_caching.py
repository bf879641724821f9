"""Prompt caching over real HTTP, in Anthropic's form: marks, usage, bill and saving."""

from __future__ import annotations

import pytest

from metasearch.campaign import ModelSection
from metasearch.exchange import Message, Usage
from metasearch.models import Ledger, MemoryJournal, ModelClient
from metasearch.models.loading import load
from metasearch.models.prices import cost, saved
from metasearch.models.provider import stable_ends
from metasearch.testing.model_replies import tokens_of
from metasearch.testing.model_server import ModelServer
from metasearch.testing.other_apis import marks

CLAUDE = "anthropic/claude-sonnet-4-5"
SYSTEM = Message(role="system", content="You improve programs. " * 400)


def prompt(*turns: str) -> list[Message]:
    """A system message, and turns of user and assistant."""
    roles = ("user", "assistant")
    return [SYSTEM, *(Message(role=roles[n % 2], content=t) for n, t in enumerate(turns))]


def test_a_system_message_is_stable_and_so_is_a_conversation_that_goes_on() -> None:
    assert stable_ends(prompt("a")) == [0]
    assert stable_ends(prompt("a", "b", "c")) == [0]
    assert stable_ends(prompt("a", "b", "c", "d", "e")) == [0, 5]
    assert stable_ends([SYSTEM]) == []
    assert stable_ends([Message(role="user", content="a")]) == []


@pytest.mark.slow
async def test_marks_are_sent_and_what_the_cache_did_is_billed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-key")
    journal, ledger = MemoryJournal(), Ledger(usd=1.0)
    conversation = ("first", "one", "second", "two", "third")
    with ModelServer("hello") as server:
        settings = ModelSection(default=CLAUDE, api_base=server.url.removesuffix("/v1"))
        async with ModelClient(settings, journal, ledger, seed=0, concurrency=1) as client:
            prices = await client.check(["propose"])
            for call, messages in enumerate(
                [prompt("a"), prompt("b"), prompt(*conversation), prompt(*conversation, "x", "y")]
            ):
                await client.ask(step=1, call=call, role="propose", messages=messages)
        assert server.keys == ["canary-key"] * 4
        assert [marks(body) for body in server.bodies] == [
            [True, False],
            [True, False],
            [True, False, False, False, False, True],
            [True, False, False, False, False, False, False, True],
        ]
        counts = server.counts
    usages = [record.usage for record in journal.records]
    system = tokens_of(SYSTEM.content)
    talk = sum(map(tokens_of, conversation))
    seen = [(u.input_tokens, u.cached_tokens, u.cache_write_tokens) for u in usages]
    assert seen == [
        (system + 1, 0, system),
        (system + 1, system, 0),
        (system + talk, system, talk),
        (system + talk + 2, system, talk + 2),
    ]
    assert sum(u.input_tokens for u in usages) == counts.input_tokens
    price = prices[CLAUDE]
    assert price is not None
    total = sum(usages, Usage())
    by_hand = 3.0 * 2 + 0.3 * 3 * system + 3.75 * (system + 2 * talk + 2) + 15.0 * 4 * 2
    assert total.usd == pytest.approx(by_hand / 1e6)
    assert ledger.spent.usd == pytest.approx(by_hand / 1e6)
    assert total.usd == pytest.approx(sum(cost(price, u) or 0 for u in usages))
    assert sum(saved(price, u) or 0 for u in usages) > 0


@pytest.mark.slow
async def test_only_models_that_need_marks_get_them() -> None:
    provider = await load()
    with_base = "http://127.0.0.1:9"
    marked = {
        name: provider.caches_where_marked(provider.target(name, with_base))
        for name in (
            CLAUDE,
            "openrouter/anthropic/claude-sonnet-4.5",
            "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
            "anthropic/claude-never-heard-of",
            "openai/gpt-4o",
            "gemini/gemini-2.5-pro",
            "openai/claude-like",
            "offline/evolve",
        )
    }
    assert [name for name, is_marked in marked.items() if is_marked] == list(marked)[:3]
    with ModelServer("hello") as server:
        settings = ModelSection(default="openai/test", api_base=server.url)
        async with ModelClient(settings, MemoryJournal(), Ledger(), 0, 1) as client:
            await client.ask(step=1, call=0, role="propose", messages=prompt("a"))
        assert server.prompts[0] == prompt("a")
