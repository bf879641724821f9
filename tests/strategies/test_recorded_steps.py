"""What language models really answered to every prompt: it is read, and drives whole steps."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Candidate, EvaluationResult, Outcome
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import (
    Idea,
    Insight,
    Match,
    Origin,
    Overview,
    Phrasing,
    Plan,
    Review,
    Selection,
    Value,
)
from metasearch.program import Program
from metasearch.step import Refused, Rejected, Task
from metasearch.strategies.co_scientist import CoScientist
from metasearch.testing.scripted import failed, scored
from tests.strategies import kit
from tests.strategies.kit import Laboratory, Measure
from tests.strategies.recordings import (
    FOLDER,
    KINDS,
    RecordedModel,
    Recording,
    kind_of,
    put,
    recordings,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "circle_packing"
PACKING, TESTING = "Pack 26 circles", "Explain why small software projects"
"""The goals of the co-scientist's recordings; ideas for the second one are not measured."""
F = TypeVar("F")


@pytest.mark.parametrize("kind", KINDS)
def test_every_prompt_has_been_answered_three_times(kind: str) -> None:
    assert len(recordings(kind)) >= 3


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in KINDS for name in recordings(kind)]
)
def test_a_reply_is_read(kind: str, name: str) -> None:
    recorded = recordings(kind)[name]
    assert kind_of(recorded.messages) == kind
    found = KINDS[kind].read(recorded)
    assert not isinstance(found, Rejected | Refused), found.reason
    if isinstance(found, Program):
        assert found.digest != recorded.program.digest
        ast.parse(found.source)


def test_replies_are_put_beside_their_prompts(tmp_path: Path) -> None:
    recorded = recordings("co_scientist/implement")["co_scientist/implement-1"]
    prompts, replies, into = (tmp_path / name for name in ("prompts", "replies", "into"))
    prompts.mkdir()
    replies.mkdir()
    (prompts / "implement-7.json").write_text(recorded.model_dump_json(exclude={"reply"}))
    (replies / "implement-7.txt").write_text("I would rather not.")
    with pytest.raises(ValueError, match="implement-7: "):
        put(prompts, replies, into)
    assert not into.exists()
    (replies / "implement-7.txt").write_text(recorded.reply)
    (file,) = put(prompts, replies, into)
    assert file == into / "co_scientist" / "implement-7.json"
    assert Recording.model_validate_json(file.read_text()) == recorded


def better(request: EvaluationRequest) -> EvaluationResult:
    """Every new program is better than the seed, all alike."""
    return scored(sum_radii=0.9753668405 if request.number == 0 else 2.6)


def search(
    archive: Archive,
    strategy: str,
    evaluations: int,
    answer: kit.Answer,
    measure: Measure = better,
    folder: Path = EXAMPLE,
    **options: Any,
) -> CampaignArchive:
    """A run on the program that the recordings were made for."""
    campaign = kit.load(folder, strategy, options, concurrency=1, budget__evaluations=evaluations)
    run = archive.create(campaign)
    Laboratory(campaign, archive, answer, measure).run(run)
    reasons = [candidate.error for candidate in rejected(run)]
    # A reply is given again, also for another block than the one that it was recorded for.
    known = ("unchanged", "same program", "no longer defines")
    assert [r for r in reasons if not any(part in r for part in known)] == []
    return run


def rejected(run: CampaignArchive) -> list[Candidate]:
    return [c for c in run.candidates() if c.outcome is Outcome.REJECTED]


def facts(run: CampaignArchive, kind: type[F]) -> list[F]:
    return [recorded.fact for recorded in run.all_facts() if isinstance(recorded.fact, kind)]


def kinds(strategy: str) -> set[str]:
    return {kind for kind in KINDS if kind.startswith(f"{strategy}/")}


def test_mcts_expands_judges_and_debates(archive: Archive) -> None:
    model = RecordedModel()
    run = search(archive, "mcts", 4, model, debate_every=3, agents=3, rounds=1)
    assert set(model.asked) == kinds("mcts")
    _, *made = run.candidates()
    assert len({candidate.digest for candidate in made}) == len(made) == 3
    assert all(candidate.scored and candidate.thought for candidate in made)
    values = facts(run, Value)
    assert [value.candidate for value in values] == [1, 2, 3]
    assert all(value.score is not None and value.explanation for value in values)
    (match,) = facts(run, Match)
    assert sorted(match.contestants) == [1, 2]
    assert match.shares in ((0.0, 1.0), (1.0, 0.0))
    assert len(match.transcript) == 3


def test_darwin_godel_diagnoses_and_changes(archive: Archive) -> None:
    model = RecordedModel(about=PACKING)
    run = search(archive, "darwin_godel", 4, model)
    assert model.asked == dict.fromkeys(kinds("darwin_godel"), 3)
    assert len(facts(run, Selection)) == 3
    assert [c.outcome for c in run.candidates()] == [Outcome.SCORED] * 4


def test_meta_agent_search_designs_reflects_and_repairs(archive: Archive) -> None:
    def measure(request: EvaluationRequest) -> EvaluationResult:
        """The first program of each conversation fails."""
        if request.number % 2:
            return failed(Outcome.CRASHED, "ValueError: circles 0 and 1 overlap")
        return better(request)

    model = RecordedModel(about=PACKING)
    run = search(archive, "meta_agent_search", 5, model, measure)
    assert model.asked == dict.fromkeys(kinds("meta_agent_search"), 2)
    _, *made = run.candidates()
    assert [c.operator for c in made] == ["design", "repair"] * 2
    assert [c.scored for c in made] == [False, True] * 2
    assert all(candidate.name and candidate.thought for candidate in made)


def test_guided_evolution_creates_crosses_transfers_and_rephrases(
    tmp_path: Path, archive: Archive
) -> None:
    program = recordings("guided_evolution/mutate")["guided_evolution/mutate-1"].program
    kit.write_campaign(tmp_path, program.source, 'sum_radii = "maximize"')
    model = RecordedModel(about=PACKING)
    options: dict[str, Any] = {"initial": 4, "offspring": 4, "elites": 4, "exemplars": 4}
    always: dict[str, Any] = {
        "repairs": 0,
        "crossover": 1,
        "mutation": 1,
        "evolution_of_thought": 1,
    }
    run = search(archive, "guided_evolution", 13, model, folder=tmp_path, **options, **always)
    assert set(model.asked) == kinds("guided_evolution")
    done = {part for c in run.candidates() if c.scored for part in c.operator.split(" + ")}
    assert done == {"seed", "create", "crossover", "mutate", "thought"}
    assert len(facts(run, Phrasing)) >= 2


class Admitting(RecordedModel):
    """Lets ideas pass the first look: the recorded ones discard what they were shown."""

    def __call__(self, messages: Sequence[Message]) -> str:
        if kind_of(messages) == "co_scientist/review_initial":
            return json.dumps({"review": "Worth a closer look.", "novelty": 3, "verdict": "pass"})
        return super().__call__(messages)


def test_the_co_scientist_turns_ideas_into_programs(archive: Archive) -> None:
    model = Admitting(about=PACKING)
    options: dict[str, Any] = {"initial_ideas": 2, "ideas_per_evaluation": 0}
    run = search(archive, "co_scientist", 3, model, **options)
    made = [c for c in run.candidates() if c.operator == "implement"]
    assert len(made) == 2
    assert all(candidate.scored for candidate in made)
    assert [origin.candidate for origin in facts(run, Origin)] == [c.number for c in made]
    (plan,) = facts(run, Plan)
    assert len(plan.criteria) >= 3
    matches = facts(run, Match)
    assert matches
    assert all(match.shares and match.rationale for match in matches)


def test_the_co_scientist_debates_ideas_that_nobody_measures(archive: Archive) -> None:
    model = Admitting(about=TESTING)
    campaign = kit.load(EXAMPLE, "co_scientist", {}, concurrency=1)
    asked = [recorded.messages[0].content for recorded in recordings("co_scientist/goal").values()]
    (goal,) = (head for head in asked if f"# Goal\n{TESTING}" in head)
    description = goal.partition("# Goal\n")[2].partition("\n")[0]
    task = Task(description=description, objectives=(), seed_program=campaign.seed_program)
    looks = ("observe", "recurrent")
    options = CoScientist.Options(max_ideas=3, overview=3, reflections=looks)
    run = archive.create(campaign)
    Laboratory(campaign, archive, model, better).run(run, CoScientist(task, options))
    assert len(facts(run, Idea)) == 3
    assert all(match.shares and match.rationale for match in facts(run, Match))
    read = {review.method for review in facts(run, Review) if review.verdict is not None}
    assert {"initial", *looks} <= read
    *_, last = facts(run, Overview)
    assert last.text.startswith("#")
    assert model.asked["co_scientist/overview"] >= 1


def plain() -> list[str]:
    """Replies to a prompt in which no mechanism has a part."""
    file = FOLDER / "map_elites" / "circle_packing.files.evolve.json"
    replies: list[str] = json.loads(file.read_text("utf-8"))["replies"]
    return replies


class Packer(RecordedModel):
    """Answers plain prompts, too."""

    def __call__(self, messages: Sequence[Message]) -> str:
        if any(kind.phrase in messages[-1].content for kind in KINDS.values()):
            return super().__call__(messages)
        self.asked["plain"] += 1
        return plain()[(self.asked["plain"] - 1) % len(plain())]


def test_what_is_learnt_by_looking_back_reaches_later_prompts(archive: Archive) -> None:
    model = Packer(about=PACKING)
    run = search(archive, "best_of_n", 9, model, insights={"every": 3})
    assert model.asked["mechanisms/insights"] >= 1
    assert model.asked["mechanisms/lessons"] >= 1
    learnt = facts(run, Insight)
    assert learnt
    assert any(origin.insights for origin in facts(run, Origin))


@pytest.mark.parametrize(
    ("kind", "strategy", "options"),
    [
        ("budget", "best_of_n", {"budget_line": True}),
        ("persona", "map_elites", {"personas": ["a numerical analyst"]}),
        ("behave", "novelty_search", {}),
    ],
)
def test_advice_in_a_prompt_is_answered_by_a_program(
    archive: Archive, kind: str, strategy: str, options: dict[str, Any]
) -> None:
    model = Packer(about=PACKING)
    run = search(archive, strategy, 3, model, **options)
    assert set(model.asked) == {f"mechanisms/{kind}"}
    assert [c.outcome for c in run.candidates()] == [Outcome.SCORED] * 3


def test_a_program_that_fails_is_mended_then_examined_again(archive: Archive) -> None:
    def measure(request: EvaluationRequest) -> EvaluationResult:
        if request.number in (1, 2):
            return failed(Outcome.CRASHED, "NameError: name 'place' is not defined")
        return better(request)

    model = Packer(about=PACKING)
    repairs = {"start": 1, "growth": 2, "limit": 7}
    run = search(archive, "best_of_n", 4, model, measure, repairs=repairs)
    assert {"mechanisms/mend", "mechanisms/reexamine"} <= set(model.asked)
    _, failed_one, *repaired = [c for c in run.candidates() if c.digest is not None][:4]
    assert [c.operator for c in repaired] == ["repair", "repair"]
    assert [c.parents for c in repaired] == [(1,), (2,)]
    assert [c.scored for c in (failed_one, *repaired)] == [False, False, True]


def test_who_repeats_a_program_is_asked_for_another(archive: Archive) -> None:
    model, first = Packer(about=PACKING), plain()[0]

    def answer(messages: Sequence[Message]) -> str:
        return model(messages) if len(messages) > 2 else first

    run = search(archive, "best_of_n", 3, answer)
    assert model.asked["mechanisms/differ"]
    assert [c.operator for c in run.candidates() if c.scored] == ["seed", "sample", "differ"]
