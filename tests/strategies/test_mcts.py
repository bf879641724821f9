"""SWE-Search step by step: which calls, what stands in them, and what is recorded."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import Match, Selection, Value
from metasearch.strategies.mcts import Mcts
from metasearch.testing.scripted import failed, scored
from tests.engine.kit import load, run_once, x_of

Talk = Sequence[Message]


def kind_of(talk: Talk) -> str:
    text = talk[0].content
    if "Judge the latest edit" in text:
        return "value"
    if "independent reviewers" in text:
        return "argue"
    return "conclude" if "You conclude" in text else "expand"


class Model:
    """Counts x up, explains, and argues for the first program that it is shown."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.count = 0

    def __call__(self, talk: Talk) -> str:
        kind = kind_of(talk)
        self.asked.append((kind, talk[-1].content))
        if kind == "value":
            after = talk[0].content.partition("## After the edit")[2]
            return json.dumps({"score": 10, "explanation": f"lesson of x = {x_of(after)}"})
        if kind != "expand":
            first = talk[0].content.partition("# Program ")[2][0]
            return json.dumps({"argument": f"{first} is simple", "choice": first})
        self.count += 1
        return f"I try {self.count}.\n```python\nx = {self.count}\n```"

    def of(self, kind: str) -> list[str]:
        return [text for asked, text in self.asked if asked == kind]


def measure(request: EvaluationRequest) -> EvaluationResult:
    x = x_of(request.files["program.py"])
    return scored(score=float(x)) if x % 5 != 4 else failed(Outcome.CRASHED, "four or nine")


def search(
    folder: Path,
    archive: Archive,
    model: Callable[[Talk], str],
    evaluations: int,
    evaluate: Callable[[EvaluationRequest], EvaluationResult] = measure,
    **options: object,
) -> CampaignArchive:
    settings = {f"strategy__options__{key}": value for key, value in options.items()}
    campaign = load(
        folder,
        budget__evaluations=evaluations,
        concurrency=1,
        strategy__name="mcts",
        **settings,
    )
    run = archive.create(campaign)
    run_once(campaign, run, answer=model, evaluate=evaluate)
    return run


def test_a_step_is_a_choice_an_edit_and_a_judgement(folder: Path, archive: Archive) -> None:
    model = Model()
    run = search(folder, archive, model, 8, max_expansions=3)
    assert [kind for kind, _ in model.asked] == ["expand", "value"] * 7
    for step in range(1, 8):
        assert [e.role for e in run.exchanges(step)] == ["propose", "value"]
        facts = [r.fact for r in run.all_facts() if r.step == step]
        child = run.of_call(step, 0)
        assert child is not None
        assert facts == [
            Selection(operator="expand", candidates=child.parents),
            Value(candidate=child.number, score=10, explanation=f"lesson of x = {step}"),
        ]


def test_hindsight_of_the_same_node_only_stands_in_the_next_prompt(
    folder: Path, archive: Archive
) -> None:
    model = Model()
    run = search(folder, archive, model, 12, max_expansions=3)
    prompts = model.of("expand")
    earlier: Counter[int] = Counter()
    for step, prompt in enumerate(prompts, 1):
        child = run.of_call(step, 0)
        assert child is not None
        [parent] = child.parents
        siblings = [c.number for c in run.children(parent) if c.number < child.number]
        lessons = [s for s in range(1, step) if f"lesson of x = {s}\n" in f"{prompt}\n"]
        assert lessons == sorted(siblings)
        assert prompt.count("### Branch") == len(siblings)
        assert ("goes another way" in prompt) == bool(siblings)
        if 4 in siblings:
            assert ": failed" in prompt
            assert "four or nine" in prompt
        earlier[len(siblings)] += 1
    assert {0, 1, 2} <= set(earlier)
    assert any("## How it came about" in prompt for prompt in prompts)


def test_a_junk_judgement_leaves_no_value_and_no_default(folder: Path, archive: Archive) -> None:
    model = Model()

    def answer(talk: Talk) -> str:
        if kind_of(talk) != "value":
            return model(talk)
        return "Great!" if len(talk) == 1 else '{"score": 1000, "explanation": "even better"}'

    run = search(folder, archive, answer, 4)
    assert run.facts("value") == []
    assert [len(run.exchanges(step)) for step in (1, 2)] == [3, 3]


def test_a_duplicate_is_a_spent_expansion_that_the_next_prompt_names(
    folder: Path, archive: Archive
) -> None:
    model = Model()

    def answer(talk: Talk) -> str:
        said = model(talk)
        return (
            "Again.\n```python\nx = 1\n```"
            if kind_of(talk) == "expand" and model.count == 2
            else said
        )

    run = search(folder, archive, answer, 4, repairs=0)
    duplicate = run.of_call(2, 0)
    assert duplicate is not None
    assert duplicate.outcome is Outcome.REJECTED
    assert "same program as #1" in model.of("expand")[2]
    assert [e.role for e in run.exchanges(2)] == ["propose"]


def test_judged_values_decide_where_they_are_asked_to(folder: Path, archive: Archive) -> None:
    def judging(talk: Talk) -> str:
        if kind_of(talk) != "value":
            return model(talk)
        after = x_of(talk[0].content.partition("## After the edit")[2])
        return json.dumps({"score": 90 if after == 1 else -90, "explanation": "."})

    parents = {}
    for values in ("measured", "judged"):
        model = Model()
        run = search(folder, archive, judging, 5, max_expansions=2, exploration=0.0, values=values)
        child = run.of_call(3, 0)
        assert child is not None
        parents[values] = child.parents
    assert parents == {"measured": (2,), "judged": (1,)}


def test_a_node_without_a_valid_judgement_keeps_its_visit_and_its_measured_value(
    folder: Path, archive: Archive
) -> None:
    def junk(talk: Talk) -> str:
        return model(talk) if kind_of(talk) != "value" else "Great!"

    paths = []
    for values in ("measured", "judged"):
        model = Model()
        run = search(folder, archive, junk, 12, max_expansions=2, values=values)
        paths.append([c.parents for c in run.candidates()])
    assert paths[0] == paths[1]
    assert len({parents for parents in paths[1] if parents}) > 3


def test_the_discriminator_is_on_unless_it_is_turned_off() -> None:
    assert Mcts.Options().debate_every > 0
    assert (Mcts.Options().agents, Mcts.Options().rounds) == (5, 3)


def test_steps_at_once_expand_different_nodes(folder: Path, archive: Archive) -> None:
    model = Model()
    campaign = load(folder, budget__evaluations=40, concurrency=4, strategy__name="mcts")
    run = archive.create(campaign)
    run_once(campaign, run, answer=model, evaluate=measure)
    open_: dict[int, int] = {}
    crowded = late = 0
    chosen = {r.step: r for r in run.facts("selection", 1000)}
    for event in run.events(limit=10_000):
        if event.kind == "recorded" and event.detail == "selection" and event.step is not None:
            fact = chosen[event.step].fact
            assert isinstance(fact, Selection)
            if event.step > 10:
                late += 1
                crowded += fact.candidates[0] in open_.values()
            open_[event.step] = fact.candidates[0]
        elif event.kind == "ended" and event.step is not None:
            open_.pop(event.step, None)
    assert late > 20
    assert crowded == 0


# -- the discriminator ----------------------------------------------------------------------


def plateau(request: EvaluationRequest) -> EvaluationResult:
    """Above 2 all intervals overlap, but for the seed's and the first ones'."""
    x = x_of(request.files["program.py"])
    value = 10.0 + x / 100 if x > 2 else float(x)
    score = Score(value=value, low=value - 1, high=value + 1, samples=9)
    stage = StageResult(stage="evaluate", scores={"score": score}, passed=True, seconds=0)
    return EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))


def test_a_debate_over_what_measurements_do_not_tell_apart(folder: Path, archive: Archive) -> None:
    model = Model()
    run = search(
        folder, archive, model, 9, plateau, debate_every=6, agents=3, rounds=2, finalists=4
    )
    [match] = [r.fact for r in run.facts("match")]
    assert isinstance(match, Match)
    assert sorted(match.contestants) == [3, 4, 5]
    assert (match.mode, match.purpose) == ("panel", "tie")
    assert match.shares is not None
    assert sorted(match.shares) == [0, 0, 1]
    assert len(match.transcript) == 3 * 2
    arguments, [conclusion] = model.of("argue"), model.of("conclude")
    assert len(arguments) == 6
    assert all("What was said before" not in text for text in arguments[:3])
    assert all(text.count("agent") >= 3 for text in arguments[3:])
    assert conclusion.count("round 2") == 3
    for text in (*arguments, conclusion):
        assert "10.0" not in text, "fitness is hidden"
        assert "score" not in text.partition("```json")[0]


@pytest.mark.parametrize("reply", ["Let me think.", '{"argument": "mine", "choice": "E"}'])
def test_a_debate_without_a_valid_verdict_has_no_winner(
    folder: Path, archive: Archive, reply: str
) -> None:
    model = Model()

    def answer(talk: Talk) -> str:
        return model(talk) if kind_of(talk) in ("expand", "value") else reply

    run = search(folder, archive, answer, 9, plateau, debate_every=6, agents=2, rounds=1)
    [match] = [r.fact for r in run.facts("match")]
    assert isinstance(match, Match)
    assert match.shares is None
    assert match.transcript == ()


def test_no_debate_where_the_measurements_decide(folder: Path, archive: Archive) -> None:
    model = Model()
    run = search(folder, archive, model, 9, debate_every=3)
    assert run.facts("match") == []
    assert {kind for kind, _ in model.asked} == {"expand", "value"}


def test_a_judge_that_takes_the_first_favours_nobody(folder: Path, archive: Archive) -> None:
    """The order is random: over many debates each of two equal programs wins about half."""
    wins: Counter[int] = Counter()
    for seed in range(60):
        campaign = load(
            folder,
            budget__evaluations=4,
            concurrency=1,
            seed=seed,
            strategy__name="mcts",
            strategy__options__debate_every=3,
            strategy__options__agents=1,
            strategy__options__rounds=1,
        )
        run = archive.create(campaign)
        run_once(
            campaign,
            run,
            answer=Model(),
            evaluate=lambda r: scored(score=min(1.0, x_of(r.files["program.py"]))),
        )
        [match] = [r.fact for r in run.facts("match")]
        assert isinstance(match, Match)
        assert match.shares is not None
        wins[match.contestants[match.shares.index(1.0)]] += 1
    assert set(wins) == {1, 2}
    assert 18 <= wins[1] <= 42  # 60 fair coins stay within with 99.8 %


def test_a_run_that_is_continued_chooses_as_one_that_was_not(
    folder: Path, archive: Archive
) -> None:
    def sums(talk: Talk) -> str:
        if kind_of(talk) != "expand":
            return Model()(talk)
        step = random.Random("".join(m.content for m in talk)).randrange(1, 9_999)
        return f"More.\n```python\nx = {x_of(talk[1].content) + step}\n```"

    histories = []
    for budgets in ((20,), (7, 8, 20)):
        run = None
        for evaluations in budgets:
            campaign = load(
                folder, budget__evaluations=evaluations, concurrency=1, strategy__name="mcts"
            )
            run = run or archive.create(campaign)
            run_once(campaign, run, answer=sums, evaluate=measure)
        assert run is not None
        histories.append([(r.number, r.step, r.fact) for r in run.all_facts()])
    assert histories[0] == histories[1]
