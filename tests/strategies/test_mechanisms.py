"""What is switched on changes what the steps do, and only that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome
from metasearch.engine.opening import take_over
from metasearch.errors import CampaignError, UsageError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import Insight, Origin, Selection, Setting
from metasearch.operators.experience import experience_of
from metasearch.strategies import load_strategy
from metasearch.testing.scripted import failed, scored
from tests.strategies.kit import Laboratory, load

Answer = Callable[[Sequence[Message]], str]


def number_in(text: str) -> int:
    return int(re.findall(r"x = (-?\d+)", text)[-1])


def measure(request: EvaluationRequest) -> EvaluationResult:
    """The number itself; thirteen is unlucky."""
    x = number_in(request.files["program.py"])
    if x % 13 == 0 and x:
        return failed(Outcome.CRASHED, f"unlucky {x}")
    return scored(score=float(x))


def counting() -> Answer:
    """Each program has a larger number than all before; each look back has a lesson."""
    state = {"x": 0, "lesson": 0}

    def answer(messages: Sequence[Message]) -> str:
        text = messages[-1].content
        if "# The latest attempts" in text:
            state["lesson"] += 1
            attempts = [int(n) for n in re.findall(r"^- Attempt (\d+),", text, re.M)]
            better = [int(n) for n in re.findall(r"^# The edit of attempt (\d+)", text, re.M)]
            lesson = {
                "text": f"Lesson {state['lesson']}: count up.",
                "evidence": attempts[:2],
                "replaces": None,
                "repeat": better[0] if better else None,
            }
            return f"```json\n{json.dumps({'lessons': [lesson]})}\n```"
        state["x"] += 1
        return f"One more.\n```python\nx = {state['x']}\n```"

    return answer


def laboratory(
    folder: Path, archive: Archive, strategy: str, options: Mapping[str, Any], **settings: Any
) -> Laboratory:
    given = {"concurrency": 1, "budget__evaluations": 20, **settings}
    campaign = load(folder, strategy, options, **given)
    return Laboratory(campaign, archive, counting(), measure)


def facts_of(run: CampaignArchive, kind: type) -> list[Any]:
    return [r.fact for r in run.all_facts() if isinstance(r.fact, kind)]


def requests(lab: Laboratory) -> list[str]:
    """What programs were asked for with."""
    return [prompt[1].content for prompt in lab.prompts if prompt[0].role == "system"]


# -- insights -----------------------------------------------------------------------------


def test_insights_are_learnt_at_intervals_and_shown_with_their_origin(
    folder: Path, archive: Archive
) -> None:
    options = {"insights": {"every": 5, "shown": 2}}
    lab = laboratory(folder, archive, "iterative_repair", options)
    run = lab.start()
    lab.run(run)
    looks = [p for p in lab.prompts if "# The latest attempts" in p[-1].content]
    assert len(looks) == 3  # after 5, 10 and 15 evaluations; the 20th ends the run
    tips = [i for i in facts_of(run, Insight) if i.shortcut is None]
    assert [tip.text for tip in tips] == [f"Lesson {n}: count up." for n in (1, 2, 3)]
    assert all(tip.evidence for tip in tips)
    origins = facts_of(run, Origin)
    first = min(r.step for r in run.all_facts() if isinstance(r.fact, Insight))
    shown = [text for text in requests(lab) if "What earlier attempts have taught" in text]
    assert len(shown) == len(origins) == sum(c.step > first for c in run.candidates())
    assert "Lesson 1: count up." in shown[0]
    memory = experience_of(lab.campaign.objectives, run.history()).memory
    assert sum(entry.trials for entry in memory.entries.values()) == len(origins)


def test_a_shortcut_is_the_edit_itself_and_offered_only_where_it_fits(
    folder: Path, archive: Archive
) -> None:
    """Only children of the seed hold the line that the edit of the seed replaces."""
    (folder / "program.py").write_text("# a\n# b\nx = 0\n# c\n")
    lab = laboratory(folder, archive, "best_of_n", {"insights": {"every": 5, "shown": 5}})
    run = lab.start()
    lab.run(run)
    (shortcut, *_) = [i.shortcut for i in facts_of(run, Insight) if i.shortcut]
    assert shortcut.name.startswith("The edit of #")
    assert "x = 0" in shortcut.sequence[0].arguments["search"]
    assert any("An edit of program.py that worked" in text for text in requests(lab))

    lab = laboratory(folder, archive, "iterative_repair", {"insights": {"every": 5, "shown": 5}})
    run = lab.start()
    lab.run(run)
    assert [i for i in facts_of(run, Insight) if i.shortcut]
    assert not any("An edit of program.py that worked" in text for text in requests(lab))


def test_lessons_without_evidence_are_none(folder: Path, archive: Archive) -> None:
    lab = laboratory(folder, archive, "best_of_n", {"insights": {"every": 5}})
    said = lab.answer

    def invents(messages: Sequence[Message]) -> str:
        text = said(messages)
        return re.sub(r'"evidence": \[.*?\]', '"evidence": [999]', text)

    lab.answer = invents
    run = lab.start()
    lab.run(run)
    assert not [i for i in facts_of(run, Insight) if i.shortcut is None]


def test_a_campaign_begins_with_what_another_has_learnt_and_never_with_more(
    folder: Path, archive: Archive
) -> None:
    teacher = laboratory(folder, archive, "best_of_n", {"insights": {"every": 3}})
    lessons = teacher.start()
    teacher.run(lessons)
    known = experience_of(teacher.campaign.objectives, lessons.history()).memory.entries
    assert known
    options = {"insights": {"every": 1000, "learn_from": [lessons.id]}}
    pupil = laboratory(folder, archive, "best_of_n", options)
    run = pupil.start()
    strategy = pupil.strategy()
    with run.hold():
        take_over(strategy, archive, run)
        assert not list(run.all_facts())  # there is no seed yet
    one = laboratory(folder, archive, "best_of_n", options, budget__evaluations=1)
    one.run(run)
    with run.hold():
        take_over(strategy, archive, run)
        taken = facts_of(run, Insight)
        assert {i.source for i in taken} == {lessons.id}
        assert sorted((i.wins, i.trials) for i in taken) == sorted(
            (entry.wins, entry.trials) for entry in known.values()
        )
        with lessons.hold():
            lessons.record(1, 50, Insight(text="Learnt later.", evidence=(1,)))
        take_over(strategy, archive, run)
        assert facts_of(run, Insight) == taken
    pupil.run(run)
    assert any("What earlier attempts have taught" in text for text in requests(pupil))


def test_who_is_to_learn_from_must_be_there(folder: Path, archive: Archive) -> None:
    options = {"insights": {"learn_from": ["nobody"]}}
    lab = laboratory(folder, archive, "best_of_n", options, budget__evaluations=1)
    run = lab.start()
    lab.run(run)
    with run.hold(), pytest.raises(UsageError, match="nobody"):
        take_over(lab.strategy(), archive, run)
    itself = laboratory(folder, archive, "best_of_n", {"insights": {"learn_from": [run.id]}})
    with run.hold(), pytest.raises(UsageError, match="inherit from itself"):
        take_over(itself.strategy(), archive, run)


# -- the budget ---------------------------------------------------------------------------


def test_prompts_say_how_much_is_left(folder: Path, archive: Archive) -> None:
    lab = laboratory(folder, archive, "best_of_n", {"budget_line": True})
    run = lab.start()
    lab.run(run)
    first, *_, last = requests(lab)
    assert "1 of the 20 evaluations" in first
    assert "room to try" in first
    assert "Few are left" in last
    plain = laboratory(folder, archive, "best_of_n", {})
    plain.run(plain.start())
    assert not any("evaluations of this search" in text for text in requests(plain))


def test_a_larger_budget_changes_no_prompt_that_was_asked(folder: Path, archive: Archive) -> None:
    """The step keeps to what it recorded: nothing is paid for twice."""
    lab = laboratory(folder, archive, "best_of_n", {"budget_line": True})
    run = lab.start()
    kills = lab.run_killed(run, 0.2)
    more = laboratory(folder, archive, "best_of_n", {"budget_line": True}, budget__evaluations=30)
    more.answer = lab.answer
    more.run(run)
    bought = lab.bought + more.bought
    assert kills
    assert len(bought) == len(set(bought))


@pytest.mark.parametrize("options", [{"budget_line": True}, {"schedule": {}}])
def test_a_share_of_no_budget_is_refused(
    folder: Path, archive: Archive, options: Mapping[str, Any]
) -> None:
    lab = laboratory(folder, archive, "map_elites", options)
    endless = lab.task.model_copy(update={"evaluations": None})
    with pytest.raises(CampaignError, match=r"budget\.evaluations"):
        load_strategy(lab.campaign.settings.strategy, endless)


def test_a_schedule_turns_from_exploring_to_exploiting(folder: Path, archive: Archive) -> None:
    options = {"schedule": {"explore": 1.0, "exponent": 3.0}, "islands": 1}
    lab = laboratory(folder, archive, "map_elites", options, budget__evaluations=120)
    run = lab.start()
    lab.run(run)
    chosen = [s.operator == "explore" for s in facts_of(run, Selection)]
    third = len(chosen) // 3
    assert sum(chosen[:third]) > 2 * sum(chosen[third:])
    parents = [s.candidates[0] for s in facts_of(run, Selection)]
    made = [c.parents[0] for c in run.candidates() if c.number]
    assert parents[: len(made)] == made


# -- the controller -----------------------------------------------------------------------


def test_the_controller_tries_all_temperatures_and_keeps_the_better_one(
    folder: Path, archive: Archive
) -> None:
    """Only what is asked for coolly improves."""
    options = {"controller": {"temperatures": [0.2, 1.2], "probe_size": 5, "period": 10}}
    lab = laboratory(folder, archive, "best_of_n", options, budget__evaluations=24)
    asked: list[float] = []

    def measured(request: EvaluationRequest) -> EvaluationResult:
        cool = not lab_settings(run).get(request.number, 0.2) > 1
        x = number_in(request.files["program.py"])
        return scored(score=float(x if cool else -x))

    lab.measure = measured
    run = lab.start()
    lab.run(run)
    asked = [t for t in lab.temperatures if t is not None]
    assert asked[:10].count(0.2) == asked[:10].count(1.2) == 5
    assert set(asked[10:20]) == {0.2}
    assert 1.2 in asked[20:]  # the period is over
    assert [s.temperature for s in facts_of(run, Setting)] == asked


def lab_settings(run: CampaignArchive) -> dict[int, float]:
    """Candidate -> temperature that its step has recorded."""
    by_step = {r.step: r.fact.temperature for r in run.all_facts() if r.fact.kind == "setting"}
    return {c.number: by_step.get(c.step) or 0.0 for c in [*run.candidates(), *run.queued()]}


def test_what_is_not_accepted_is_no_parent(folder: Path, archive: Archive) -> None:
    options = {"controller": {"temperatures": [0.5], "acceptances": [3.0]}}
    lab = laboratory(folder, archive, "random_parent", options)
    run = lab.start()
    lab.run(run)
    scores = {c.number: c.scores["score"] for c in run.candidates() if c.scored}
    steps = [
        scores[c.parents[0]] - scores[run.candidate(c.parents[0]).parents[0]]
        for c in run.candidates()
        if c.number and c.parents[0]
    ]
    assert steps
    assert min(steps) >= 3


def test_a_repaired_program_has_to_improve_on_what_was_to_be_changed(
    folder: Path, archive: Archive
) -> None:
    options = {
        "controller": {"temperatures": [0.5], "acceptances": [3.0]},
        "repairs": {"start": 1, "limit": 1},
    }
    lab = laboratory(folder, archive, "random_parent", options, budget__evaluations=16)
    numbers = iter([13, 1, *range(-1, -20, -1)])
    lab.answer = lambda messages: f"```python\nx = {next(numbers)}\n```"
    run = lab.start()
    lab.run(run)
    _, broken, mended, *others = run.candidates()
    assert (broken.outcome, mended.parents) == (Outcome.CRASHED, (broken.number,))
    assert mended.scores["score"] == 1.0
    assert {c.parents for c in others if c.operator != "repair"} == {(0,)}


def test_who_needs_every_candidate_cannot_turn_any_down(folder: Path, archive: Archive) -> None:
    lab = laboratory(folder, archive, "mcts", {"controller": {"acceptances": [0.0]}})
    with pytest.raises(CampaignError, match="acceptances"):
        lab.strategy()


# -- repairs ------------------------------------------------------------------------------


def test_growing_budgets_repair_what_fails_and_re_examine_between_them(
    folder: Path, archive: Archive
) -> None:
    """A model that needs five repairs: budgets of 1, 2 and 4 turns, re-examined before 2 and 4."""
    said = iter(range(100))

    def answer(messages: Sequence[Message]) -> str:
        turn = next(said)
        return f"```python\nx = {turn + 1 if turn >= 5 else 13 * (turn + 1)}\n```"

    options = {"repairs": {"start": 1, "growth": 2, "limit": 7}}
    lab = laboratory(folder, archive, "best_of_n", options, budget__evaluations=7)
    lab.answer = answer
    run = lab.start()
    lab.run(run)
    made = [c for c in run.candidates() if c.number]
    assert [c.outcome for c in made] == [Outcome.CRASHED] * 5 + [Outcome.SCORED]
    assert [c.step for c in made] == [1] * 6
    assert [c.parents[0] for c in made] == [0, 1, 2, 3, 4, 5]
    assert [c.operator for c in made] == ["sample"] + ["repair"] * 5
    again = ["as if somebody else had written it" in p[-1].content for p in lab.prompts]
    assert again == [False, False, True, False, True, False]
    assert all(len(p) == 4 for p in lab.prompts[1:])  # only the latest answer is kept
    assert "unlucky 65" in lab.prompts[5][-1].content


def test_plain_repair_turns_leave_programs_that_fail_alone(folder: Path, archive: Archive) -> None:
    lab = laboratory(folder, archive, "best_of_n", {"repairs": 5}, budget__evaluations=4)
    numbers = iter((13, 26, 39))
    lab.answer = lambda messages: f"```python\nx = {next(numbers)}\n```"
    run = lab.start()
    lab.run(run)
    assert [c.step for c in run.candidates()] == [0, 1, 2, 3]


def test_a_failed_child_may_be_mended_and_is_mended_once(folder: Path, archive: Archive) -> None:
    lab = laboratory(
        folder, archive, "map_elites", {"mend": True, "islands": 1}, budget__evaluations=60
    )
    run = lab.start()
    lab.run(run)
    mended = [c for c in run.candidates() if c.operator == "mend"]
    assert mended
    parents = [run.candidate(c.parents[0]) for c in mended]
    assert {parent.outcome for parent in parents} == {Outcome.CRASHED}
    assert len({parent.number for parent in parents}) == len(parents)
    shown = [p[1].content for p in lab.prompts if "unlucky" in p[1].content.split("# Now")[0]]
    assert shown


# -- mates --------------------------------------------------------------------------------


def test_inspirations_are_mates(folder: Path, archive: Archive) -> None:
    """The elites that are shown differ, and the others are drawn as before."""

    def shown(options: Mapping[str, Any]) -> list[list[str]]:
        features = [{"name": "score", "low": 0, "high": 40, "bins": 40}]
        given = {"islands": 1, "inspirations": 3, "features": features, **options}
        lab = laboratory(folder, archive, "map_elites", given, budget__evaluations=40)
        lab.run(lab.start())
        return [re.findall(r"#(\d+)", p[1].content) for p in lab.prompts]

    assert shown({"mates": {"meets": 4}}) != shown({})
    assert shown({"mates": {"meets": 4}}) == shown({"mates": {"meets": 4}})


def test_each_island_has_its_persona(folder: Path, archive: Archive) -> None:
    options = {"islands": 3, "personas": ["a careful one", "a bold one"]}
    lab = laboratory(folder, archive, "map_elites", options)
    run = lab.start()
    lab.run(run)
    islands = [c.island for c in run.candidates() if c.number]
    asked = ["a careful one" in text for text in requests(lab)]
    assert asked == [island in (0, 2) for island in islands]
    assert all(
        ("a bold one" in text) != careful
        for text, careful in zip(requests(lab), asked, strict=True)
    )
