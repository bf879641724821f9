"""The engine on a real archive with scripted models and evaluators: budgets, stops, resume."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from metasearch.archive import Archive
from metasearch.campaign import Role
from metasearch.candidate import Candidate, EvaluationResult, Outcome
from metasearch.errors import BudgetExhausted, CampaignError, EvaluatorError, ModelError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.step import Step
from metasearch.testing.scripted import failed, scored
from tests.engine.kit import (
    Killed,
    bump,
    engine_of,
    history,
    killer,
    load,
    measure,
    run_once,
    x_of,
)


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_a_run_ends_at_exactly_its_evaluations(
    folder: Path, archive: Archive, concurrency: int
) -> None:
    campaign = load(folder, budget__evaluations=40, concurrency=concurrency)
    run = archive.create(campaign)
    assert run_once(campaign, run) == "evaluations"
    assert run.evaluations() == 40
    assert run.queued() == []


def test_two_sequential_runs_of_one_seed_are_identical(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=40, concurrency=1, seed=3)
    first, second = archive.create(campaign), archive.create(campaign)
    run_once(campaign, first)
    run_once(campaign, second)
    assert history(first) == history(second)
    other = load(folder, budget__evaluations=40, concurrency=1, seed=4)
    third = archive.create(other)
    run_once(other, third)
    assert history(third) != history(first)


@pytest.mark.parametrize("strategy", ["map_elites", "iterative_repair"])
def test_killed_anywhere_a_sequential_run_continues_to_the_same_archive(
    folder: Path, archive: Archive, strategy: str
) -> None:
    campaign = load(folder, budget__evaluations=30, concurrency=1, strategy__name=strategy)
    whole, broken = archive.create(campaign), archive.create(campaign)
    run_once(campaign, whole)
    rng = random.Random(1)
    die = killer(rng, 0.2)

    def answer(messages: Sequence[Message]) -> str:
        die()
        return bump(messages)

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        die()
        return measure(request)

    kills, bought, evaluated = 0, [], []
    while True:
        engine, models, pool = engine_of(campaign, broken, answer=answer, evaluate=evaluate)
        try:
            with broken.hold():
                asyncio.run(engine.run())
            break
        except Killed:
            kills += 1
        finally:
            bought += models.bought
            evaluated += pool.evaluated
    assert kills > 3
    assert history(broken) == history(whole)
    assert len(bought) == len(set(bought)), "a reply was bought twice"
    assert len(evaluated) == len(set(evaluated)) == 30


def test_killed_anywhere_a_concurrent_run_loses_and_repeats_nothing(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=60, concurrency=6)
    run = archive.create(campaign)
    die = killer(random.Random(5), 0.08)

    def answer(messages: Sequence[Message]) -> str:
        die()
        return bump(messages)

    bought: list[tuple[int, int]] = []
    kills = 0
    while True:
        engine, models, _ = engine_of(campaign, run, answer=answer)
        try:
            with run.hold():
                asyncio.run(engine.run())
            break
        except Killed:
            kills += 1
        finally:
            bought += models.bought
    assert kills > 3
    assert len(bought) == len(set(bought))
    assert run.evaluations() == 60
    digests = [c.digest for c in run.candidates() if c.outcome is not Outcome.REJECTED]
    assert len(digests) == len(set(digests)) == 60


def test_a_larger_budget_extends_a_finished_run(folder: Path, archive: Archive) -> None:
    short, long = (load(folder, budget__evaluations=n, concurrency=1) for n in (15, 30))
    extended, whole = archive.create(short), archive.create(long)
    run_once(short, extended)
    assert run_once(short, extended) == "evaluations"
    assert extended.evaluations() == 15
    run_once(long, extended)
    run_once(long, whole)
    assert history(extended) == history(whole)


def test_the_target_ends_the_run(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=1000, budget__target=20, concurrency=2)
    run = archive.create(campaign)
    assert run_once(campaign, run) == "target"
    assert run.best()[0].scores["score"] >= 20
    assert run.evaluations() < 1000


def test_a_failing_seed_is_reported_before_any_model_is_asked(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder)
    run = archive.create(campaign)

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        return failed(Outcome.CRASHED, "NameError: nope")

    engine, models, _ = engine_of(campaign, run, evaluate=evaluate)
    with pytest.raises(CampaignError, match="nope"), run.hold():
        asyncio.run(engine.run())
    assert models.bought == []


def test_an_evaluators_bug_stops_the_campaign_and_blames_no_candidate(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=20, concurrency=3)
    run = archive.create(campaign)
    broken = True

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        if broken and request.number >= 5:
            raise EvaluatorError("Traceback: KeyError 'radius'")
        return measure(request)

    engine, first, _ = engine_of(campaign, run, evaluate=evaluate)
    with pytest.raises(EvaluatorError, match="radius"), run.hold():
        asyncio.run(engine.run())
    queued = run.queued()
    assert queued
    assert all(c.outcome is not None for c in run.candidates())
    broken = False
    engine, second, _ = engine_of(campaign, run, evaluate=evaluate)
    with run.hold():
        asyncio.run(engine.run())
    assert run.evaluations() == 20
    assert all(run.candidate(c.number).outcome is not None for c in queued)
    assert not set(first.bought) & set(second.bought)


@pytest.mark.parametrize("closed", [False, True])
def test_a_candidate_whose_asks_the_budget_does_not_reach_stays_queued(
    folder: Path, archive: Archive, closed: bool
) -> None:
    campaign = load(folder, budget__evaluations=20, concurrency=3)
    run = archive.create(campaign)
    used_up = True

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        if used_up and request.number >= 5:
            raise BudgetExhausted("The budget of 7 tokens is used up.", "tokens")
        return measure(request)

    assert run_once(campaign, run, evaluate=evaluate) == "tokens"
    queued = run.queued()
    assert queued
    if closed:  # as when another strategy takes over: nobody but the engine measures these
        for step in run.unfinished_steps():
            run.end_step(step.number)
    assert run_once(campaign, run, evaluate=evaluate) == "tokens"
    assert [c.number for c in run.queued()][: len(queued)] == [c.number for c in queued]
    used_up = False
    assert run_once(campaign, run, evaluate=evaluate) == "evaluations"
    assert run.evaluations() == 20
    assert all(run.candidate(c.number).outcome is not None for c in queued)


def test_a_model_that_only_repeats_itself_ends_as_stalled(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=20, concurrency=4)
    run = archive.create(campaign)
    reason = run_once(campaign, run, answer=lambda messages: "```python\nx = 1\n```")
    assert reason == "stalled"
    assert run.evaluations() == 2
    rejected = [c for c in run.candidates() if c.outcome is Outcome.REJECTED]
    assert all("same program as #1" in c.error or "unchanged" in c.error for c in rejected)


def test_junk_replies_are_archived_with_their_reason_and_get_a_repair_turn(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=5, concurrency=1)
    run = archive.create(campaign)

    def answer(messages: Sequence[Message]) -> str:
        return bump(messages) if len(messages) > 2 else "I would rather not."

    engine, models, _ = engine_of(campaign, run, answer=answer)
    with run.hold():
        asyncio.run(engine.run())
    candidates = list(run.candidates())
    rejected = [c for c in candidates if c.outcome is Outcome.REJECTED and c.digest is None]
    assert rejected
    assert all("no fenced code block" in c.error for c in rejected)
    assert {c.operator for c in candidates if c.scored and c.number} == {"repair"}
    assert "no fenced code block" in models.prompts[1][-1].content


def test_stopping_stores_what_arrives_and_uses_it_next_time(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=30, concurrency=4)
    run = archive.create(campaign)
    engine, first, _ = engine_of(campaign, run)

    def answer(messages: Sequence[Message]) -> str:
        if len(first.bought) == 8:
            engine.stop("interrupted")
        return bump(messages)

    first._answer = answer
    with run.hold():
        assert asyncio.run(engine.run()) == "interrupted"
    assert run.evaluations() < 30
    engine, second, _ = engine_of(campaign, run)
    with run.hold():
        asyncio.run(engine.run())
    assert run.evaluations() == 30
    assert not set(first.bought) & set(second.bought)


class Generations:
    """A generation-synchronous strategy: each step waits for all of the generation before."""

    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: list[tuple[int, list[int]]] = []

    def observe(self, candidate: Candidate) -> None:
        """No fold."""

    async def step(self, ctx: Step) -> None:
        generation, _ = divmod(ctx.number - 1, self.size)
        start = 1 + generation * self.size
        before = await ctx.settled(start, since=max(0, start - self.size))
        self.seen.append((ctx.number, [candidate.step for candidate in before]))
        best = max((c for c in before if c.scored), key=lambda c: c.scores["score"])
        program = ctx.archive.program(best)
        x = x_of(program.source) + ctx.rng.randint(1, 1000)
        await ctx.evaluate(
            program.replace({"program.py": f"x = {x}\n"}), parents=[best], operator="mutate"
        )


def test_a_generation_sees_the_whole_one_before_and_nothing_else(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=21, concurrency=7)
    run = archive.create(campaign)
    strategy = Generations(5)
    engine, _, _ = engine_of(
        campaign,
        run,
        strategy=strategy,
        evaluate=lambda r: scored(score=float(x_of(r.files["program.py"]))),
    )
    with run.hold():
        asyncio.run(engine.run())
    for number, steps in strategy.seen:
        generation = (number - 1) // 5
        expected = [0] if generation == 0 else range(1 + (generation - 1) * 5, 1 + generation * 5)
        assert steps == list(expected)
    assert len(strategy.seen) >= 20


def test_a_candidate_that_fails_a_stage_is_never_the_best(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=15, concurrency=1)
    run = archive.create(campaign)

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        x = x_of(request.files["program.py"])
        result = scored(score=float(x))
        if x < 3:
            return result
        cheap = result.stages[0].model_copy(update={"passed": False, "stage": "cheap"})
        return result.model_copy(update={"stages": (cheap,)})

    run_once(campaign, run, evaluate=evaluate)
    early = [c for c in run.candidates() if not c.complete]
    assert early
    assert all(c.scores["score"] >= 3 > run.best()[0].scores["score"] for c in early)
    assert not any(c.scored for c in early)
    children = [c for c in run.candidates() if set(c.parents) & {e.number for e in early}]
    assert children == []


def test_several_evaluations_at_once_in_one_step_keep_the_budget(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=10, concurrency=4)
    run = archive.create(campaign)

    class Broad(Generations):
        async def step(self, ctx: Step) -> None:
            seed = ctx.archive.candidate(0)
            programs = [
                ctx.task.seed_program.replace({"program.py": f"x = {100 * ctx.number + i}\n"})
                for i in range(6)
            ]
            await asyncio.gather(
                *(ctx.evaluate(p, parents=[seed], operator="sample") for p in programs)
            )

    assert run_once(campaign, run, strategy=Broad(1)) == "evaluations"
    assert run.evaluations() == 10
    longer = load(folder, budget__evaluations=25, concurrency=4)
    assert run_once(longer, run, strategy=Broad(1)) == "evaluations"
    assert run.evaluations() == 25


@pytest.mark.parametrize("concurrency", [4, 12, 24])
def test_hardly_a_repair_is_paid_for_that_no_evaluation_is_left_for(
    folder: Path, archive: Archive, concurrency: int
) -> None:
    campaign = load(folder, budget__evaluations=41, concurrency=concurrency)
    run = archive.create(campaign)
    numbers = itertools.count(1)

    class Mending(Generations):
        """Whatever a step makes first fails, and is mended once."""

        async def step(self, ctx: Step) -> None:
            seed = ctx.archive.candidate(0)
            for operator in ("make", "mend"):
                reply = await ctx.ask([Message(role="user", content="Go on.")], role="propose")
                program = ctx.task.seed_program.replace({"program.py": reply.text})
                await ctx.evaluate(program, parents=[seed], operator=operator)

    engine, models, pool = engine_of(
        campaign, run, answer=lambda messages: f"x = {next(numbers)}\n", strategy=Mending(1)
    )
    with run.hold():
        assert asyncio.run(engine.run()) == "evaluations"
    assert len(pool.evaluated) == 41
    assert {c.operator for c in run.candidates()} == {"seed", "make", "mend"}
    assert len(run.queued()) <= 1
    assert len(models.bought) == 40 + len(run.queued())


def test_an_extended_generation_waits_for_steps_of_the_run_before(
    folder: Path, archive: Archive
) -> None:
    strategy = Generations(5)
    for evaluations in (9, 10, 12, 21):
        campaign = load(folder, budget__evaluations=evaluations, concurrency=7)
        run = archive.campaign("numbers") if evaluations > 9 else archive.create(campaign)
        run_once(
            campaign,
            run,
            strategy=strategy,
            evaluate=lambda r: scored(score=float(x_of(r.files["program.py"]))),
        )
        assert run.evaluations() == evaluations
    for number, steps in strategy.seen:
        generation = (number - 1) // 5
        expected = [0] if generation == 0 else range(1 + (generation - 1) * 5, 1 + generation * 5)
        assert steps == list(expected), number


def test_a_model_that_answers_only_junk_is_given_up_soon(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=50, concurrency=4)
    run = archive.create(campaign)
    engine, models, _ = engine_of(campaign, run, answer=lambda messages: "No.")
    with pytest.raises(ModelError, match="no fenced code block"), run.hold():
        asyncio.run(engine.run())
    assert len(models.bought) <= 2 * (20 + 4)


def test_an_evaluators_bug_ends_the_evaluations_under_way(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=50, concurrency=8)
    run = archive.create(campaign)
    seen: list[int] = []

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        seen.append(request.number)
        if len(seen) == 4:
            raise EvaluatorError("broken")
        return measure(request)

    engine, _, _ = engine_of(campaign, run, evaluate=evaluate)
    with pytest.raises(EvaluatorError), run.hold():
        asyncio.run(engine.run())
    assert len(seen) <= 6
