"""Commands to a running engine, and what they leave for the next one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.candidate import EvaluationResult
from metasearch.commands import (
    AnyCommand,
    Concurrency,
    Continue,
    Extend,
    Favourite,
    Hint,
    Idea,
    Pause,
    Stop,
    Unmark,
    Veto,
    Withdraw,
)
from metasearch.engine.orders import decline_outdated
from metasearch.engine.preview import preview
from metasearch.errors import UsageError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models.offline.reply import reply
from metasearch.testing.scripted import scored
from tests.engine.kit import Killed, bump, engine_of, history, killer, load, measure, run_once

HEADING = "## From the person who runs this search"
WHO = "ann@desk"

Say = Callable[..., list[int]]


@pytest.fixture
def say(archive: Archive) -> Iterator[Say]:
    """Gives commands by another connection, as another process would."""
    with Archive.open(archive.path) as theirs:

        def said(run: CampaignArchive, *commands: AnyCommand) -> list[int]:
            other = theirs.campaign(run.id)
            return [other.command(command, WHO).number for command in commands]

        yield said


def offline(messages: Sequence[Message]) -> str:
    """The offline model, which also answers in forms."""
    chat = [{"role": m.role, "content": m.content} for m in messages]
    return reply(chat, 1, 0.8, None)


def talked_to(
    campaign: Campaign,
    run: CampaignArchive,
    talk: Callable[[], Coroutine[None, None, None]],
    answer: Callable[[Sequence[Message]], str] = bump,
) -> str:
    """Run while somebody talks to the engine; the reason of its end."""
    engine, _, _ = engine_of(campaign, run, answer=answer)

    async def both() -> str:
        talking = asyncio.create_task(talk())
        reason = await engine.run()
        await talking
        return reason

    with run.hold():
        return asyncio.run(asyncio.wait_for(both(), 60))


async def come(happened: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come within 30 seconds")


async def answered(run: CampaignArchive, number: int) -> float:
    """Wait for the engine's answer; the seconds between asking and answering."""
    await come(lambda: run.commanded(number).answered is not None)
    now = run.commanded(number)
    assert now.answered is not None
    return now.answered - now.at


# -- pause, continue, stop, extend, concurrency ---------------------------------------------


def test_a_pause_opens_nothing_counts_no_time_and_ends_with_continue(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=100_000, concurrency=4)
    run = archive.create(campaign)

    async def talk() -> None:
        await asyncio.sleep(0.3)
        [paused] = say(run, Pause())
        assert await answered(run, paused) < 1
        await asyncio.sleep(0.3)  # what was in flight has come to rest
        summary = run.summary()
        assert (summary.state, summary.reason) == ("paused", f"paused by {WHO}")
        assert not run.queued()
        count, seconds, steps = run.evaluations(), run.seconds(), run.next_step()
        await asyncio.sleep(0.5)
        assert (run.evaluations(), run.next_step()) == (count, steps)
        assert run.seconds() == seconds
        [twice, going] = say(run, Pause(), Continue())
        assert await answered(run, going) < 1
        assert not run.commanded(twice).taken
        assert run.summary().state == "running"
        await come(lambda: run.evaluations() > count)
        say(run, Stop())

    assert talked_to(campaign, run, talk) == "interrupted"
    kinds = [e.kind for e in run.events(limit=10**6)]
    assert kinds.count("commanded") == 4
    assert kinds.count("taken") == 3
    assert kinds.count("declined") == 1


def test_a_stop_ends_a_pause_too(folder: Path, archive: Archive, say: Say) -> None:
    campaign = load(folder, budget__evaluations=100_000, concurrency=2)
    run = archive.create(campaign)

    async def talk() -> None:
        await asyncio.sleep(0.2)
        [paused] = say(run, Pause())
        await answered(run, paused)
        say(run, Stop())

    assert talked_to(campaign, run, talk) == "interrupted"


def test_killed_in_a_pause_it_continues_when_it_is_started(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=12, concurrency=1)
    run = archive.create(campaign)

    def once(request: EvaluationRequest) -> EvaluationResult:
        if request.number == 3:
            run.hold_back("paused by somebody")
            raise Killed
        return measure(request)

    with pytest.raises(Killed):
        run_once(campaign, run, evaluate=once)
    assert run.held_back() == "paused by somebody"
    say(run, Pause(), Continue())  # nobody is there
    decline_outdated(run)
    assert run_once(campaign, run) == "evaluations"
    assert run.held_back() == ""
    whole = archive.create(campaign)
    run_once(campaign, whole)
    assert history(run) == history(whole)
    assert [c.taken for c in run.latest_commands()] == [False, False]


def test_an_extension_that_comes_before_the_end_is_in_time(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=5, concurrency=1)
    run = archive.create(campaign)

    def generous(request: EvaluationRequest) -> EvaluationResult:
        if request.number == 4:
            say(run, Extend(evaluations=9))
        return measure(request)

    assert run_once(campaign, run, evaluate=generous) == "evaluations"
    assert run.evaluations() == 9
    assert run.settings_in_force().budget.evaluations == 9


def test_of_a_limit_the_last_word_counts(folder: Path, archive: Archive, say: Say) -> None:
    campaign = load(folder, budget__evaluations=5, budget__usd=1.0)
    run = archive.create(campaign)
    say(run, Extend(evaluations=9), Extend(usd=2.5, evaluations=12), Concurrency(limit=3))
    budget = run.settings_in_force(campaign.settings).budget
    assert (budget.evaluations, budget.usd) == (12, 2.5)
    assert run.settings_in_force(campaign.settings).concurrency == 3
    asked = load(folder, budget__evaluations=7, budget__usd=1.0)
    run.update(asked)
    now = run.settings_in_force(asked.settings)
    assert (now.budget.evaluations, now.budget.usd, now.concurrency) == (7, 2.5, 3)


def test_concurrency_changes_while_it_runs(folder: Path, archive: Archive, say: Say) -> None:
    campaign = load(folder, budget__evaluations=100_000, concurrency=1)
    run = archive.create(campaign)
    open_at_once: list[int] = []

    async def talk() -> None:
        [wider] = say(run, Concurrency(limit=6))
        await answered(run, wider)
        for _ in range(100):
            open_at_once.append(len(run.open_steps()))
            await asyncio.sleep(0)
        say(run, Stop())

    talked_to(campaign, run, talk)
    assert max(open_at_once) > 1


def test_commands_are_answered_within_a_second(folder: Path, archive: Archive, say: Say) -> None:
    campaign = load(folder, budget__evaluations=100_000, concurrency=2)
    run = archive.create(campaign)
    waits: list[float] = []

    async def talk() -> None:
        for _ in range(8):
            [number] = say(run, Hint(text="quicker"))
            waits.append(await answered(run, number))
            await asyncio.sleep(random.Random(len(waits)).random() / 10)
        say(run, Stop())

    talked_to(campaign, run, talk)
    assert max(waits) < 1


def test_what_cannot_be_is_refused_with_what_there_is(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=5, concurrency=1)
    run = archive.create(campaign)
    run_once(campaign, run)
    for command, reason in [
        (Veto(candidate=0), "seed program"),
        (Veto(candidate=99), "#0 to #"),
        (Hint(text="x", below=99), "no candidate #99"),
        (Hint(text="x", island=77), "no island 77"),
        (Withdraw(hint=5), "no hint 5"),
        (Extend(usd=5), "no limit of usd"),
        (Extend(evaluations=5), "is 5 already"),
    ]:
        with pytest.raises(UsageError, match=reason):
            say(run, command)
    assert run.latest_commands() == []


# -- hints, ideas, marks ----------------------------------------------------------------------


def text_of(prompt: Sequence[Message]) -> str:
    return "\n".join(message.content for message in prompt)


def test_a_hint_is_in_every_prompt_after_it_and_in_none_before(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=10, concurrency=1)
    run = archive.create(campaign)
    given: list[int] = []

    def hinting(request: EvaluationRequest) -> EvaluationResult:
        if request.number == 4:
            given.extend(say(run, Hint(text="Think of primes."), Hint(text="Not of ten.")))
        if request.number == 7:
            say(run, Withdraw(hint=given[1]))
        return measure(request)

    engine, models, _ = engine_of(campaign, run, evaluate=hinting)
    with run.hold():
        asyncio.run(engine.run())
    shown = [HEADING in text_of(prompt) for prompt in models.prompts]
    first = shown.index(True)
    assert first > 0
    assert all(shown[first:])
    ten = ["Not of ten." in text_of(prompt) for prompt in models.prompts]
    assert ten[first]
    assert not ten[-1]
    born = run.born_under(given[0])
    later = [c.number for c in run.candidates() if c.number > 4]
    assert born == [n for n in later if given[0] in run.steered_by(n)] == later
    assert 0 < len(run.born_under(given[1])) < len(born)
    last = preview(run, run.next_step()).prompt.messages
    assert HEADING in last[1].content
    assert "Think of primes." in last[1].content
    assert last[1].content.index(HEADING) < last[1].content.index("## Now")


@pytest.mark.parametrize("command", [Hint(text="Once.", expires=1), Idea(text="Once.")])
def test_what_is_to_be_tried_once_is_tried_once(
    folder: Path, archive: Archive, say: Say, command: AnyCommand
) -> None:
    campaign = load(folder, budget__evaluations=8, concurrency=1)
    run = archive.create(campaign)
    [number] = say(run, command)
    engine, models, _ = engine_of(campaign, run)
    with run.hold():
        asyncio.run(engine.run())
    steps = {
        step
        for (step, _), p in zip(models.bought, models.prompts, strict=True)
        if "Once." in text_of(p)
    }
    assert len(steps) == 1
    assert run.times_tried(number) == 1


def test_a_hint_below_a_candidate_is_for_its_descendants(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=40, concurrency=1, strategy__name="random_parent")
    run = archive.create(campaign)

    def hinting(request: EvaluationRequest) -> EvaluationResult:
        if request.number == 2:
            say(run, Hint(text="Only here.", below=1))
        return scored(score=float(request.number))

    engine, _, _ = engine_of(campaign, run, evaluate=hinting)
    with run.hold():
        asyncio.run(engine.run())
    born = run.born_under(0)
    below = [
        c.number
        for c in run.candidates()
        if c.number > 2 and 1 in [a.number for a in run.lineage(c.number)]
    ]
    assert born == below
    assert 0 < len(born) < len([c for c in run.candidates() if c.number > 2])


def test_a_hint_in_the_place_of_others(folder: Path, archive: Archive, say: Say) -> None:
    campaign = load(folder, budget__evaluations=4, concurrency=1)
    run = archive.create(campaign)
    say(run, Hint(text="Old."), Hint(text="New.", append=False))
    run_once(campaign, run)
    shown = text_of(preview(run, run.next_step()).prompt.messages)
    assert "New." in shown
    assert "Old." not in shown


def test_a_favourite_is_shown_until_it_is_unmarked(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=6, concurrency=1, strategy__name="best_of_n")
    run = archive.create(campaign)
    run_once(campaign, run)
    worst = next(c for c in run.candidates() if c.scored and c.number)
    say(run, Favourite(candidate=worst.number))
    shown = text_of(preview(run, run.next_step()).prompt.messages)
    assert f"recommends: #{worst.number}" in shown
    assert run.program(worst).source in shown
    say(run, Unmark(candidate=worst.number))
    assert "recommends" not in text_of(preview(run, run.next_step()).prompt.messages)


def test_a_vetoed_candidate_is_best_and_parent_no_more(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=30, concurrency=1)
    run = archive.create(campaign)
    vetoed: list[int] = []

    def objecting(request: EvaluationRequest) -> EvaluationResult:
        if request.number >= 15 and not vetoed:
            vetoed.append(run.best()[0].number)
            say(run, Veto(candidate=vetoed[0], reason="it cheats"))
        return measure(request)

    engine, _, _ = engine_of(campaign, run, evaluate=objecting)
    with run.hold():
        asyncio.run(engine.run())
    [number] = vetoed
    assert number not in [c.number for c in run.best(50)]
    [veto] = run.commands()
    opened = {e.step for e in run.events(veto.seq, limit=10**6) if e.kind == "opened"}
    later = [c for c in run.candidates() if c.step in opened]
    assert later
    assert all(number not in c.parents for c in later)
    report = engine.report()
    assert report.best is not None
    assert report.best.number != number
    honest = run.best()[0].scores["score"]
    assert max(p.score for p in run.curve() if p.candidate not in vetoed) == honest
    assert run.candidate(number).scored  # the facts stay as they were measured
    say(run, Unmark(candidate=number))
    assert number in [c.number for c in run.best(50)]


@pytest.mark.parametrize("strategy", ["map_elites", "iterative_repair"])
def test_killed_anywhere_a_steered_run_continues_to_the_same_archive(
    folder: Path, archive: Archive, say: Say, strategy: str
) -> None:
    campaign = load(folder, budget__evaluations=24, concurrency=1, strategy__name=strategy)
    words: dict[int, AnyCommand] = {
        3: Hint(text="Larger.", expires=4),
        8: Veto(candidate=2),
        12: Favourite(candidate=1),
        16: Veto(candidate=5, reason="luck"),
        20: Unmark(candidate=2),
    }

    def steered(
        run: CampaignArchive, die: Callable[[], None]
    ) -> Callable[[EvaluationRequest], EvaluationResult]:
        def evaluate(request: EvaluationRequest) -> EvaluationResult:
            die()
            word = words.get(request.number)
            if word is not None and word not in [c.command for c in run.commands()]:
                say(run, word)
            result = measure(request)
            die()
            return result

        return evaluate

    whole = archive.create(campaign)
    run_once(campaign, whole, evaluate=steered(whole, lambda: None))
    broken = archive.create(campaign)
    rng, kills = random.Random(5), 0
    while True:
        die = killer(rng, 0.1 if kills < 10 else 0)
        try:
            run_once(campaign, broken, evaluate=steered(broken, die))
            break
        except Killed:
            kills += 1
    assert kills > 2
    assert history(broken) == history(whole)
    assert [broken.born_under(n) for n in range(5)] == [whole.born_under(n) for n in range(5)]


def test_an_idea_joins_those_of_a_strategy_that_rates_them(
    folder: Path, archive: Archive, say: Say
) -> None:
    campaign = load(folder, budget__evaluations=100_000, strategy__name="co_scientist")
    run = archive.create(campaign)

    async def talk() -> None:
        [number] = say(run, Idea(text="Use primes.\nThey are many."))
        await answered(run, number)
        say(run, Stop())

    talked_to(campaign, run, talk, answer=offline)
    ideas = [r.fact for r in run.all_facts() if r.fact.kind == "idea"]
    assert [i.title for i in ideas if i.operator == "person"] == ["Use primes."]
    asked = [text_of(e.messages) for e in run.all_exchanges()]
    assert not any(HEADING in text for text in asked)


def test_a_busy_engine_is_not_held_up_by_time(folder: Path, archive: Archive, say: Say) -> None:
    """Reading commands at each step stays cheap when there are many."""
    campaign = load(folder, budget__evaluations=60, concurrency=1)
    run = archive.create(campaign)
    for place in range(0, 900, 2):
        say(run, Hint(text=f"hint {place}"), Withdraw(hint=place))
    begun = time.monotonic()
    run.commands()
    for seq in range(100):
        run.marks(until=seq)
    assert time.monotonic() - begun < 1
