"""The Darwin Goedel Machine step by step: who becomes a parent, and what the models are told."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Candidate, EvaluationResult, Outcome
from metasearch.errors import CampaignError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import Selection
from metasearch.objectives import Direction, Objective
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies.darwin_godel import DarwinGodel, Diagnosis
from metasearch.testing.scripted import scored
from tests.engine.kit import load, measure, run_once, x_of

Talk = Sequence[Message]
GOOD = json.dumps(
    {
        "summary": "It is small.",
        "improvements": ["larger"],
        "proposal": "Make the number larger.",
        "implementation": "Change the literal.",
        "problem": "The number is too small.",
    }
)


def strategy(direction: Direction = Direction.MAXIMIZE, **options: object) -> DarwinGodel:
    task = Task(
        description="",
        objectives=(Objective(name="score", direction=direction),),
        seed_program=Program(files={"program.py": ""}),
    )
    return DarwinGodel(task, DarwinGodel.Options.model_validate(options))


def candidate(
    number: int, parent: int | None, score: float | None, *, complete: bool = True
) -> Candidate:
    return Candidate(
        number=number,
        step=number,
        outcome=Outcome.CRASHED if score is None else Outcome.SCORED,
        digest=None,
        scores={} if score is None else {"score": score},
        parents=() if parent is None else (parent,),
        operator="self_improve",
        complete=complete,
        seq=number,
    )


def step(*candidates: Candidate, seed: int = 0) -> Any:
    """What of a step a choice needs."""
    known = {c.number: c for c in candidates}
    return SimpleNamespace(
        rng=random.Random(seed), archive=SimpleNamespace(candidate=known.__getitem__)
    )


def drawn(machine: DarwinGodel, *candidates: Candidate, draws: int = 4000) -> dict[int, float]:
    for each in candidates:
        machine.observe(each)
    ctx = step(*candidates)
    counts = Counter(machine.choose(ctx) for _ in range(draws))
    return {number: count / draws for number, count in counts.items()}


FAMILY = (
    candidate(0, None, 0.2),
    candidate(1, 0, 0.3),
    candidate(2, 0, 0.5),
    candidate(3, 2, 0.4),
)


def test_published_weights_over_working_children_only() -> None:
    """Golden: p = .0242, .1823, .3823, .4113 (reference figures, 200k draws of the release)."""
    failures = [candidate(n, 3, None) for n in range(4, 9)]
    share = drawn(strategy(accuracy="share"), *FAMILY, *failures)
    for number, expected in enumerate((0.024174, 0.182281, 0.382290, 0.411255)):
        assert share[number] == pytest.approx(expected, abs=0.025)
    assert set(share) == {0, 1, 2, 3}


def test_a_child_before_its_parent_and_a_single_member() -> None:
    assert drawn(strategy(accuracy="share"), FAMILY[0]) == {0: 1.0}
    machine = strategy(accuracy="share")
    assert set(drawn(machine, FAMILY[3], FAMILY[2], FAMILY[0])) <= {0, 2, 3}
    assert machine.children[2] == 1


def test_a_child_that_was_repaired_counts_for_the_parent_that_was_drawn() -> None:
    machine = strategy()
    attempts = [candidate(4, 1, None), candidate(5, 4, None), candidate(6, 5, 0.4)]
    for each in (*FAMILY, *attempts):
        machine.observe(each)
    assert machine.children == {0: 2, 2: 1, 1: 1}


def test_what_is_solved_is_no_parent_unless_there_is_nothing_else() -> None:
    solved = candidate(1, 0, 1.0)
    assert drawn(strategy(accuracy="share"), FAMILY[0], solved) == {0: 1.0}
    assert set(drawn(strategy(accuracy="share"), candidate(0, None, 1.0), solved)) == {0, 1}


def test_ranks_need_no_scale_and_leave_the_best_in() -> None:
    for direction, scale in ((Direction.MAXIMIZE, 1e9), (Direction.MINIMIZE, -1.0)):
        machine = strategy(direction)
        family = [
            c.model_copy(update={"scores": {"score": c.scores["score"] * scale}}) for c in FAMILY
        ]
        drawn(machine, *family, draws=1)
        assert machine.accuracies(step()) == pytest.approx({0: 0.125, 1: 0.375, 3: 0.625, 2: 0.875})
    equal = strategy()
    drawn(equal, *(candidate(n, None, 5.0) for n in range(3)), draws=1)
    assert equal.accuracies(step()) == {0: 0.5, 1: 0.5, 2: 0.5}


def test_what_an_early_stage_stopped_is_kept_below_all_whatever_its_numbers() -> None:
    machine = strategy()
    stopped = candidate(4, 0, 99.0, complete=False)
    share = drawn(machine, *FAMILY, stopped)
    assert machine.accuracies(step())[4] == pytest.approx(0.1)
    assert min(machine.accuracies(step()).values()) == pytest.approx(0.1)
    assert 0 < share[4] < share[2]


def test_keep_better_and_other_ways_to_choose() -> None:
    machine = strategy(keep="better", tolerance=0.1, parents="best", accuracy="share")
    worse = [candidate(4, 0, 0.11), candidate(5, 0, 0.09), candidate(6, 0, 0.1)]
    assert drawn(machine, *FAMILY, *worse) == {2: 1.0}
    assert set(machine.gains) == {0, 1, 2, 3, 4, 6}
    everyone = drawn(strategy(parents="random"), *FAMILY, *worse)
    assert everyone == pytest.approx(dict.fromkeys(range(7), 1 / 7), abs=0.03)
    alone = drawn(strategy(parents="score", accuracy="share"), *FAMILY)
    weights = [0.0474, 0.1192, 0.5, 0.2689]
    assert alone == pytest.approx({n: w / sum(weights) for n, w in enumerate(weights)}, abs=0.03)


def test_a_score_that_is_no_share_is_named() -> None:
    machine = strategy(accuracy="share")
    machine.observe(candidate(0, None, 2.5))
    with pytest.raises(CampaignError, match=r"#0 has score = 2.5.*'rank'"):
        machine.choose(step())
    with pytest.raises(CampaignError, match="to be maximized"):
        strategy(Direction.MINIMIZE, accuracy="share")


# -- whole steps ------------------------------------------------------------------------------


def search(
    folder: Path,
    archive: Archive,
    answer: Callable[[Talk], str],
    evaluations: int,
    evaluate: Callable[[EvaluationRequest], EvaluationResult] = measure,
) -> CampaignArchive:
    campaign = load(
        folder, budget__evaluations=evaluations, concurrency=1, strategy__name="darwin_godel"
    )
    run = archive.create(campaign)
    run_once(campaign, run, answer=answer, evaluate=evaluate)
    return run


def is_diagnosis(talk: Talk) -> bool:
    return "look after a program" in talk[0].content


def test_one_model_diagnoses_and_another_makes_that_change(folder: Path, archive: Archive) -> None:
    changes: list[str] = []

    def answer(talk: Talk) -> str:
        if is_diagnosis(talk):
            return GOOD
        changes.append(talk[-1].content)
        return f"Larger.\n```python\nx = {len(changes)}\n```"

    run = search(folder, archive, answer, 6)
    for number in range(1, 5):
        assert [e.role for e in run.exchanges(number)] == ["reflect", "propose"]
        [chosen] = [r.fact for r in run.all_facts() if r.step == number]
        child = run.of_call(number, 0)
        assert child is not None
        assert chosen == Selection(operator="self_improve", candidates=child.parents)
        diagnosis = run.exchanges(number)[0].messages[0].content
        program = run.program(run.candidate(child.parents[0]))
        assert program.source in diagnosis
        assert program.source in changes[number - 1]
        sent = [exchange.messages for exchange in run.exchanges(number)]
        assert [[m.role for m in talk] for talk in sent] == [["user"], ["system", "user"]]
    for part in ("The number is too small.", "Make the number larger.", "Change the literal."):
        assert all(part in change for change in changes)
    assert not any("It is small." in change for change in changes), "only the task goes on"


def test_each_model_is_told_what_it_needs(folder: Path, archive: Archive) -> None:
    """The feedback reaches both; the diagnosis knows the rules, and what the programmer sees."""

    def answer(talk: Talk) -> str:
        return GOOD if is_diagnosis(talk) else "x.\n```python\nx = 3\n```"

    def tell(request: EvaluationRequest) -> EvaluationResult:
        return measure(request).model_copy(update={"feedback": "Larger would be better."})

    run = search(folder, archive, answer, 2, tell)
    diagnosis, change = (exchange.messages for exchange in run.exchanges(1))
    for message in (diagnosis[0], change[1]):
        assert "Result: score = 0\nFeedback from the evaluator:\nLarger would" in message.content
    rules = change[0].content.partition("# Rules\n")[2].partition("\n\n")[0]
    assert "Limits: " in rules
    assert rules in diagnosis[0].content
    for field in ("problem", "proposal", "implementation"):
        assert f"`{field}`" in diagnosis[0].content
        assert Diagnosis.model_fields[field].description in diagnosis[0].content  # type: ignore[operator]
        assert json.loads(GOOD)[field] in change[1].content


def test_an_edit_that_cannot_be_used_is_repaired_in_the_same_conversation(
    folder: Path, archive: Archive
) -> None:
    def answer(talk: Talk) -> str:
        if is_diagnosis(talk):
            return GOOD
        return "x.\n```python\nx = 3\n```" if len(talk) == 4 else "I will not."

    run = search(folder, archive, answer, 2)
    _, first, again = (exchange.messages for exchange in run.exchanges(1))
    assert again[:2] == first
    assert again[2].content == "I will not."
    assert "no fenced code block" in again[3].content
    assert [c.operator for c in run.candidates()] == ["seed", "self_improve", "repair"]
    assert run.best()[0].operator == "repair"


def test_the_diagnosis_sees_what_was_tried_on_the_parent(folder: Path, archive: Archive) -> None:
    seen: list[str] = []

    def answer(talk: Talk) -> str:
        if is_diagnosis(talk):
            seen.append(talk[0].content)
            return GOOD
        return f"Attempt {len(seen)}.\n```python\nx = {7 * len(seen)}\n```"  # which crash

    search(folder, archive, answer, 5)
    assert "that were tried" not in seen[0]
    assert "Attempt 1. -> crashed: seven" in seen[1]
    assert seen[3].index("Attempt 3.") < seen[3].index("Attempt 1.")


@pytest.mark.parametrize(("junk", "calls"), [(1, 2), (3, 4), (4, 4)])
def test_a_diagnosis_is_asked_for_four_times_at_most(
    folder: Path, archive: Archive, junk: int, calls: int
) -> None:
    asked = 0

    def answer(talk: Talk) -> str:
        nonlocal asked
        if not is_diagnosis(talk):
            return f"x.\n```python\nx = {asked}\n```"
        asked += 1
        return '{"summary": "half' if asked <= junk else GOOD

    run = search(folder, archive, answer, 3)
    roles = [e.role for e in run.exchanges(1)]
    assert roles.count("reflect") == calls
    first = run.of_call(1, 0)
    assert first is not None
    if junk == 4:
        assert first.outcome is Outcome.REJECTED
        assert first.error.startswith("no diagnosis to work by: ")
        assert "propose" not in roles
    else:
        assert first.scored


def test_children_that_an_early_stage_stops_are_parents_too(folder: Path, archive: Archive) -> None:
    count = 0

    def answer(talk: Talk) -> str:
        nonlocal count
        if is_diagnosis(talk):
            return GOOD
        count += 1
        return f"x.\n```python\nx = {count}\n```"

    def staged(request: EvaluationRequest) -> EvaluationResult:
        x = x_of(request.files["program.py"])
        result = scored(score=float(x))
        cheap = result.stages[0].model_copy(update={"passed": False, "stage": "cheap"})
        return result if x == 0 else result.model_copy(update={"stages": (cheap,)})

    run = search(folder, archive, answer, 40, staged)
    parents = {parent for c in run.candidates() for parent in c.parents}
    assert parents - {0}
    prompts = [e.messages[0].content for n in range(1, 39) for e in run.exchanges(n)[:1]]
    assert any("early, cheap stage" in prompt for prompt in prompts)
    assert run.best()[0].number == 0
