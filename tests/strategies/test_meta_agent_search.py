"""Meta Agent Search does what the paper says: messages, repair, archive, fitness, resuming."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import StrategySection
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.errors import CampaignError, ModelError
from metasearch.evaluation import EvaluationRequest, statistics
from metasearch.exchange import Message
from metasearch.objectives import Objective
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies import load_strategy
from metasearch.testing.scripted import failed, scored
from tests.strategies import kit
from tests.strategies.kit import Laboratory, history

EXAMPLES = 128


def agent(x: object) -> str:
    return f"# An agent.\nx = {x}\n"


def reply(x: object, name: str = "", thought: str = "") -> str:
    return (
        f"## Thought\n{thought or f'Use {x}.'}\n\n## Name\n{name or f'Agent {x}'}\n\n"
        f"## Program\n### File: program.py\n```python\n{agent(x)}```\n"
    )


def by_example(right: int, of: int = EXAMPLES) -> EvaluationResult:
    """So many of the examples solved."""
    scores = [1.0] * right + [0.0] * (of - right)
    estimate = statistics.of_examples(scores, 0)
    score = Score(value=estimate.value, low=estimate.low, high=estimate.high, samples=of)
    stage = StageResult(
        stage="evaluate",
        scores={"accuracy": score},
        passed=True,
        seconds=0.0,
        examples={"accuracy": tuple(scores)},
    )
    return EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))


def measure(request: EvaluationRequest) -> EvaluationResult:
    """``x = N`` solves N of the examples; ``x = "text"`` raises it."""
    value = re.findall(r"x = (\S*)", request.files["program.py"])[0]
    return (
        by_example(int(value))
        if value.isdigit()
        else failed(Outcome.CRASHED, f"ValueError: {value}")
    )


class Script:
    """Replies in turn; then ever new agents."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.new = 10

    def __call__(self, messages: Sequence[Message]) -> str:
        if self.replies:
            return self.replies.pop(0)
        self.new += 1
        return reply(self.new)


def digesting(messages: Sequence[Message]) -> str:
    """A model whose every word depends on all that it was told. Its repairs run."""
    rng = random.Random("\n".join(message.content for message in messages))
    x = f"{rng.randrange(EXAMPLES)}  # {rng.random()}"
    if len(messages) < 8 and rng.random() < 0.3:
        x = f"boom  # {rng.random()}" if rng.random() < 0.5 else f"broken = {rng.random()} ="
    return reply(x) if len(messages) > 7 or rng.random() < 0.9 else "I have no idea."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"agents/debate.py": agent(83), "agents/vote.py": agent(101)}
    kit.write_campaign(tmp_path, agent(39), 'accuracy = "maximize"', files)
    return tmp_path


Open = Callable[..., Laboratory]


@pytest.fixture
def open_(folder: Path, archive: Archive) -> Open:
    def open_(
        answer: kit.Answer, evaluations: int, *, concurrency: int = 1, **options: Any
    ) -> Laboratory:
        options.setdefault("seeds", ["agents/debate.py", "agents/vote.py"])
        campaign = kit.load(
            folder,
            "meta_agent_search",
            options,
            concurrency=concurrency,
            budget__evaluations=evaluations,
        )
        return Laboratory(campaign, archive, answer, measure)

    return open_


def go(laboratory: Laboratory) -> CampaignArchive:
    run = laboratory.start()
    laboratory.run(run)
    return run


def test_the_first_prompt_holds_every_hand_designed_program_with_its_fitness(open_: Open) -> None:
    laboratory = open_(Script(), evaluations=4)
    run = go(laboratory)
    assert [c.operator for c in run.candidates()][:3] == ["seed", "hand-designed", "hand-designed"]
    first, second, third = laboratory.prompts
    assert [message.role for message in first] == ["system", "user"]
    assert (len(second), len(third)) == (4, 6)
    text = first[1].content
    for code, name, fitness in (  # the values are those of the published archives
        (agent(39), "seed", "(22.7%, 38.3%), Median: 30.5%"),
        (agent(83), "debate", "(56.2%, 72.7%), Median: 64.8%"),
        (agent(101), "vote", "(71.9%, 85.9%), Median: 78.9%"),
    ):
        assert code in text
        assert f"Name: {name}\nGeneration: initial\n" in text
        assert f"95% Bootstrap Confidence Interval: {fitness}" in text
    assert "# Mistakes to avoid" in text
    assert "accuracy is to be maximised" in text
    assert "Answer format: complete files" in text
    assert "# The entry before yours" not in second[3].content


def test_the_third_version_is_measured_and_the_next_generation_sees_it(open_: Open) -> None:
    script = Script(reply(50), reply(60), reply(70, "Council", "Ask five.\nThen vote."))
    laboratory = open_(script, evaluations=5)
    run = go(laboratory)
    measured = run.candidate(3)
    assert run.program(measured).source == agent(70)
    assert (measured.name, measured.thought) == ("Council", "Ask five.\nThen vote.")
    assert measured.parents == (2, 1, 0)
    later = laboratory.prompts[3][1].content
    entry = "Name: Council\nGeneration: 1\nFitness: accuracy: 95% Bootstrap Confidence Interval: "
    assert entry in later
    assert "Thought: Ask five. Then vote." in later
    assert agent(50) not in later
    assert agent(60) not in later
    previous = laboratory.prompts[4][3].content
    assert "# The entry before yours\nName: Council\n" in previous
    assert agent(70) in previous


def test_a_failure_is_repaired_in_the_same_conversation(open_: Open) -> None:
    script = Script(reply(50), reply(60), reply("boom"), reply(70, "Mended"))
    laboratory = open_(script, evaluations=5)
    run = go(laboratory)
    repair = laboratory.prompts[3]
    assert len(repair) == 8
    assert repair[:6] == laboratory.prompts[2]
    assert repair[7].content.startswith("# Your program failed\nResult: crashed: ValueError: boom")
    crashed, mended = run.candidate(3), run.candidate(4)
    assert (crashed.outcome, crashed.operator) == (Outcome.CRASHED, "design")
    assert (mended.operator, mended.name) == ("repair", "Mended")
    assert mended.scores == {"accuracy": 70 / EXAMPLES}


def test_all_wrong_is_repaired_and_never_becomes_a_member(open_: Open) -> None:
    zeros = [f'{{"right": 0, "try": {n}}}' for n in range(3)]
    script = Script(*(reply(zero) for zero in (zeros[0], zeros[0], *zeros)))

    def measuring(request: EvaluationRequest) -> EvaluationResult:
        return by_example(1, 200) if "right" in request.files["program.py"] else measure(request)

    laboratory = open_(script, evaluations=7)
    laboratory.measure = measuring
    run = go(laboratory)
    assert [c.operator for c in run.candidates()][3:] == ["design", "repair", "repair", "design"]
    assert "Result: accuracy = 0.005" in laboratory.prompts[3][7].content
    assert len(laboratory.prompts[5]) == 2, "three in vain end the conversation, with no fourth"
    assert "right" not in laboratory.prompts[5][1].content
    assert "# The entry before yours" not in laboratory.prompts[6][3].content


def test_a_lost_proposal_is_retried_in_a_new_conversation_and_no_member(open_: Open) -> None:
    crashes = [reply(f"boom{n}") for n in range(5)]
    laboratory = open_(Script(*crashes, reply(60), reply(61), reply(62)), evaluations=7)
    run = go(laboratory)
    candidates = list(run.candidates())[3:]
    assert [c.operator for c in candidates] == ["design", "repair", "repair", "redesign"]
    assert len({c.step for c in candidates}) == 1, "it consumes no generation"
    assert laboratory.prompts[5] == laboratory.prompts[0]
    assert "boom" not in laboratory.prompts[5][1].content


def test_a_program_that_was_never_measured_has_no_score_and_is_shown_nowhere(open_: Open) -> None:
    duplicate = reply(83)
    script = Script(*[duplicate] * 3, "Sorry, no code.", reply(90))
    laboratory = open_(script, evaluations=5)
    run = go(laboratory)
    same, none, new = list(run.candidates())[3:6]
    assert "same program as #1" in same.error
    assert "no fenced code block" in none.error
    assert (same.scores, none.scores) == ({}, {})
    assert new.scored
    assert "same program as #1" in laboratory.prompts[3][7].content
    assert "no fenced code block" in laboratory.prompts[4][9].content


def test_a_reflection_without_code_stands_by_the_version_before(open_: Open) -> None:
    script = Script(reply(50), reply(60, "Sixty"), "All is well, nothing to change.")
    run = go(open_(script, evaluations=4))
    assert run.program(run.candidate(3)).source == agent(60)
    assert run.candidate(3).name == "Sixty"


def test_context_policies_show_what_they_say(open_: Open) -> None:
    whole = open_(Script(), evaluations=12)
    go(whole)
    assert whole.prompts[-1][1].content.count("## Entry #") == 11
    selected = open_(Script(), evaluations=12, context="selected", top=2, diverse=1)
    go(selected)
    last = selected.prompts[-1][1].content
    assert last.count("## Entry #") == 3
    assert last.index("vote") > last.index("debate"), "the best one stands last"
    none = open_(Script(), evaluations=6, context="none")
    run = go(none)
    assert all("## Entry #" not in m.content for prompt in none.prompts for m in prompt)
    assert agent(39) in none.prompts[-1][1].content
    assert run.candidate(5).parents == (0,)


def test_the_diverse_entries_are_unlike_those_already_shown(open_: Open) -> None:
    odd = "# Something else entirely, in many words and with another look.\n" * 8
    script = Script(*[reply(f"90  # {odd!r}")] * 3)

    def measuring(request: EvaluationRequest) -> EvaluationResult:
        number = re.findall(r"x = (\d+)", request.files["program.py"])[0]
        return by_example(5 if "entirely" in request.files["program.py"] else int(number))

    laboratory = open_(script, evaluations=9, context="selected", top=2, diverse=1)
    laboratory.measure = measuring
    go(laboratory)
    assert "entirely" in laboratory.prompts[-3][1].content


def test_a_missing_or_protected_hand_designed_program_is_a_clear_error(
    open_: Open, folder: Path, archive: Archive
) -> None:
    laboratory = open_(Script(), evaluations=4, seeds=["agents/debat.py"])
    with pytest.raises(CampaignError, match=r"strategy\.options names 'agents/debat\.py'"):
        go(laboratory)
    laboratory = open_(Script(), evaluations=4, seeds=["../outside.py"])
    with pytest.raises(CampaignError, match="outside"):
        go(laboratory)
    (folder / "program.py").write_text(
        f"import math\n# EVOLVE-BLOCK-START\n{agent(1)}# EVOLVE-BLOCK-END\n"
    )
    with pytest.raises(CampaignError, match=r"agents/vote\.py.*keeps the marker lines"):
        go(open_(Script(), evaluations=4, seeds=["agents/vote.py"]))


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


def test_options_are_the_papers() -> None:
    task = Task(
        description="Do it.",
        objectives=(Objective(name="score"),),
        seed_program=Program(files={"program.py": "x = 1\n"}),
    )
    options = load_strategy(StrategySection(name="meta_agent_search"), task).options  # type: ignore[attr-defined]
    assert (options.context, options.reflections, options.attempts) == ("whole", 2, 3)
    assert (options.least, options.seeds) == (0.01, ())


def test_a_minimised_objective_near_zero_is_not_all_wrong(folder: Path, archive: Archive) -> None:
    kit.write_campaign(folder, agent(39), 'error = "minimize"')
    campaign = kit.load(folder, "meta_agent_search", {}, concurrency=1, budget__evaluations=3)
    laboratory = Laboratory(campaign, archive, Script(), lambda request: scored(error=0.0))
    run = go(laboratory)
    assert [c.operator for c in run.candidates()] == ["seed", "design", "design"]
    assert "error: 0\n" in laboratory.prompts[0][1].content
