"""Set-up faults are found before the first call, and say what to change."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from metasearch.campaign import ModelSection, Price
from metasearch.errors import ModelSetupError
from metasearch.exchange import Message
from metasearch.models import Ledger, ModelClient
from metasearch.models.memory_journal import MemoryJournal
from metasearch.models.prices import FREE
from metasearch.testing.model_server import ModelServer


def client(usd: float | None = None, **settings: object) -> ModelClient:
    return ModelClient(
        ModelSection.model_validate(settings), MemoryJournal(), Ledger(usd=usd), 0, 4
    )


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("settings", "pattern"),
    [
        ({"default": "gpt-4o"}, "'propose'.*'gpt-4o' needs a key.*OPENAI_API_KEY.*offline/evolve"),
        ({"default": "gemini/gemini-2.5-pro"}, "GEMINI_API_KEY"),
        ({"propose": "opnai/gpt-4o"}, "Did you mean openai/gpt-4o"),
        ({"default": "gpt-4oo"}, "Did you mean gpt-4o"),
        ({"default": "qwen", "api_base": "http://127.0.0.1:1"}, "write openai/qwen"),
    ],
)
async def test_unusable_model_is_refused(settings: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ModelSetupError, match=pattern):
        await client(**settings).check(["propose"])


async def test_key_in_the_environment_satisfies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-something")
    prices = await client(default="gpt-4o").check()
    assert list(prices) == ["gpt-4o"]
    assert prices["gpt-4o"] is not None


@pytest.mark.parametrize("model", ["openai/mine", "hosted_vllm/mine", "ollama/llama3"])
async def test_local_server_needs_no_key(model: str) -> None:
    await client(default=model, api_base="http://127.0.0.1:1/v1").check(["propose"])


async def test_only_the_roles_asked_for_are_checked() -> None:
    mixed = client(default="offline/evolve", judge="gpt-4o")
    assert await mixed.check(["propose"]) == {"offline/evolve": FREE}
    with pytest.raises(ModelSetupError, match="role 'judge'"):
        await mixed.check(["propose", "judge"])


async def test_unknown_price_under_a_usd_budget_is_refused_with_the_remedy() -> None:
    local: dict[str, Any] = {"default": "openai/mine", "api_base": "http://127.0.0.1:1/v1"}
    with pytest.raises(ModelSetupError, match=r'(?s)price.*\[models.prices."openai/mine"\]'):
        await client(usd=1.0, **local).check(["propose"])
    assert await client(**local).check(["propose"]) == {"openai/mine": None}
    priced = client(usd=1.0, prices={"openai/mine": {"input": 1, "output": 2}}, **local)
    assert await priced.check(["propose"]) == {"openai/mine": Price(input=1, output=2)}


async def test_unknown_price_shows_as_unknown_cost() -> None:
    with ModelServer() as server:
        async with client(default="openai/mine", api_base=server.url) as asking:
            reply = await asking.ask(
                step=0, call=0, role="propose", messages=[Message(role="user", content="x")]
            )
            assert reply.usage.usd is None
            assert asking.usage.usd is None


async def test_prices_stay_as_they_were_frozen() -> None:
    frozen = {"gpt-4o-mini": Price(input=7.0, output=8.0)}
    section = ModelSection(default="gpt-4o-mini", api_base="http://127.0.0.1:1/v1")
    asking = ModelClient(section, MemoryJournal(), Ledger(), 0, 1, prices=frozen)
    assert await asking.check(["propose"]) == frozen


@pytest.mark.slow
def test_importing_the_room_imports_no_litellm() -> None:
    code = "import sys, metasearch.models; sys.exit('litellm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_offline_model_answers_by_the_same_way_and_is_free() -> None:
    prompt = "## Current program\n### File: program.py\n```python\nx = 1.5\n```\n"
    prompt += "Answer format: complete files"
    journal = MemoryJournal()
    asking = ModelClient(ModelSection(), journal, Ledger(usd=0.0), 3, 4)
    reply = await asking.ask(
        step=0, call=0, role="propose", messages=[Message(role="user", content=prompt)]
    )
    assert "```" in reply.text
    assert reply.usage.usd == 0.0
    assert reply.usage.tokens > 0
    assert [(r.model, r.reply) for r in journal.records] == [("offline/evolve", reply.text)]
    again = ModelClient(ModelSection(), MemoryJournal(), Ledger(), 3, 4)
    same = await again.ask(
        step=0, call=0, role="propose", messages=[Message(role="user", content=prompt)]
    )
    assert same.text == reply.text
