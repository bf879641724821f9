"""Meta Agent Search over whole runs: at once, resumed, with failures, junk and many candidates."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.candidate import Outcome
from metasearch.errors import ModelError
from metasearch.program import Program
from tests.strategies import agents, kit
from tests.strategies.agents import Open, Script, agent, by_example, digesting, go, reply
from tests.strategies.kit import history


@pytest.fixture
def open_(tmp_path: Path, archive: Archive) -> agents.Open:
    return agents.opener(tmp_path, archive)


@pytest.mark.parametrize("concurrency", [1, 6])
def test_every_proposal_waits_for_the_hand_designed_programs(open_: Open, concurrency: int) -> None:
    laboratory = open_(Script(), evaluations=10, concurrency=concurrency)
    go(laboratory)
    for prompt in laboratory.prompts:
        assert agent(83) in prompt[1].content
        assert agent(101) in prompt[1].content


def test_two_runs_of_one_seed_are_equal(open_: Open) -> None:
    laboratory = open_(Script(), evaluations=25, context="selected", top=2, diverse=2)
    first = history(go(laboratory))
    laboratory.answer = Script()
    assert history(go(laboratory)) == first


def test_killed_anywhere_a_run_continues_to_the_same_archive(open_: Open) -> None:
    laboratory = open_(digesting, evaluations=25)
    whole = go(laboratory)
    laboratory.bought.clear()
    laboratory.evaluated.clear()
    broken = laboratory.start()
    assert laboratory.run_killed(broken, 0.15) > 5
    assert history(broken) == history(whole)
    assert len(laboratory.bought) == len(set(laboratory.bought)), "a reply was bought twice"
    assert len(laboratory.evaluated) == len(set(laboratory.evaluated)) == 25


def test_killed_anywhere_a_concurrent_run_loses_and_repeats_nothing(open_: Open) -> None:
    laboratory = open_(digesting, evaluations=40, concurrency=5)
    run = laboratory.start()
    assert laboratory.run_killed(run, 0.06) > 3
    assert len(laboratory.bought) == len(set(laboratory.bought))
    assert run.evaluations() == 40


def test_a_population_of_failures_goes_on_from_the_seed(open_: Open) -> None:
    counter = iter(range(1_000))
    laboratory = open_(lambda messages: reply(f"boom{next(counter)}"), evaluations=30)
    run = go(laboratory)
    assert [c.number for c in kit.scored(run)] == [0, 1, 2]
    assert laboratory.prompts[-1][1].content.count("## Entry #") == 3


def test_a_model_that_repeats_itself_ends_as_stalled(open_: Open) -> None:
    laboratory = open_(lambda messages: reply(50), evaluations=30, retries=0)
    run = laboratory.start()
    assert laboratory.run(run) == "stalled"
    assert run.evaluations() == 4


def test_junk_ends_the_run_with_the_reason_and_is_archived(open_: Open) -> None:
    laboratory = open_(lambda messages: "\x00 ```` no \ud800", evaluations=30)
    run = laboratory.start()
    with pytest.raises(ModelError, match="gave no program"):
        laboratory.run(run)
    rejected = [c for c in run.candidates() if c.outcome is Outcome.REJECTED]
    assert rejected
    assert all(c.error for c in rejected)


@pytest.mark.slow
def test_a_prompt_is_bounded_with_ten_thousand_candidates(open_: Open) -> None:
    laboratory = open_(Script(), evaluations=10_000, seeds=[], characters=50_000)
    run = laboratory.start()
    laboratory.campaign = laboratory.campaign.model_copy()
    with run.hold():
        for number in range(10_000):
            step = run.open_step()
            program = Program(
                files={"program.py": agent(number % 120) + f"# {number}" + "#" * (number % 3_000)}
            )
            candidate = run.queue_candidate(
                step.number, 0, program, parents=(), operator="design", thought="why " * 2_000
            )
            run.settle(candidate.number, by_example(1 + number % 120))
            run.end_step(step.number)
    extended = open_(Script(), evaluations=10_003, seeds=[], characters=50_000)
    extended.run(run)
    assert extended.prompts
    assert all(len(m.content) < 60_000 for prompt in extended.prompts for m in prompt)
    assert all(prompt[1].content.count("## Entry #") > 10 for prompt in extended.prompts)
