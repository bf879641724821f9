"""Meta Agent Search does what the paper says: messages, repair, archive, fitness, resuming."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.campaign import StrategySection
from metasearch.candidate import EvaluationResult, Outcome
from metasearch.errors import CampaignError
from metasearch.evaluation import EvaluationRequest
from metasearch.objectives import Objective
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies import load_strategy
from metasearch.testing.scripted import scored
from tests.strategies import agents, kit
from tests.strategies.agents import EXAMPLES, Open, Script, agent, by_example, go, measure, reply
from tests.strategies.kit import Laboratory


@pytest.fixture
def open_(tmp_path: Path, archive: Archive) -> agents.Open:
    return agents.opener(tmp_path, archive)


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
    for turn in (second[3], third[5]):
        assert "Under the heading '## Reflection': what you found" in turn.content
        assert "gave no program" not in turn.content


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


def test_growing_budgets_of_repairs_keep_the_latest_answers_and_re_examine(open_: Open) -> None:
    """Five repairs are needed: budgets of 1, 2 and 4; one of the answers holds no program."""
    crashes = [reply(f"boom{n}") for n in range(4)]
    script = Script(reply(50), reply(60), *crashes[:3], "I cannot.", crashes[3], reply(70))
    repairs = {"start": 1, "growth": 2, "limit": 7}
    run = go(laboratory := open_(script, evaluations=8, repairs=repairs))
    design, *mended = list(run.candidates())[3:]
    assert design.operator == "design"
    assert {c.operator for c in mended} == {"repair"}
    assert {c.step for c in mended} == {design.step}
    assert mended[-1].scores == {"accuracy": 70 / EXAMPLES}
    asked = laboratory.prompts[3:8]
    assert [len(prompt) for prompt in asked] == [4, 4, 4, 6, 4]
    assert all(prompt[:2] == laboratory.prompts[0] for prompt in asked)
    again = ["as if somebody else had written it" in prompt[-1].content for prompt in asked]
    assert again == [False, True, False, True, False]
    assert "boom2" in asked[3][2].content, "the program that ran last stays"
    assert "gave no program" in asked[3][-1].content


def test_every_later_turn_names_a_fault_and_the_form_of_its_answer(open_: Open) -> None:
    """What a bad earlier answer lacks is asked for, not taken for granted."""
    script = Script("I have an idea.", "```python\nx = \n```", "Well.", reply(83), reply(70))
    laboratory = open_(script, evaluations=4)
    run = go(laboratory)
    turns = [prompt[-1].content for prompt in laboratory.prompts[1:]]
    for turn, fault in zip(turns, ("no fenced code block", "does not parse"), strict=False):
        assert "gave no program that can be measured: " in turn
        assert fault in turn
    assert turns[2].startswith("# Your answer gave no program\nResult: rejected: ")
    assert turns[3].startswith("# Your program is not new\nResult: rejected: same program as #1")
    assert "carries out the same idea" in turns[2]
    assert "carries out the same idea" not in turns[3]
    for turn, reflection in zip(
        turns, ["what you found"] * 2 + ["what was wrong"] * 2, strict=True
    ):
        form = turn.partition("# Answer\n")[2]
        assert f"Under the heading '## Reflection': {reflection}. Then" in form
        for title in ("## Thought", "## Name", "## Program"):
            assert form.count(title) == 1
        assert turn.count("## Reflection") == 1
    assert run.best()[0].scores == {"accuracy": 101 / EXAMPLES}


def test_a_better_program_takes_no_entrys_place(open_: Open) -> None:
    laboratory = open_(Script(*[reply(110)] * 3, *[reply(120)] * 3), evaluations=6)
    run = go(laboratory)
    first, later = (laboratory.prompts[n][1].content for n in (0, 6))
    entries = first.partition("\n\n# Fitness")[0].split("## Entry #")[1:]
    assert len(entries) == 3
    assert all(entry.strip() in later for entry in entries)
    assert later.count("## Entry #") == 5
    assert run.best()[0].scores == {"accuracy": 120 / EXAMPLES}


def test_the_feedback_on_a_failed_program_reaches_the_repair(open_: Open) -> None:
    def measuring(request: EvaluationRequest) -> EvaluationResult:
        return measure(request).model_copy(update={"feedback": "Look at the third question."})

    laboratory = open_(Script(*[reply("boom")] * 3), evaluations=5)
    laboratory.measure = measuring
    go(laboratory)
    assert "Feedback from the evaluator:\nLook at the third" in laboratory.prompts[3][7].content


def test_all_wrong_is_repaired_and_never_becomes_a_member(open_: Open) -> None:
    zeros = [f'{{"right": 0, "try": {n}}}' for n in range(3)]
    script = Script(*(reply(zero) for zero in (zeros[0], zeros[0], *zeros)))

    def measuring(request: EvaluationRequest) -> EvaluationResult:
        return by_example(1, 200) if "right" in request.files["program.py"] else measure(request)

    laboratory = open_(script, evaluations=7)
    laboratory.measure = measuring
    run = go(laboratory)
    assert [c.operator for c in run.candidates()][3:] == ["design", "repair", "repair", "design"]
    assert laboratory.prompts[3][7].content.startswith("# Your program does not do well enough\n")
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
    duplicate, best = reply(83), reply(101)
    script = Script(*[duplicate] * 3, "Sorry, no code.", best, reply(90))
    laboratory = open_(script, evaluations=4, attempts=4)
    run = go(laboratory)
    same, none, again, new = list(run.candidates())[3:7]
    assert "same program as #1" in same.error
    assert "no fenced code block" in none.error
    assert "same program as #2" in again.error, "also if it is the entry shown last"
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
    open_: Open, tmp_path: Path
) -> None:
    laboratory = open_(Script(), evaluations=4, seeds=["agents/debat.py"])
    with pytest.raises(CampaignError, match=r"strategy\.options names 'agents/debat\.py'"):
        go(laboratory)
    laboratory = open_(Script(), evaluations=4, seeds=["../outside.py"])
    with pytest.raises(CampaignError, match="outside"):
        go(laboratory)
    (tmp_path / "program.py").write_text(
        f"import math\n# EVOLVE-BLOCK-START\n{agent(1)}# EVOLVE-BLOCK-END\n"
    )
    with pytest.raises(CampaignError, match=r"agents/vote\.py.*keeps the marker lines"):
        go(open_(Script(), evaluations=4, seeds=["agents/vote.py"]))


def test_options_are_the_papers() -> None:
    task = Task(
        description="Do it.",
        objectives=(Objective(name="score"),),
        seed_program=Program(files={"program.py": "x = 1\n"}),
    )
    options = load_strategy(StrategySection(name="meta_agent_search"), task).options  # type: ignore[attr-defined]
    assert (options.context, options.reflections, options.attempts) == ("whole", 2, 3)
    assert (options.least, options.seeds) == (0.01, ())


def test_a_minimised_objective_near_zero_is_not_all_wrong(tmp_path: Path, archive: Archive) -> None:
    kit.write_campaign(tmp_path, agent(39), 'error = "minimize"')
    campaign = kit.load(tmp_path, "meta_agent_search", {}, concurrency=1, budget__evaluations=3)
    laboratory = Laboratory(campaign, archive, Script(), lambda request: scored(error=0.0))
    run = go(laboratory)
    assert [c.operator for c in run.candidates()] == ["seed", "design", "design"]
    assert "error: 0\n" in laboratory.prompts[0][1].content
