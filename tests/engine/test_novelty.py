"""Proposals that are too close to an earlier one: not measured, named, counted, resumed."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive, Duplicates
from metasearch.campaign import Campaign, Price
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate, EvaluationResult, Outcome
from metasearch.engine import Engine
from metasearch.engine.novelty import Novelty
from metasearch.engine.observer import Silent
from metasearch.errors import RequestRefused
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models import Ledger, ModelClient
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies import load_strategy
from metasearch.testing.model_server import ModelServer
from metasearch.testing.scripted import ScriptedModels, ScriptedPool, scored

SEED = (
    "def solve(n):\n    total = 0\n    for k in range(n):\n        total += k\n    return total\n"
)
BUDGET = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(SEED)
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "campaign.toml").write_text(
        'name = "sums"\ntask = "Sum."\nconcurrency = 1\n[objectives]\nscore = "maximize"\n'
    )
    return tmp_path


def load(folder: Path, **settings: object) -> Campaign:
    chosen: dict[str, object] = {"budget__evaluations": BUDGET, "strategy__name": "best_of_n"}
    chosen |= settings
    return load_campaign(folder, {key.replace("__", "."): value for key, value in chosen.items()})


def measure(request: EvaluationRequest) -> EvaluationResult:
    return scored(score=float(len(request.files["program.py"])))


def engine_of(
    campaign: Campaign, run: CampaignArchive, answer: Callable[[Sequence[Message]], str]
) -> tuple[Engine, ScriptedModels, ScriptedPool]:
    task = Task(
        description=campaign.settings.task,
        objectives=campaign.objectives,
        seed_program=campaign.seed_program,
    )
    run.mark_lost()
    models, pool = ScriptedModels(run, answer), ScriptedPool(measure)
    strategy = load_strategy(campaign.settings.strategy, task)
    ledger = Ledger(spent=run.usage())
    return Engine(campaign, run, strategy, task, models, ledger, pool, Silent()), models, pool


def answers(*texts: str) -> Callable[[Sequence[Message]], str]:
    """These programs in turn, and then ever new ones."""
    fresh = (SEED.replace("+= k", f"+= k * {n}") for n in itertools.count(100))
    turns = itertools.chain(texts, fresh)
    return lambda messages: f"A change.\n```python\n{next(turns)}```\n"


def go(campaign: Campaign, run: CampaignArchive, *texts: str) -> ScriptedModels:
    engine, models, _ = engine_of(campaign, run, answers(*texts))
    with run.hold():
        assert asyncio.run(engine.run()) == "evaluations"
    return models


RENAMED = SEED.replace("total", "summed") + "\n# the same\n"
CLOSE = SEED.replace("    return total", "    total = total\n    return total")


def rejected(run: CampaignArchive) -> list[Candidate]:
    return [c for c in run.candidates() if c.outcome is Outcome.REJECTED]


def test_a_renamed_copy_is_named_shown_and_replaced(folder: Path, archive: Archive) -> None:
    campaign = load(folder)
    run = archive.create(campaign)
    models = go(campaign, run, RENAMED)

    (copy,) = rejected(run)
    assert (copy.duplicate_of, copy.parents) == (0, (0,))
    assert copy.error.startswith("same program as #0 but for formatting, comments")
    told = models.prompts[1][-1].content
    assert copy.error in told
    assert "-    total = 0\n+    summed = 0\n" in told
    assert f"score = {len(SEED)}" in told
    assert run.candidate(copy.number + 1).operator == "differ"
    assert run.candidate(copy.number + 1).scored
    assert run.duplicates() == Duplicates(proposals=BUDGET, exact=0, near=1, different=1)
    assert run.duplicates().rate == 1 / BUDGET
    assert run.evaluations() == BUDGET


def test_a_program_is_asked_to_differ_only_once(folder: Path, archive: Archive) -> None:
    campaign = load(folder, **{"strategy__options": {"repairs": 5}})
    run = archive.create(campaign)
    models = go(campaign, run, RENAMED, RENAMED + "\n")
    assert [c.duplicate_of for c in rejected(run)] == [0, 0]
    assert {c.step for c in rejected(run)} == {1}
    assert len(models.prompts[2]) == 2, "the third call is another step's"
    assert run.duplicates() == Duplicates(proposals=BUDGET + 1, exact=0, near=2, different=0)


def test_by_plain_text_only_the_same_text_is_a_duplicate(folder: Path, archive: Archive) -> None:
    campaign = load(folder, novelty__normalise=False)
    run = archive.create(campaign)
    go(campaign, run, RENAMED, RENAMED)
    assert [c.error for c in rejected(run)] == ["same program as #1"]
    assert run.duplicates() == Duplicates(proposals=BUDGET, exact=1, near=0, different=1)


@pytest.mark.parametrize("measure", ["shingles", "embedding"])
def test_a_close_program_is_refused_if_the_campaign_says_so(
    folder: Path, archive: Archive, measure: str
) -> None:
    asked = load(folder, novelty__threshold=0.7, novelty__measure=measure)
    one, other = archive.create(asked), archive.create(load(folder))
    go(asked, one, CLOSE)
    go(load(folder), other, CLOSE)
    (close,) = rejected(one)
    assert close.duplicate_of == 0
    assert close.error.startswith("almost the same program as #0: similarity 0.")
    assert close.error.endswith(f"by {measure}")
    assert rejected(other) == []


@pytest.mark.parametrize("measure", ["shingles", "embedding"])
def test_a_step_of_one_number_is_always_measured(
    folder: Path, archive: Archive, measure: str
) -> None:
    campaign = load(folder, novelty__threshold=0.1, novelty__measure=measure)
    run = archive.create(campaign)
    go(campaign, run)  # programs that differ in one number only
    assert rejected(run) == []


class Killed(SystemExit):
    """Stands for ``kill -9``."""


def varied(messages: Sequence[Message]) -> str:
    """Small changes that depend on the prompt, many of them too small."""
    rng = random.Random(messages[-1].content + str(len(messages)))
    lines = SEED.splitlines()
    for _ in range(rng.randint(1, 8)):
        place = rng.choice((1, 2, len(lines) - 1))
        lines.insert(place, f"    {rng.choice('abcde')} = {rng.choice('abcden')}")
    return "```python\n" + "\n".join(lines) + "\n```"


def test_killed_anywhere_a_run_decides_the_same(folder: Path, archive: Archive) -> None:
    campaign = load(
        folder,
        novelty__threshold=0.5,
        budget__evaluations=10,
        strategy__name="random_parent",
    )
    whole, broken = archive.create(campaign), archive.create(campaign)
    engine, _, _ = engine_of(campaign, whole, varied)
    with whole.hold():
        asyncio.run(engine.run())
    rng = random.Random(1)

    def dying(messages: Sequence[Message]) -> str:
        if rng.random() < 0.1:
            raise Killed
        return varied(messages)

    kills = 0
    while True:
        engine, _, _ = engine_of(campaign, broken, dying)
        try:
            with broken.hold():
                asyncio.run(engine.run())
            break
        except Killed:
            kills += 1
        gc.collect()
    history = [[(c.step, c.digest, c.error) for c in run.candidates()] for run in (whole, broken)]
    assert kills > 1
    assert history[0] == history[1]
    assert whole.duplicates().near > 2


def test_turned_on_later_it_knows_what_was_before(folder: Path, archive: Archive) -> None:
    first = load(folder, novelty__normalise=False, budget__evaluations=3)
    later = load(folder, novelty__threshold=0.9, budget__evaluations=5)
    run = archive.create(first)
    go(first, run, CLOSE)
    go(later, run, CLOSE.replace("total", "summed"))
    assert rejected(run)[0].duplicate_of == 1


class RefusingModels(ScriptedModels):
    """Its embedding model takes no text."""

    async def embed(self, *, step: int, call: int, model: str, text: str) -> list[float]:
        raise RequestRefused("too long")


async def test_a_program_that_the_embedding_model_refuses_counts_as_new(
    folder: Path, archive: Archive
) -> None:
    campaign = load(
        folder,
        novelty__threshold=0.5,
        novelty__measure="embedding",
        novelty__embedding="openai/text-embedding-3-small",
    )
    run = archive.create(campaign)
    engine, _, _ = engine_of(campaign, run, answers())
    models = RefusingModels(run, answers())
    novelty = Novelty(campaign.settings.novelty, run, models, engine._outage)
    look = await novelty.look(Program(files={"program.py": CLOSE}), 1, 0)
    assert novelty.nearest(look) is None
    assert look.identity is not None


@pytest.mark.slow
async def test_bought_embeddings_are_billed_stored_and_used(folder: Path, archive: Archive) -> None:
    """Over HTTP, on the archive's journal; the letters of a text are its embedding there."""
    model = "openai/text-embedding-3-small"
    with ModelServer() as server:
        campaign = load(
            folder,
            novelty__threshold=0.95,
            novelty__measure="embedding",
            novelty__embedding=model,
            models__api_base=server.url,
            models__default="offline/evolve",
        )
        run = archive.create(campaign)
        ledger = Ledger(usd=1.0)
        client = ModelClient(campaign.settings.models, run, ledger, 0, 1, embedding=model)
        async with client:
            prices = await client.check(())
            assert prices[model] == Price(input=0.02, output=0.0)
            engine, _, _ = engine_of(campaign, run, answers())
            novelty = Novelty(campaign.settings.novelty, run, client, engine._outage)
            texts = [SEED, CLOSE, "print('quite another thing')\n", RENAMED]
            found = []
            with run.hold():
                step = run.open_step().number
                for call, text in enumerate(texts):
                    program = Program(files={"program.py": text})
                    look = await novelty.look(program, step, call)
                    near = novelty.nearest(look)
                    found.append(None if near is None else (near.original, near.measure))
                    kept = run.queue_candidate(step, call, program, operator="x", near=near)
                    if kept.outcome is None:
                        novelty.add(kept.number, look)
            assert found == [None, (0, "embedding"), None, (0, "identity")]
            assert server.counts.answered == 3, "nothing is asked about what is known by identity"
            again = await novelty.look(Program(files={"program.py": CLOSE}), step, 1)
            assert again.vector is not None
            assert server.counts.answered == 3, "it is in the journal"
    bill = {cost.name: cost for cost in run.costs("role")}["embed"]
    assert (bill.calls, bill.usage.input_tokens) == (3, server.counts.input_tokens)
    assert bill.usage.usd == pytest.approx(server.counts.input_tokens * 0.02e-6)
    assert ledger.spent.usd == pytest.approx(bill.usage.usd)
