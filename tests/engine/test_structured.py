"""Asking for data: from the strategy to the model and back, one more turn, then a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, ModelSection, Role
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.engine.ports import Models
from metasearch.exchange import ExchangeState, Message
from metasearch.models import Ledger, ModelClient, Recording
from metasearch.step import Refused, Step, Task
from metasearch.testing.model_server import ModelServer
from metasearch.testing.scripted import ScriptedModels, ScriptedPool, scored

GOOD = '{"accept": true, "grade": 4}'


class Verdict(BaseModel):
    """Whether the work is good enough."""

    accept: bool
    grade: int = Field(ge=1, le=5, description="5 is best")


class Judging:
    """Asks for a verdict in each step and evaluates the seed program with a number added."""

    paper: ClassVar[str] = ""
    idea: ClassVar[str] = ""
    roles: ClassVar[tuple[Role, ...]] = ("judge",)

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")

    def __init__(self) -> None:
        self.answers: list[Verdict | Refused] = []

    def observe(self, candidate: Candidate) -> None:
        pass

    async def step(self, ctx: Step) -> None:
        seed = ctx.archive.candidate(0)
        answer = await ctx.ask_for(
            Verdict, [Message(role="user", content=f"Is it good? {ctx.number}")], role="judge"
        )
        self.answers.append(answer)
        files = {"program.py": f"x = {ctx.number}\n"}
        program = ctx.archive.program(seed).model_copy(update={"files": files})
        await ctx.evaluate(program, parents=[seed], operator="judge")


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    (tmp_path / "program.py").write_text("x = 0\n")
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "campaign.toml").write_text(
        'name = "judged"\ntask = "Be good."\nconcurrency = 1\n[objectives]\nscore = "maximize"\n'
        "[budget]\nevaluations = 2\n"
    )
    return load_campaign(tmp_path)


async def judge(campaign: Campaign, run: CampaignArchive, models: Models) -> Verdict | Refused:
    strategy = Judging()
    task = Task(
        description=campaign.settings.task,
        objectives=campaign.objectives,
        seed_program=campaign.seed_program,
    )
    ledger = Ledger(usd=None, tokens=None, spent=run.usage())
    pool = ScriptedPool(lambda request: scored(score=1.0))
    engine = Engine(campaign, run, strategy, task, models, ledger, pool, Silent())
    with run.hold():
        await engine.run()
    (answer,) = strategy.answers
    return answer


def asking(campaign: Campaign, models: ModelSection) -> Campaign:
    settings = campaign.settings.model_copy(update={"models": models})
    return campaign.model_copy(update={"settings": settings})


def in_turn(*replies: str) -> Callable[[Sequence[Message]], str]:
    left = list(replies)
    return lambda messages: left.pop(0)


async def test_a_good_answer_is_data_at_once(campaign: Campaign, archive: Archive) -> None:
    run = archive.create(campaign)
    models = ScriptedModels(run, in_turn(f"```json\n{GOOD}\n```"))
    assert await judge(campaign, run, models) == Verdict(accept=True, grade=4)
    assert models.bought == [(1, 0)]
    asked = models.prompts[0][-1].content
    assert asked.startswith("Is it good? 1\n\nAnswer format: JSON\n")
    assert '"description": "5 is best"' in asked


async def test_one_more_turn_says_what_was_wrong(campaign: Campaign, archive: Archive) -> None:
    run = archive.create(campaign)
    models = ScriptedModels(run, in_turn('{"accept": true}', GOOD))
    assert await judge(campaign, run, models) == Verdict(accept=True, grade=4)
    first, second = models.prompts
    assert list(second[: len(first)]) == list(first)
    assert second[-2] == Message(role="assistant", content='{"accept": true}')
    assert "grade: Field required" in second[-1].content
    records = run.exchanges(1)
    assert [bool(record.error) for record in records] == [True, False]
    assert {record.state for record in records} == {ExchangeState.ANSWERED}


async def test_the_second_answer_in_vain_is_a_refusal_on_record(
    campaign: Campaign, archive: Archive
) -> None:
    run = archive.create(campaign)
    models = ScriptedModels(run, in_turn("I would rather not.", '{"accept": true, "grade": 9}'))
    answer = await judge(campaign, run, models)
    assert isinstance(answer, Refused)
    assert "grade: Input should be less than or equal to 5" in answer.reason
    records = run.exchanges(1)
    assert [record.error for record in records] == [
        "The answer has no JSON object.",
        answer.reason,
    ]
    assert [event.kind for event in run.events()].count("refused") == 2


async def test_a_step_that_is_run_again_finds_both_turns(
    campaign: Campaign, archive: Archive
) -> None:
    class Killed(Exception):
        pass

    def killing(messages: Sequence[Message]) -> str:
        if len(messages) > 1:
            raise Killed
        return "no"

    run = archive.create(campaign)
    with pytest.raises(Killed):
        await judge(campaign, run, ScriptedModels(run, killing))
    run.mark_lost()
    models = ScriptedModels(run, in_turn(GOOD))
    assert await judge(campaign, run, models) == Verdict(accept=True, grade=4)
    assert models.bought == [(1, 1)]
    assert [event.kind for event in run.events()].count("refused") == 1


async def test_the_offline_model_gives_an_uninformed_verdict_that_fits_and_replays(
    campaign: Campaign, archive: Archive
) -> None:
    async def answer(model: str, run: CampaignArchive, recorded: Recording | None = None) -> object:
        settings = ModelSection(judge=model)
        recordings = {} if recorded is None else {model: recorded}
        async with ModelClient(
            settings, run, Ledger(), seed=1, concurrency=1, recordings=recordings
        ) as client:
            await client.check(("judge",))
            return await judge(asking(campaign, settings), run, client)

    run = archive.create(campaign)
    first = await answer("offline/evolve", run)
    assert isinstance(first, Verdict)
    recording = Recording(run.exchanges(1), by_content=True)
    assert await answer("offline/replay:it", archive.create(campaign), recording) == first


@pytest.mark.slow
@pytest.mark.parametrize(("model", "native"), [("gpt-4o-mini", True), ("unheard-of", False)])
async def test_a_model_that_can_is_given_the_schema_beside_the_prompt(
    campaign: Campaign, archive: Archive, model: str, native: bool
) -> None:
    run = archive.create(campaign)
    with ModelServer(GOOD) as server:
        settings = ModelSection(judge=f"openai/{model}", api_base=server.url)
        async with ModelClient(settings, run, Ledger(), seed=1, concurrency=1) as client:
            await client.check(("judge",))
            asked_of = asking(campaign, settings)
            assert await judge(asked_of, run, client) == Verdict(accept=True, grade=4)
        (given,) = server.formats
        (asked,) = server.prompts
    assert "Answer format: JSON" in asked[-1].content
    if not native:
        assert given is None
        return
    assert isinstance(given, dict)
    schema = given["json_schema"]["schema"]
    assert given["json_schema"]["strict"] is True
    assert schema["required"] == ["accept", "grade"]
    assert schema["additionalProperties"] is False
    (record,) = run.exchanges(1)
    assert record.parameters["schema"] == "Verdict"
    assert record.usage.input_tokens <= record.reserved_tokens - settings.max_tokens


async def test_several_asked_for_together_keep_their_places(
    campaign: Campaign, archive: Archive
) -> None:
    """Else a turn more for one of them would take the place of another's when run again."""

    class Panel(Judging):
        async def step(self, ctx: Step) -> None:
            asked = [[Message(role="user", content=f"judge {n}")] for n in range(3)]
            await asyncio.gather(*(ctx.ask_for(Verdict, one, role="judge") for one in asked))
            await super().step(ctx)

    run = archive.create(campaign)
    models = ScriptedModels(run, lambda messages: "no" if len(messages) == 1 else GOOD)
    strategy = Panel()
    task = Task(description="", objectives=campaign.objectives, seed_program=campaign.seed_program)
    pool = ScriptedPool(lambda request: scored(score=1.0))
    engine = Engine(campaign, run, strategy, task, models, Ledger(), pool, Silent())
    with run.hold():
        await engine.run()
    for record in run.exchanges(1)[:6]:
        assert f"judge {record.call // 2}" in record.messages[0].content
        assert len(record.messages) == 1 + 2 * (record.call % 2)
