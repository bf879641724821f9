from __future__ import annotations

from collections.abc import Callable

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import (
    Artifact,
    Candidate,
    EvaluationResult,
    Outcome,
    Score,
    Split,
    StageResult,
)
from metasearch.program import Program

Propose = Callable[..., Candidate]
Result = Callable[..., EvaluationResult]


def program(source: str) -> Program:
    return Program(files={"pack.py": source})


def test_a_candidate_comes_back_as_it_was_stored(run: CampaignArchive, result: Result) -> None:
    seed_step = run.open_step()
    run.queue_candidate(seed_step.number, 0, program("seed"), operator="seed")
    step = run.open_step()
    files = Program(files={"z.py": "main", "a/b.py": "ä \udcff"})
    queued = run.queue_candidate(
        step.number,
        0,
        files,
        parents=[0, 0],
        operator="crossover",
        name="rings",
        thought="why not",
        island=2,
    )
    assert queued.outcome is None
    assert queued.length == len("main") + len("ä \udcff")
    assert [c.number for c in run.queued()] == [0, 1]

    settled = run.settle(
        1,
        result(2.5, feedback="wider", stdout="out", stderr="err", seconds=1.25, memory=70_000_000),
    )

    assert settled == run.candidate(1)
    assert settled.model_dump(exclude={"seq"}) == {
        "number": 1,
        "step": 1,
        "outcome": Outcome.SCORED,
        "digest": files.digest,
        "length": files_length(files),
        "scores": {"radii": 2.5, "time": 3.0},
        "private_scores": {"secret": 7.0},
        "parents": (0, 0),
        "operator": "crossover",
        "island": 2,
        "stage": "evaluate",
        "complete": True,
        "name": "rings",
        "thought": "why not",
        "feedback": "wider",
        "error": "",
        "duplicate_of": None,
        "seconds": 1.25,
        "memory": 70_000_000,
        "model": None,
        "temperature": None,
    }
    assert settled.seq > queued.seq
    assert run.program(settled) == files
    assert run.program(settled).main == "z.py"
    assert run.output(settled) == ("out", "err")
    assert Candidate.model_validate(settled.model_dump()) == settled


def files_length(files: Program) -> int:
    return sum(map(len, files.files.values()))


def test_the_second_call_of_a_place_in_a_step_finds_the_first(run: CampaignArchive) -> None:
    step = run.open_step().number
    first = run.queue_candidate(step, 0, program("a"), operator="evolve")
    again = run.queue_candidate(step, 0, program("something else"), operator="evolve")
    assert again == first
    assert run.of_call(step, 0) == first
    assert run.of_call(step, 1) is None


def test_a_known_program_is_rejected_and_costs_no_evaluation(
    run: CampaignArchive, propose: Propose
) -> None:
    propose("same", 1.0)
    waiting = propose("waiting")
    twin = propose("same")
    assert twin.outcome is Outcome.REJECTED
    assert twin.error == "same program as #0"
    assert run.program(twin) == program("same")
    assert propose("waiting").error == f"same program as #{waiting.number}"
    assert run.evaluations() == 1
    assert run.counts()["rejected"] == 2
    assert [c.number for c in run.queued()] == [waiting.number]


def test_a_rejected_program_may_come_again_in_order(run: CampaignArchive) -> None:
    step = run.open_step().number
    nothing = run.queue_candidate(step, 0, None, operator="evolve", rejection="no code")
    assert (nothing.outcome, nothing.error, nothing.digest) == (Outcome.REJECTED, "no code", None)
    with pytest.raises(KeyError):
        run.program(nothing)
    refused = run.queue_candidate(
        step, 1, program("x"), operator="evolve", rejection="protected text"
    )
    assert refused.outcome is Outcome.REJECTED
    assert run.queue_candidate(step, 2, program("x"), operator="repair").outcome is None


def test_other_runs_do_not_count_for_the_digest(
    archive: Archive, run: CampaignArchive, propose: Propose
) -> None:
    propose("same", 1.0)
    other = archive.create(run.resolved())
    step = other.open_step().number
    assert other.queue_candidate(step, 0, program("same"), operator="seed").outcome is None
    assert other.best() == []
    assert other.events(after_seq=0)[0].kind == "created"


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SCORED and o.evaluated])
def test_a_failure_is_an_outcome_without_scores(
    run: CampaignArchive, propose: Propose, result: Result, outcome: Outcome
) -> None:
    candidate = propose("bad")
    settled = run.settle(candidate.number, result(None, outcome=outcome, error="why"))
    assert (settled.outcome, settled.error, settled.scores) == (outcome, "why", {})
    assert run.counts()[outcome] == 1
    assert run.evaluations() == 1
    assert run.best(5) == []
    assert run.curve() == []


def test_settling_happens_once(run: CampaignArchive, propose: Propose, result: Result) -> None:
    first = propose("a", 1.0)
    with pytest.raises(ValueError, match="scored already"):
        run.settle(first.number, result(9.0))
    assert run.candidate(first.number).scores["radii"] == 1.0
    assert run.evaluations() == 1
    with pytest.raises(ValueError, match="no candidate #77"):
        run.settle(77, result(1.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_score_and_nothing_of_it_is_stored(
    run: CampaignArchive, propose: Propose, value: float
) -> None:
    candidate = propose("a")
    events = run.events()
    bad = Score.model_construct(value=value, low=1.0, high=1.0, samples=1)
    stage = StageResult.model_construct(stage="s", scores={"radii": bad}, passed=True, seconds=0.0)
    broken = EvaluationResult.model_construct(outcome=Outcome.SCORED, stages=(stage,))
    with pytest.raises(ValueError, match="not finite"):
        run.settle(candidate.number, broken)
    assert run.candidate(candidate.number) == candidate
    assert run.events() == events


def test_a_scored_candidate_needs_the_first_objective(
    run: CampaignArchive, propose: Propose
) -> None:
    candidate = propose("a")
    scores = {"time": Score(value=1, low=1, high=1)}
    stage = StageResult(stage="s", scores=scores, passed=True, seconds=0.0)
    with pytest.raises(ValueError, match="without 'radii'"):
        run.settle(candidate.number, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,)))


def test_scores_by_example_are_kept_and_those_of_private_metrics_not_shown(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    candidate = propose("a")
    kept = {"radii": (0.1, 1 / 3, 1e-300), "secret": (1.0, 0.0)}
    cheap, full = (
        result(2.0).stages[0].model_copy(update={"stage": name, "examples": examples})
        for name, examples in (("cheap", {"radii": (7.0,)}), ("full", kept))
    )
    settled = run.settle(candidate.number, result(2.0, stages=(cheap, full)))
    assert run.as_of(settled.seq).examples(settled) == {"radii": kept["radii"]}
    assert run.evaluations_of(candidate.number)[0].stages == (cheap, full)
    assert run.examples(run.settle(propose("b").number, result(1.0))) == {}


def test_stages_intervals_and_splits_are_kept_apart(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    candidate = propose("a")
    cheap = StageResult(
        stage="cheap",
        scores={"radii": Score(value=9.0, low=8.0, high=10.0, samples=3)},
        passed=True,
        seconds=0.1,
    )
    full = result(2.0).stages[0]
    settled = run.settle(candidate.number, result(2.0, stages=(cheap, full)))
    assert settled.scores == {"radii": 2.0, "time": 3.0}
    assert settled.stage == "evaluate"

    run.record_test(candidate.number, result(5.0, split=Split.TEST, feedback="hidden"))

    assert run.candidate(candidate.number) == settled
    assert run.evaluations() == 1
    validation, test = run.evaluations_of(candidate.number)
    assert (validation.split, test.split) == (Split.VALIDATION, Split.TEST)
    assert validation.stages == (cheap, full)
    assert validation.private == ("secret",)
    assert test.stages[0].scores["radii"] == Score(value=5.0, low=4.5, high=5.5, samples=4)
    with pytest.raises(ValueError, match="test split"):
        run.record_test(candidate.number, result(5.0))
    with pytest.raises(ValueError, match="validation"):
        run.settle(propose("b").number, result(5.0, split=Split.TEST))


def test_a_stage_that_was_not_passed_gives_no_scores(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    candidate = propose("a")
    stage = result(2.0).stages[0].model_copy(update={"passed": False})
    settled = run.settle(
        candidate.number, result(None, outcome=Outcome.INVALID, stages=(stage,), error="threshold")
    )
    assert (settled.scores, settled.stage) == ({}, "evaluate")
    assert run.evaluations_of(candidate.number)[0].stages == (stage,)


def test_artifacts_come_back_byte_for_byte(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    candidate = propose("a")
    given = (
        Artifact(name="a.svg", media_type="image/svg+xml", content=b"<svg/>" * 1000),
        Artifact(name="b.bin", media_type="application/octet-stream", content=bytes(range(256))),
        Artifact(name="empty", media_type="text/plain", content=b""),
    )
    run.settle(candidate.number, result(1.0, artifacts=given))
    assert tuple(run.artifacts(candidate.number)) == given


def test_best_goes_by_direction_and_age(
    archive: Archive, run: CampaignArchive, propose: Propose, result: Result
) -> None:
    for source, radii in (("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 3.0)):
        propose(source, radii)
    assert [c.number for c in run.best(3)] == [1, 3, 2]

    settings = run.resolved().settings
    turned = settings.model_copy(update={"objectives": {"time": "minimize"}})
    other = archive.create(run.resolved().model_copy(update={"settings": turned}))
    for number, value in enumerate((5.0, 2.0, 4.0)):
        step = other.open_step().number
        other.queue_candidate(step, 0, program(str(value)), operator="evolve")
        stage = (
            result(1.0)
            .stages[0]
            .model_copy(update={"scores": {"time": Score(value=value, low=value, high=value)}})
        )
        other.settle(number, result(1.0, stages=(stage,)))
    assert [c.number for c in other.best(9)] == [1, 2, 0]
    assert [point.score for point in other.curve()] == [5.0, 2.0]


def test_the_order_of_facts_is_the_order_of_settling(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    first, second, third = propose("a"), propose("b"), propose("c")
    for candidate in (third, first, second):
        run.settle(candidate.number, result(1.0))
    assert [c.number for c in run.candidates()] == [2, 0, 1]
    assert [c.number for c in run.recent(2)] == [1, 0]
    middle = run.candidate(first.number)
    assert [c.number for c in run.candidates(after_seq=middle.seq)] == [1]
    assert [c.number for c in run.candidates(limit=2)] == [2, 0]
    assert [c.number for c in run.of_steps(before=2)] == [0, 1]
    assert [c.number for c in run.of_steps(before=3, since=1)] == [1, 2]


def test_iterating_in_chunks_misses_nothing(
    run: CampaignArchive, propose: Propose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.archive.queries._CHUNK", 3)
    for number in range(10):
        propose(f"v = {number}", float(number), *([number - 1] if number else []))
    everything = list(run.candidates())
    assert [c.number for c in everything] == list(range(10))
    assert everything == [run.candidate(n) for n in range(10)]
    assert [c.number for c in run.candidates(limit=7)] == list(range(7))
    assert [c.number for c in run.candidates(limit=9)] == list(range(9))


def test_kinship(run: CampaignArchive, propose: Propose) -> None:
    propose("seed", 1.0)
    propose("b", 1.0, 0)
    propose("c", 1.0, 0)
    propose("d", 1.0, 2, 1)
    waiting = propose("e", None, 0)
    assert [c.number for c in run.children(0)] == [2, 1]
    assert [c.number for c in run.parents(3)] == [2, 1]
    assert [c.number for c in run.lineage(3)] == [3, 2, 0]
    assert run.candidate(waiting.number).parents == (0,)
    with pytest.raises(KeyError, match="no candidate #9"):
        run.candidate(9)


def test_the_curve_says_what_each_improvement_had_taken(
    run: CampaignArchive, propose: Propose
) -> None:
    for source, radii in (("a", 1.0), ("b", 0.5), ("c", 2.0), ("d", 2.0)):
        propose(source, radii)
    assert [(p.evaluation, p.candidate, p.score, p.usd) for p in run.curve()] == [
        (1, 0, 1.0, 0.0),
        (3, 2, 2.0, 0.0),
    ]


def test_steps_are_numbered_for_good_and_found_until_they_end(
    archive: Archive, run: CampaignArchive
) -> None:
    first, second, third = run.open_step(), run.open_step(), run.open_step()
    assert [s.number for s in (first, second, third)] == [0, 1, 2]
    run.end_step(1)
    again = archive.campaign(run.id)
    assert again.unfinished_steps() == [first, third]
    assert again.open_step().number == 3
    for number in (1, 99):
        with pytest.raises(ValueError, match=f"step {number} is not open"):
            run.end_step(number)


def test_a_step_knows_which_facts_came_before_it(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    before = propose("a", 1.0)
    step = run.open_step()
    after = propose("b", 1.0)
    assert before.seq < step.seq < after.seq


def test_events_tell_the_story_in_order(run: CampaignArchive, propose: Propose) -> None:
    with run.hold():
        propose("a", 1.0)
    run.finish("evaluations")
    events = run.events()
    assert [event.kind for event in events] == [
        "created",
        "started",
        "opened",
        "queued",
        "settled",
        "ended",
        "stopped",
        "finished",
    ]
    assert [event.seq for event in events] == list(range(1, 9))
    settled = events[4]
    assert (settled.step, settled.candidate, settled.detail) == (0, 0, "scored")
    assert run.events(after_seq=6) == events[6:]
    assert run.events(after_seq=2, limit=2) == events[2:4]


def test_long_and_broken_texts_are_stored_shortened_and_valid(
    run: CampaignArchive, result: Result
) -> None:
    step = run.open_step().number
    run.queue_candidate(
        step,
        0,
        program("a"),
        operator="e" * 1000,
        name="n\udc80\x00",
        thought="t" * 1_000_000,
    )
    settled = run.settle(0, result(1.0, feedback="\ud800 broken"))
    assert settled.name == "n?\x00"
    assert settled.feedback == "? broken"
    assert len(settled.thought) == 20_000
    assert settled.thought.endswith("… (1000000 characters)")
    assert len(settled.operator) == 200


def test_a_fact_about_nothing_is_the_callers_mistake(run: CampaignArchive) -> None:
    step = run.open_step().number
    with pytest.raises(ValueError, match="cannot take this fact"):
        run.queue_candidate(step, 0, program("a"), operator="evolve", parents=[5])
    with pytest.raises(ValueError, match="cannot take this fact"):
        run.queue_candidate(step + 1, 0, program("a"), operator="evolve")
    assert run.queued() == []
    assert run.queue_candidate(step, 0, program("a"), operator="evolve").number == 0


def test_a_score_has_its_interval_unless_it_is_private(
    run: CampaignArchive, propose: Propose
) -> None:
    candidate = propose("x = 1\n", 1.5)
    assert run.score(candidate, "radii") == Score(value=1.5, low=1.0, high=2.0, samples=4)
    for metric in ("secret", "mood"):
        with pytest.raises(KeyError, match="no public metric"):
            run.score(candidate, metric)
