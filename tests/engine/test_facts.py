"""Facts that strategies record: folded in the archive's order, never written twice."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Role
from metasearch.candidate import Candidate, EvaluationResult
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import Idea, Recorded, Selection, Value
from metasearch.operators.edits import read_edit
from metasearch.step import Step
from metasearch.testing.scripted import scored
from tests.engine.kit import Killed, engine_of, killer, load, measure, run_once, x_of


class Notebook:
    """Chooses by everything it has seen, and writes down before the choice what that was."""

    roles: ClassVar[tuple[Role, ...]] = ("propose", "value")

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.scored: list[Candidate] = []
        self.opened: list[int] = []

    def observe(self, candidate: Candidate) -> None:
        self.seen.append(f"#{candidate.number} {candidate.outcome}")
        if candidate.scored:
            self.scored.append(candidate)

    def learn(self, recorded: Recorded) -> None:
        self.seen.append(f"{recorded.number} {recorded.step} {recorded.fact}")

    async def step(self, ctx: Step) -> None:
        everything = f"{self.seen} {ctx.archive.open_steps()}"
        digest = hashlib.sha256(everything.encode()).hexdigest()[:16]
        parent = ctx.rng.choice(self.scored)
        chosen = Selection(operator=f"saw {digest}", candidates=(parent.number,))
        assert ctx.record(chosen).fact == chosen, "chosen by something else than the first time"
        self.opened.append(ctx.number)
        program = ctx.archive.program(parent)
        talk = [Message(role="user", content=f"{digest} {program.source}")]
        reply = await ctx.ask(talk, role="propose")
        child = await ctx.evaluate(
            read_edit(reply.text, program), parents=[parent], operator="evolve"
        )
        ctx.record(Value(candidate=child.number, score=1, explanation=reply.text))
        verdict = await ctx.ask([*talk, Message(role="user", content="And?")], role="value")
        ctx.record(Value(candidate=child.number, score=2, explanation=verdict.text))


def answer(messages: Sequence[Message]) -> str:
    text = "".join(m.content for m in messages)
    return f"```python\nx = {x_of(text) + random.Random(text).randrange(1, 10_000)}\n```"


def facts(run: CampaignArchive) -> list[tuple[object, ...]]:
    """All but seq: calls that were lost and asked again have numbers there too."""
    return [(r.number, r.step, r.position, r.fact) for r in run.all_facts()]


def order(run: CampaignArchive) -> list[tuple[str, int]]:
    return [(type(fact).__name__, fact.number) for fact in run.history()]


def test_facts_and_candidates_are_folded_in_the_archives_order(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=20, concurrency=5)
    run = archive.create(campaign)
    live = Notebook()
    assert run_once(campaign, run, answer=answer, strategy=live) == "evaluations"
    assert len(list(run.all_facts())) >= 3 * 19
    read = Notebook()
    for fact in run.history():
        read.observe(fact) if isinstance(fact, Candidate) else read.learn(fact)
    assert live.seen == read.seen


@pytest.mark.parametrize("concurrency", [1, 6])
def test_killed_anywhere_each_step_chooses_again_by_what_it_saw_first(
    folder: Path, archive: Archive, concurrency: int
) -> None:
    campaign = load(folder, budget__evaluations=40, concurrency=concurrency)
    whole, broken = archive.create(campaign), archive.create(campaign)
    run_once(campaign, whole, answer=answer, strategy=Notebook())
    die = killer(random.Random(3), 0.1)

    def deadly(messages: Sequence[Message]) -> str:
        die()
        return answer(messages)

    def evaluate(request: EvaluationRequest) -> EvaluationResult:
        die()
        return measure(request)

    kills, opened = 0, 0
    while True:
        strategy = Notebook()
        engine, _, _ = engine_of(
            campaign, broken, answer=deadly, evaluate=evaluate, strategy=strategy
        )
        try:
            with broken.hold():
                asyncio.run(engine.run())
            break
        except Killed:
            kills += 1
        finally:
            opened += len(strategy.opened)
    assert kills > 3
    assert opened > max(r.step for r in broken.all_facts()), "no step was opened twice"
    assert broken.evaluations() == 40
    for step in {r.step for r in broken.all_facts()}:
        positions = [r.position for r in broken.all_facts() if r.step == step]
        assert positions == list(range(len(positions)))
    if concurrency == 1:
        assert facts(broken) == facts(whole)
        assert order(broken) == order(whole)


class Thinker(Notebook):
    """Thinks, and proposes nothing new."""

    def __init__(self, ideas: int) -> None:
        super().__init__()
        self.ideas = ideas

    async def step(self, ctx: Step) -> None:
        ctx.record(Selection(operator="explore"))
        if ctx.number <= self.ideas:
            ctx.record(Idea(title=f"Idea {ctx.number}", claim="?", operator="explore"))
        await asyncio.sleep(0)


def test_a_run_is_not_stalled_while_it_learns_but_when_it_only_chooses(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=10, concurrency=2)
    run = archive.create(campaign)
    assert run_once(campaign, run, strategy=Thinker(300)) == "stalled"
    steps = max(r.step for r in run.all_facts())
    assert 500 <= steps <= 505
    assert len(run.facts("idea", 1000)) == 300


def test_steps_that_propose_nothing_do_not_excuse_a_model_that_answers_junk(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=1000, concurrency=1)
    run = archive.create(campaign)

    class Mixed(Notebook):
        async def step(self, ctx: Step) -> None:
            if ctx.number % 2:
                ctx.record(Idea(title="One more", claim="?", operator="explore"))
                return
            seed = ctx.archive.candidate(0)
            reply = await ctx.ask([Message(role="user", content="x = 1")], role="propose")
            edit = read_edit(reply.text, ctx.archive.program(seed))
            await ctx.evaluate(edit, parents=[seed], operator="evolve")

    with pytest.raises(Exception, match="no fenced code block"):
        run_once(campaign, run, answer=lambda messages: "No.", strategy=Mixed())
    assert len(list(run.candidates())) == 1 + 20


def test_a_strategy_without_learn_gets_no_facts_of_another(folder: Path, archive: Archive) -> None:
    campaign = load(folder, budget__evaluations=5, concurrency=1)
    run = archive.create(campaign)
    run_once(campaign, run, answer=answer, strategy=Notebook())
    longer = load(folder, budget__evaluations=8, concurrency=1)
    assert run_once(longer, run, evaluate=lambda r: scored(score=1.0)) == "evaluations"
    assert run.evaluations() == 8
