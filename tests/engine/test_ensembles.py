"""Ensembles in a running engine: who is asked, who is credited, and the same after a crash."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, Role
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate, EvaluationResult
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models import Ensembles, Ledger, learned
from metasearch.models.bandit import Arm
from metasearch.program import Program
from metasearch.step import Rejected, Step, Task
from metasearch.testing.scripted import ScriptedModels, ScriptedPool, scored

CAMPAIGN = """
name = "numbers"
task = "Find a large x."
concurrency = 1
[objectives]
score = "maximize"
[models.propose]
models = {"a/often" = 3, "b/seldom" = 1}
choose = "weights"
temperatures = [0.4, 0.8]
"""


class Killed(SystemExit):
    """Stands for ``kill -9``."""


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Finalise killed coroutines here; CPython 3.11 fails if that happens inside ast.parse."""
    yield
    gc.collect()


class Climb:
    """Adds what the model says to the best x; a model that says nothing useful is rejected."""

    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    def __init__(self, operators: Sequence[str] = ()) -> None:
        self.operators = operators

    def observe(self, candidate: Candidate) -> None:
        """Nothing to fold."""

    async def step(self, ctx: Step) -> None:
        """Ask for a number and add it."""
        parent = ctx.archive.best()[0]
        operator = ctx.choose_operator(self.operators) if self.operators else "add"
        question = Message(role="user", content=f"{operator} {ctx.number}")
        number = (await ctx.ask([question], role="propose")).text
        program: Program | Rejected = Rejected("no number")
        if number.isdigit():
            x = int(parent.scores["score"]) + int(number) + ctx.number / 1e6
            program = Program(files={"program.py": f"x = {x}\n"})
        await ctx.evaluate(program, parents=[parent], operator=operator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text("x = 0\n")
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    return tmp_path


def load(folder: Path, choose: str = "weights", **settings: object) -> Campaign:
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    return load_campaign(folder, {"models.propose.choose": choose, **overrides})


def measure(request: EvaluationRequest) -> EvaluationResult:
    return scored(score=float(request.files["program.py"].split("=")[1]))


class Answers:
    """Each model's answer, by chance that the question decides, as a seeded model's would be."""

    def __init__(self, likely: Callable[[str, str], float], die: float = 0.0) -> None:
        self._likely = likely
        self._die = die
        self._rng = random.Random(3)

    def models(self, run: CampaignArchive) -> ScriptedModels:
        """The scripted client, whose answer knows which model it is."""

        def answer(messages: Sequence[Message]) -> str:
            self.die()
            [question] = messages
            operator, number = question.content.split()
            model = run.exchanges(int(number))[-1].model
            likely = self._likely(model, operator)
            lucky = random.Random(f"{model} {question.content}").random() < likely
            return "1" if lucky else "none"

        return ScriptedModels(run, answer)

    def die(self) -> None:
        if self._rng.random() < self._die:
            raise Killed


def run_once(
    campaign: Campaign, run: CampaignArchive, answers: Answers, strategy: Climb | None = None
) -> ScriptedModels:
    task = Task(
        description=campaign.settings.task,
        objectives=campaign.objectives,
        seed_program=campaign.seed_program,
    )
    run.mark_lost()

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        answers.die()
        return measure(request)

    models, pool = answers.models(run), ScriptedPool(evaluate)
    ledger = Ledger(usd=None, tokens=None, spent=run.usage())
    chosen = strategy or Climb()
    engine = Engine(campaign, run, chosen, task, models, ledger, pool, Silent())
    with run.hold():
        asyncio.run(engine.run())
    return models


def often(model: str, operator: str) -> float:
    return 0.8 if model == "a/often" else 0.2


def asked(run: CampaignArchive) -> list[tuple[str | None, float | None]]:
    return [(c.model, c.temperature) for c in run.candidates() if c.number]


@pytest.mark.parametrize("choose", ["weights", "ucb", "thompson"])
def test_a_candidate_says_which_model_it_came_of(
    folder: Path, archive: Archive, choose: str
) -> None:
    campaign = load(folder, choose, budget__evaluations=30)
    run = archive.create(campaign)
    run_once(campaign, run, Answers(often))
    for candidate in run.candidates():
        if candidate.number == 0:
            assert candidate.model is None
            continue
        [exchange] = run.exchanges_of(candidate.number)
        assert candidate.model == exchange.model
        assert candidate.temperature == exchange.parameters["temperature"]
    assert set(asked(run)) == {
        (model, temperature) for model in ("a/often", "b/seldom") for temperature in (0.4, 0.8)
    }


def test_weights_are_shares_of_the_calls(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=400)
    run = archive.create(campaign)
    run_once(campaign, run, Answers(lambda model, operator: 1.0))
    counts = Counter(model for model, _ in asked(run))
    assert 0.69 < counts["a/often"] / counts.total() < 0.81  # 0.75, three standard deviations


@pytest.mark.parametrize("choose", ["ucb", "thompson"])
def test_a_bandit_asks_the_model_that_improves(folder: Path, archive: Archive, choose: str) -> None:
    campaign = load(folder, choose, budget__evaluations=100, models__propose__temperatures=[0.8])
    run = archive.create(campaign)
    run_once(campaign, run, Answers(often))
    counts = Counter(model for model, _ in asked(run))
    assert counts["a/often"] > 3 * counts["b/seldom"] > 0
    tallies = learned(run).histories["propose"].total
    assert sum(tally.pulls for tally in tallies.values()) == len(asked(run))
    improved = sum(c.scored for c in run.candidates() if c.number)
    assert sum(tally.improvements for tally in tallies.values()) == improved


@pytest.mark.parametrize("choose", ["ucb", "thompson"])
def test_a_bandit_chooses_the_operator_too(folder: Path, archive: Archive, choose: str) -> None:
    def likely(model: str, operator: str) -> float:
        return 0.8 if (model, operator) == ("b/seldom", "cross") else 0.1

    campaign = load(folder, choose, budget__evaluations=120, models__propose__temperatures=[0.8])
    run = archive.create(campaign)
    run_once(campaign, run, Answers(likely), Climb(("cross", "mutate")))
    counts = Counter((c.model, c.operator) for c in run.candidates() if c.number)
    assert counts["b/seldom", "cross"] > 0.5 * counts.total()
    assert len(counts) == 4
    assert Arm("b/seldom", 0.8, "cross") in learned(run).histories["propose"].total


def test_without_a_bandit_operators_are_equally_likely(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=200)
    run = archive.create(campaign)
    run_once(campaign, run, Answers(lambda model, operator: 1.0), Climb(("cross", "mutate")))
    counts = Counter(c.operator for c in run.candidates() if c.number)
    assert 75 < counts["cross"] < 125


@pytest.mark.parametrize("choose", ["weights", "ucb", "thompson"])
def test_killed_anywhere_it_asks_the_same_models_and_buys_nothing_twice(
    folder: Path, archive: Archive, choose: str
) -> None:
    campaign = load(folder, choose, budget__evaluations=40)
    whole, broken = archive.create(campaign), archive.create(campaign)
    strategy = Climb(("cross", "mutate"))
    run_once(campaign, whole, Answers(often), strategy)
    answers, kills = Answers(often, die=0.15), 0
    while True:
        try:
            run_once(campaign, broken, answers, strategy)
            break
        except Killed:
            kills += 1
    assert kills > 5
    assert asked(broken) == asked(whole)
    assert learned(broken).histories == learned(whole).histories
    answered = [e for e in broken.all_exchanges() if e.state == "answered"]
    assert len(answered) == len({(e.step, e.call) for e in answered})


def test_a_stored_reply_is_used_whatever_the_campaign_says_now(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=20)
    run = archive.create(campaign)

    class Dies(Answers):
        def die(self) -> None:
            if run.evaluations() == 5 and run.queued():
                raise Killed

    with pytest.raises(Killed):
        run_once(campaign, run, Dies(often))
    [step] = run.unfinished_steps()
    [stored] = run.exchanges(step.number)
    changed = load(folder, budget__evaluations=20, models__propose__models=["c/new"])
    models = run_once(changed, run, Answers(often))
    assert (step.number, 0) not in models.bought
    assert [c.model for c in run.candidates() if c.step == step.number] == [stored.model]
    assert {c.model for c in run.candidates() if c.step > step.number} == {"c/new"}


class ThinkTwice(Climb):
    """Asks once more before it uses the answer, when others have settled meanwhile."""

    async def step(self, ctx: Step) -> None:
        """Ask a question whose answer does not matter, and then climb."""
        await ctx.ask([Message(role="user", content=f"think {ctx.number}")], role="propose")
        await super().step(ctx)


@pytest.mark.parametrize("choose", ["ucb", "thompson"])
def test_each_call_is_decided_by_the_archive_as_of_its_steps_opening(
    folder: Path, archive: Archive, choose: str
) -> None:
    campaign = load(folder, choose, budget__evaluations=60, concurrency=6)
    run = archive.create(campaign)
    answers, kills = Answers(often, die=0.08), 0
    while True:
        try:
            run_once(campaign, run, answers, ThinkTwice())
            break
        except Killed:
            kills += 1
    gc.collect()
    assert kills > 3
    opened = {e.step: e.seq for e in run.events(limit=100_000) if e.kind == "opened" and e.step}
    fold = Ensembles(campaign.settings.models, campaign.objectives, campaign.settings.seed)
    settled, compared = deque(run.candidates()), 0
    for step, seq in sorted(opened.items(), key=lambda item: item[1]):
        while settled and settled[0].seq < seq:
            candidate = settled.popleft()
            fold.observe(candidate, run.calls_before(candidate.number))
        choices = fold.at(step)
        for exchange in run.exchanges(step):  # lost ones and those asked again included
            arm = choices.arm("propose", exchange.call)
            assert (exchange.model, exchange.parameters["temperature"]) == (
                arm.model,
                arm.temperature,
            )
            compared += 1
    assert compared > 120
