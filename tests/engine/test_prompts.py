"""Prompts in a campaign: too long ones are shrunk, its own templates hold, the next is foreseen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, ModelSection, Role
from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.engine.opening import task_of, tell_prompts
from metasearch.engine.ports import Models
from metasearch.engine.preview import preview
from metasearch.errors import ContextOverflow, ModelError, UsageError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import ExchangeState, Message
from metasearch.formats import JSON
from metasearch.models import Ledger, ModelClient
from metasearch.models.offline.reply import reply as by_chance
from metasearch.step import Reply
from metasearch.strategies import load_strategy
from metasearch.strategies.registry import BUILT_IN
from metasearch.testing.model_server import Fault, ModelServer
from metasearch.testing.scripted import ScriptedModels, ScriptedPool, scored

LONG = "# " + "feedback that nobody reads to its end " * 40
TOO_LONG = Fault(status=400, code="context_length_exceeded", message="too long for this model")


class Listening(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def notice(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "campaign"
    folder.mkdir()
    (folder / "program.py").write_text("x = 0\n")
    (folder / "evaluator.py").write_text("")
    (folder / "campaign.toml").write_text(
        'name = "shown"\ntask = "Be good."\nconcurrency = 1\n[objectives]\nscore = "maximize"\n'
        '[strategy]\nname = "best_of_n"\n[budget]\nevaluations = 2\n'
    )
    return folder


def data_or(text: str, messages: Sequence[Message]) -> str:
    """The text, or by chance the data that is asked for."""
    chat = [{"role": m.role, "content": m.content} for m in messages]
    return by_chance(chat, 0, 0.8, None) if JSON in messages[-1].content else text


def measure(request: EvaluationRequest) -> EvaluationResult:
    said = {"feedback": LONG, "stdout": "printed " * 100}
    return scored(score=1.0).model_copy(update=said)


def run_with(
    campaign: Campaign,
    run: CampaignArchive,
    models: Models,
    observer: Silent | None = None,
    evaluate: Callable[[EvaluationRequest], EvaluationResult] = measure,
) -> Engine:
    task = task_of(campaign)
    return Engine(
        campaign,
        run,
        load_strategy(campaign.settings.strategy, task),
        task,
        models,
        Ledger(usd=None, tokens=None, spent=run.usage()),
        ScriptedPool(evaluate),
        observer or Silent(),
    )


async def carried_out(engine: Engine, run: CampaignArchive) -> None:
    with run.hold():
        await engine.run()


REPLY = "Better.\n```python\nx = 1\n```\n"


@pytest.mark.slow
async def test_a_prompt_that_the_provider_finds_too_long_is_halved_and_found_again(
    folder: Path, archive: Archive
) -> None:
    campaign = load_campaign(folder)
    run = archive.create(campaign)
    settings = ModelSection(default="openai/small", max_tokens=100, retries=0)
    observer = Listening()
    with ModelServer(REPLY, faults=[TOO_LONG, None]) as server:
        settings = settings.model_copy(update={"api_base": server.url})
        async with ModelClient(settings, run, Ledger(), seed=1, concurrency=1) as client:
            await client.check(("propose",))
            models = campaign.settings.model_copy(update={"models": settings})
            asking = campaign.model_copy(update={"settings": models})
            await carried_out(run_with(asking, run, client, observer), run)
            first, second = (prompt[-1].content for prompt in server.prompts)
            assert "(To keep this prompt short, " in second
            assert len(second) < 0.6 * len(first)
            for content in (first, second):
                assert content.startswith("## Current program\n### File: program.py\n")
                assert content.endswith("that improves the objectives.")
            assert server.prompts[0][0] == server.prompts[1][0]
            [told] = observer.heard
            assert "too long" in told
            assert [record.state for record in run.exchanges(1)] == [
                ExchangeState.FAILED,
                ExchangeState.ANSWERED,
            ]

            # The step is run again, as after a crash before its evaluation was stored.
            again = client.recall(1, 0, server.prompts[1])
            assert again is not None
            assert again.replayed


async def test_a_step_run_again_begins_with_the_prompt_that_was_answered(
    folder: Path, archive: Archive
) -> None:
    class Killed(Exception):
        pass

    class Small(ScriptedModels):
        """Takes so many characters in a prompt."""

        async def ask(
            self,
            *,
            step: int,
            call: int,
            role: Role,
            messages: Sequence[Message],
            model: str,
            temperature: float | None,
            schema: type[BaseModel] | None = None,
        ) -> Reply:
            if sum(len(message.content) for message in messages) > 2_500:
                raise ContextOverflow("too long")
            return await super().ask(
                step=step,
                call=call,
                role=role,
                messages=messages,
                model=model,
                temperature=temperature,
            )

    def dying(request: EvaluationRequest) -> EvaluationResult:
        if run.exchanges(1):
            raise Killed
        return measure(request)

    campaign = load_campaign(folder)
    run = archive.create(campaign)
    observer = Listening()
    models = Small(run, lambda messages: REPLY)
    with pytest.raises(Killed):
        await carried_out(run_with(campaign, run, models, observer, dying), run)
    assert len(models.bought) == len(observer.heard) == 1
    observer = Listening()
    models = Small(run, lambda messages: REPLY)
    await carried_out(run_with(campaign, run, models, observer), run)
    assert models.bought == []
    assert observer.heard == []
    assert run.evaluations() == 2


async def test_what_is_never_cut_may_be_too_long_for_the_setting(
    folder: Path, archive: Archive
) -> None:
    campaign = load_campaign(folder)
    run = archive.create(campaign)
    models = ScriptedModels(run, lambda messages: REPLY)
    models.most_prompt_tokens = 50
    with pytest.raises(ModelError, match="50 are allowed"):
        await carried_out(run_with(campaign, run, models), run)
    assert models.prompts == []


@pytest.mark.parametrize("strategy", BUILT_IN)
async def test_every_strategy_writes_its_prompts_from_the_campaigns_templates(
    folder: Path, archive: Archive, strategy: str
) -> None:
    (folder / "prompts").mkdir()
    for name, text in load_campaign(folder).prompts.items():
        (folder / "prompts" / f"{name}.md.j2").write_text(f"A template of our own.\n{text}")
    campaign = load_campaign(folder, {"strategy.name": strategy})
    run = archive.create(campaign)
    models = ScriptedModels(run, lambda messages: data_or(REPLY, messages))
    await carried_out(run_with(campaign, run, models), run)
    assert models.prompts
    for prompt in models.prompts:
        assert any("A template of our own." in message.content for message in prompt)


async def test_each_call_knows_the_templates_that_it_was_made_with(
    folder: Path, archive: Archive
) -> None:
    campaign = load_campaign(folder)
    run = archive.create(campaign)
    models = ScriptedModels(run, lambda messages: REPLY)
    await carried_out(run_with(campaign, run, models), run)
    (folder / "prompts").mkdir()
    (folder / "prompts" / "evolve.md.j2").write_text("Now change it, please.")
    changed = load_campaign(folder, {"budget.evaluations": 3})
    observer = Listening()
    tell_prompts(run.resolved(), changed, observer)
    assert observer.heard == ["Prompt templates that have changed: evolve."]
    run.update(changed)
    assert run.events()[-1].detail == "budget.evaluations, prompts"
    assert run.resolved() == changed
    models = ScriptedModels(run, lambda messages: REPLY.replace("1", "2"))
    await carried_out(run_with(changed, run, models), run)
    assert models.prompts[0][-1].content.endswith("\n\nNow change it, please.")
    old, new = run.templates_of(1, 0), run.templates_of(models.bought[0][0], 0)
    assert [name for name in new if new[name] != old[name]] == ["evolve"]
    run.update(changed)
    assert [event.kind for event in run.events()].count("changed") == 1


@pytest.mark.parametrize("strategy", BUILT_IN)
def test_the_next_prompt_is_foreseen_word_for_word_and_nothing_is_stored(
    folder: Path, archive: Archive, tmp_path: Path, strategy: str
) -> None:
    settings = {"strategy.name": strategy, "models.prompt_tokens": 2_000}
    campaign = load_campaign(folder, {**settings, "budget.evaluations": 5})
    run = archive.create(campaign)
    replies = iter(range(1, 100))
    models = ScriptedModels(
        run, lambda messages: data_or(REPLY.replace("1", str(next(replies))), messages)
    )
    models.most_prompt_tokens = 2_000
    asyncio.run(carried_out(run_with(campaign, run, models), run))
    step = run.next_step()
    with Archive.open(tmp_path / "archive.db", read_only=True) as reading:
        seen = preview(reading.campaign(run.id), step)
    assert run.next_step() == step
    assert seen.prompt.tokens <= 2_000
    more = campaign.model_copy(
        update={"settings": load_campaign(folder, {**settings, "budget.evaluations": 6}).settings}
    )
    before = len(models.prompts)
    asyncio.run(carried_out(run_with(more, run, models), run))
    assert models.prompts[before] == seen.prompt.messages
    with pytest.raises(UsageError, match="has ended without asking"):
        preview(run, 0)
    with pytest.raises(UsageError, match="The next step of"):
        preview(run, 1_000)


def test_no_step_is_foreseen_before_the_seed_is_scored(folder: Path, archive: Archive) -> None:
    with pytest.raises(UsageError, match="has not scored its seed program"):
        preview(archive.create(load_campaign(folder)), 1)
