"""One evaluation, from the user's function to the result: who is to blame for what."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from metasearch.candidate import EvaluationResult
from metasearch.errors import CandidateFailure, EvaluatorError, SandboxError
from metasearch.evaluation import BlockingCandidate, Candidate, Outcome, Split
from metasearch.testing.local_sandbox import UnsafeLocalProvider

Measure = Callable[..., Awaitable[EvaluationResult]]


def returning(value: object) -> Callable[[Candidate], object]:
    async def evaluate(candidate: Candidate) -> object:
        return value

    return evaluate


async def test_an_async_evaluator_scores(measure: Measure, provider: UnsafeLocalProvider) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        assert candidate.split == "validation"
        assert list(candidate.files) == ["program.py"]
        assert "def add" in candidate.source
        candidate.feedback("rather good")
        candidate.attach("drawing.svg", "<svg/>")
        candidate.attach("raw", b"\x00", "application/x-raw")
        return {"score": await candidate.call("add", 2, b=3)}

    result = await measure(evaluate)
    assert result.outcome is Outcome.SCORED
    assert result.scores["score"].model_dump() == {
        "value": 5.0,
        "low": 5.0,
        "high": 5.0,
        "samples": 1,
    }
    assert result.stdout == "adding 2 3\n"
    assert result.feedback == "rather good"
    assert [(a.name, a.media_type, a.content) for a in result.artifacts] == [
        ("drawing.svg", "image/svg+xml", b"<svg/>"),
        ("raw", "application/x-raw", b"\x00"),
    ]
    assert provider.closed == len(provider.opened) == 1


async def test_a_plain_evaluator_has_the_same_handle_without_await(measure: Measure) -> None:
    def evaluate(candidate: BlockingCandidate) -> dict[str, float]:
        assert threading.current_thread() is not threading.main_thread()
        assert candidate.call("program:add", 1, 1) == 2
        assert candidate.run(["wc", "-c"], stdin="four").stdout == b"wc -c\nfour"
        assert b"def add" in candidate.read("program.py")
        candidate.feedback("fine")
        return {"score": candidate.call("add", 2)}

    result = await measure(evaluate)
    assert result.scores["score"].value == 2.0
    assert result.feedback == "fine"


async def test_a_program_that_prints_a_traceback_has_not_failed_and_one_without_result_has(
    measure: Measure,
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": await candidate.call("run")}

    words = "Traceback (most recent call last):\nslurmstepd: error: killed"
    prints = f"def run():\n    print({words!r})\n    return 1.0\n"
    result = await measure(evaluate, files={"program.py": prints})
    assert (result.outcome, result.stdout) == (Outcome.SCORED, words + "\n")
    leaves = "import os\n\n\ndef run():\n    print('job done', flush=True)\n    os._exit(0)\n"
    result = await measure(evaluate, files={"program.py": leaves})
    assert result.outcome is Outcome.CRASHED


async def test_no_sandbox_is_opened_for_an_evaluator_that_only_reads(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": len(candidate.source)}

    assert (await measure(evaluate)).outcome is Outcome.SCORED
    assert provider.opened == []


async def test_a_failure_of_the_candidate_is_its_outcome(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        candidate.feedback("it was going well")
        return {"score": await candidate.call("fail")}

    result = await measure(evaluate)
    assert result.outcome is Outcome.CRASHED
    assert result.error == "ValueError: no luck"
    assert result.feedback == "it was going well"
    assert result.scores == {}


async def test_an_evaluator_may_refuse_what_it_was_given(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        raise CandidateFailure(Outcome.INVALID, "circles 3 and 4 overlap")

    result = await measure(evaluate)
    assert (result.outcome, result.error) == (Outcome.INVALID, "circles 3 and 4 overlap")


async def test_an_evaluator_may_go_on_after_a_failure_with_a_fresh_sandbox(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        counts = [await candidate.call("count"), await candidate.call("count")]
        with pytest.raises(CandidateFailure):
            await candidate.call("fail")
        return {"score": 100 * sum(counts) + await candidate.call("count")}

    assert (await measure(evaluate)).scores["score"].value == 301.0
    assert provider.closed == len(provider.opened) == 2


async def test_a_bug_in_the_evaluator_is_shown_with_the_users_frames_only(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        value = await candidate.call("add", 1)
        return {"score": value["missing"]}

    with pytest.raises(EvaluatorError) as caught:
        await measure(evaluate)
    text = str(caught.value)
    assert "candidate #7" in text
    assert 'value["missing"]' in text
    assert "TypeError" in text
    assert "raise CandidateFailure(Outcome.INVALID, reason)" in text
    assert "measure.py" not in text.replace("test_measure.py", "")


@pytest.mark.parametrize("stopper", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("blocking", [False, True])
async def test_an_evaluator_cannot_end_the_worker(
    measure: Measure, stopper: type[BaseException], blocking: bool
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        raise stopper(3)

    def evaluate_blocking(candidate: BlockingCandidate) -> dict[str, float]:
        raise stopper(3)

    with pytest.raises(EvaluatorError, match=stopper.__name__):
        await measure(evaluate_blocking if blocking else evaluate)


async def test_a_stop_iteration_does_not_vanish(measure: Measure) -> None:
    def evaluate(candidate: BlockingCandidate) -> dict[str, float]:
        return {"score": next(iter([]))}

    with pytest.raises(EvaluatorError, match="StopIteration"):
        await measure(evaluate)


async def test_a_fault_of_the_sandbox_is_never_the_candidates(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        try:
            await candidate.call("add", 1)
        except Exception:  # an evaluator that catches too much
            return {"score": 0.0}
        return {"score": 1.0}

    broken = (
        "from metasearch.errors import SandboxError\ndef add(a): raise SandboxError('disk full')"
    )
    with pytest.raises(SandboxError, match="disk full"):
        await measure(evaluate, files={"program.py": broken})


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ({"score": math.nan}, "'score' is nan"),
        ({"score": -math.inf}, "'score' is -inf"),
        ({"score": np.float64("nan")}, "'score' is nan"),
        ({"score": [1.0, math.inf]}, "'score' of example 1 is inf"),
        ({"score": []}, "empty"),
        ({"score": 10**400}, "too large"),
        ({"score": "3"}, "'3' (str), not a number"),
        ({"score": None}, "not a number"),
        ({"score": 1j}, "complex, not a number"),
        ({"score": [[1.0]]}, "list, not a number"),
        ({"score": np.zeros((2, 2))}, "list, not a number"),
        ({}, "no value for the objective 'score' (it returned nothing)"),
        ({"scores": 1.0}, "no value for the objective 'score' (it returned 'scores')"),
        ({"score": 1.0, "other": 2.0}, "'other', which is no objective"),
        ({"score": 1.0, "sise": 2.0}, "Did you mean 'size'?"),
    ],
)
async def test_an_unusable_score_is_invalid_with_the_reason(
    measure: Measure, returned: dict[str, Any], reason: str
) -> None:
    result = await measure(returning(returned), metrics=("size",), private=("secret",))
    assert result.outcome is Outcome.INVALID
    assert reason in result.error


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ({"score": 1.0, "secret": math.nan}, "a private metric is not a finite number"),
        ({"score": 1.0, "secret": [0.5, "0.25"]}, "a private metric is not a finite number"),
        ({"score": 1.0, "secret": []}, "a private metric is not a finite number"),
        ({"score": 1.0, "secret": 10**400}, "a private metric is not a finite number"),
        ({"score": 1.0, "secrets": 0.25}, "its name is close to that of a private metric"),
        ({"secret": 0.25}, "no value for the objective 'score' (it returned no public metric)"),
        ({"secrets": 0.25, "size": 1, "sc": 0}, "(it returned 'size', 'sc')"),
        ({"score": 1.0}, "no value for a private metric, which has a threshold"),
    ],
)
async def test_a_reason_neither_names_nor_quotes_a_private_metric(
    measure: Measure, returned: dict[str, Any], reason: str
) -> None:
    result = await measure(
        returning(returned), metrics=("size",), private=("secret",), threshold={"secret": 0.5}
    )
    assert result.outcome is Outcome.INVALID
    assert reason.lower() in result.error.lower()
    shown = [result.error, result.feedback, result.stdout, result.stderr]
    assert not [text for text in shown for leak in ("secret", "nan", "0.25") if leak in text]


async def test_what_is_wrong_with_a_stage_names_it(measure: Measure) -> None:
    async def quick(candidate: Candidate) -> dict[str, float]:
        return {"score": 1.0}

    async def full(candidate: Candidate) -> dict[str, float]:
        return {"score": 1.0, "cost": 2.0}

    both = {"objectives": {"score": "maximize", "cost": "minimize"}}
    result = await measure(quick, full, **both)
    assert result.outcome is Outcome.INVALID
    assert result.error == (
        "stage 'quick': the evaluator returned no value for the objective 'cost' "
        "(it returned 'score'); every stage must return all objectives"
    )
    alone = await measure(quick, **both)
    assert "stage" not in alone.error

    async def broken(candidate: Candidate) -> None:
        return None

    with pytest.raises(EvaluatorError, match="stage 'broken': the evaluator returned None"):
        await measure(full, broken, **both)


async def test_any_number_of_returned_names_makes_a_short_reason(measure: Measure) -> None:
    result = await measure(returning({f"metric {i}": 1.0 for i in range(1_000)}))
    assert "'metric 1'" in result.error
    assert len(result.error) < 1_000


@pytest.mark.parametrize(
    "returned", [None, 1.0, [("score", 1.0)], {1: 2.0, "score": 1.0}, {"score": 1.0}.keys()]
)
async def test_what_no_candidate_can_cause_is_the_evaluators_error(
    measure: Measure, returned: object
) -> None:
    with pytest.raises(EvaluatorError):
        await measure(returning(returned))


@pytest.mark.parametrize(
    "value",
    [
        True,
        1,
        1.0,
        np.float32(1),
        np.int64(1),
        np.bool_(True),
        np.array(1.0),
        Fraction(1),
        [1],
        (1, 1),
    ],
)
async def test_every_kind_of_number_is_a_number(measure: Measure, value: object) -> None:
    result = await measure(returning({"score": value}))
    assert result.scores["score"].value == 1.0


async def test_declared_metrics_may_be_returned(measure: Measure) -> None:
    returned = {"score": 1.0, "size": 3, "secret": 4}
    result = await measure(returning(returned), metrics=("size",), private=("secret",))
    assert {name: score.value for name, score in result.scores.items()} == returned


@pytest.mark.parametrize("explicit", [False, True])
async def test_scores_per_example_get_an_interval(measure: Measure, explicit: bool) -> None:
    hits = [1] * 83 + [0] * 45

    async def evaluate(candidate: Candidate) -> dict[str, Any] | None:
        if not explicit:
            return {"score": np.array(hits)}
        candidate.examples({"score": hits})
        return None

    result = await measure(evaluate)
    assert result.stages[0].examples == {"score": tuple(hits)}
    score = result.scores["score"]
    assert score.samples == 128
    assert (round(score.low, 3), round(score.value, 3), round(score.high, 3)) == (
        0.562,
        0.648,
        0.727,
    )


async def test_repeats_differ_by_seed_and_give_an_interval(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    seeds = []

    async def evaluate(candidate: Candidate) -> dict[str, float]:
        seeds.append(candidate.seed)
        assert await candidate.call("count") == 1, "a repeat sees nothing of the others"
        return {"score": 1 + candidate.repeat}

    score = (await measure(evaluate, repeats=3)).scores["score"]
    assert len(set(seeds)) == 3
    assert (score.value, score.samples) == (2.0, 3)
    assert score.low < 2.0 < score.high
    assert provider.closed == len(provider.opened) == 3

    first = list(seeds)
    await measure(evaluate, repeats=3)
    assert seeds[3:] == first, "the same program and campaign seed: the same seeds"
    await measure(evaluate, repeats=3, seed=1)
    assert not set(seeds[6:]) & set(first)


async def test_repeats_of_the_same_examples_are_not_independent(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, list[float]]:
        return {"score": [0.0, 0.2, 1.0, 0.7]}

    once = (await measure(evaluate)).scores["score"]
    often = (await measure(evaluate, repeats=20)).scores["score"]
    assert often.samples == 4
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=0.02)


async def test_a_failure_in_a_later_repeat_counts(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        if candidate.repeat == 2:
            await candidate.call("fail")
        return {"score": 1.0}

    assert (await measure(evaluate, repeats=3)).outcome is Outcome.CRASHED


@pytest.mark.parametrize(
    ("direction", "threshold", "stages"),
    [("maximize", 0.5, 2), ("maximize", 0.6, 1), ("minimize", 0.5, 2), ("minimize", 0.4, 1)],
)
async def test_a_stage_gates_the_next_in_the_objectives_direction(
    measure: Measure, direction: str, threshold: float, stages: int
) -> None:
    async def quick(candidate: Candidate) -> dict[str, float]:
        return {"score": 0.5}

    async def thorough(candidate: Candidate) -> dict[str, float]:
        return {"score": 0.45}

    result = await measure(
        quick, thorough, objectives={"score": direction}, threshold={"score": threshold}
    )
    assert result.outcome is Outcome.SCORED
    assert [stage.stage for stage in result.stages] == ["quick", "thorough"][:stages]
    assert result.stages[0].passed is (stages == 2)
    assert result.scores["score"].value == (0.45 if stages == 2 else 0.5)


async def test_the_split_reaches_the_evaluator(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": 2.0 if candidate.split is Split.TEST else 1.0}

    result = await measure(evaluate, split=Split.TEST)
    assert (result.split, result.scores["score"].value) == (Split.TEST, 2.0)


async def test_harness_files_alone_stand_beside_the_program(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": await candidate.call("harness:double", 4)}

    sources = {"evaluator.py": "SECRET = 1", "harness.py": "def double(x): return 2 * x"}
    sources["helper.py"] = "LABELS = [1]"
    result = await measure(evaluate, sources=sources, harness=("harness.py",))
    assert result.scores["score"].value == 8.0
    assert list(provider.opened[0].files) == ["program.py", "harness.py"]


async def test_the_evaluators_own_source_is_not_given_to_the_candidate(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": await candidate.call("add", 1)}

    await measure(evaluate, sources={"evaluator.py": "LABELS = [1]"}, file="evaluator.py")
    assert list(provider.opened[0].files) == ["program.py"]


@pytest.mark.parametrize("path", ["harness.py", "harness/__init__.py", "harness.so"])
async def test_a_program_cannot_take_the_harness_place(measure: Measure, path: str) -> None:
    result = await measure(
        returning({"score": 1.0}),
        files={"program.py": "", path: "def double(x): return 1e9"},
        sources={"harness.py": ""},
        harness=("harness.py",),
    )
    assert result.outcome is Outcome.INVALID
    assert path in result.error


@pytest.mark.parametrize(
    "files", [{"a": "", "a/b.py": ""}, {"x" * 256 + ".py": ""}, {"\ud800.py": ""}, {"a\u202eb": ""}]
)
async def test_files_that_no_folder_can_hold_are_the_programs_fault(
    measure: Measure, files: dict[str, str]
) -> None:
    result = await measure(returning({"score": 1.0}), files=files)
    assert result.outcome is Outcome.INVALID
    assert "the program's files" in result.error


async def test_a_main_file_in_a_folder_is_called_by_its_module(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": await candidate.call("f")}

    result = await measure(evaluate, files={"solver/core.py": "def f(): return 6"})
    assert result.scores["score"].value == 6.0


async def test_calling_a_program_that_is_not_python_is_explained(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        return {"score": await candidate.call("f")}

    with pytest.raises(EvaluatorError, match=r"candidate\.run"):
        await measure(evaluate, files={"main.cpp": "int main() {}"})


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_evaluator_that_takes_too_long_is_the_evaluators_error(
    measure: Measure, blocking: bool
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        await asyncio.sleep(30)
        return {"score": 1.0}

    def evaluate_blocking(candidate: BlockingCandidate) -> dict[str, float]:
        time.sleep(3)
        return {"score": 1.0}

    with pytest.raises(EvaluatorError, match="evaluator itself took too long"):
        await measure(evaluate_blocking if blocking else evaluate, timeout=0.2)


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("seconds", [0.1, 10.0])
async def test_a_candidate_that_uses_up_the_evaluators_time_has_timed_out(
    measure: Measure, provider: UnsafeLocalProvider, seconds: float, blocking: bool
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        while True:
            await candidate.call("wait", seconds)

    def evaluate_blocking(candidate: BlockingCandidate) -> dict[str, float]:
        while True:
            candidate.call("wait", seconds)

    result = await measure(evaluate_blocking if blocking else evaluate, timeout=0.35)
    assert result.outcome is Outcome.TIMED_OUT
    assert "inside the program" in result.error
    assert provider.closed == len(provider.opened) == 1


@pytest.mark.parametrize("blocking", [False, True])
async def test_cancelling_ends_the_sandbox(
    measure: Measure, provider: UnsafeLocalProvider, blocking: bool
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        await candidate.call("wait", 30)
        return {"score": 1.0}

    def evaluate_blocking(candidate: BlockingCandidate) -> dict[str, float]:
        candidate.call("wait", 30)
        return {"score": 1.0}

    task = asyncio.ensure_future(measure(evaluate_blocking if blocking else evaluate))
    while not provider.opened:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.closed == 1


async def test_an_evaluator_may_stop_waiting_and_go_on_with_a_fresh_sandbox(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await candidate.call("wait", 30)
        return {"score": await candidate.call("add", 1)}

    assert (await measure(evaluate)).scores["score"].value == 1.0
    assert provider.closed == len(provider.opened) == 2


async def test_calls_made_at_once_take_turns(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        counts = await asyncio.gather(*(candidate.call("count") for _ in range(5)))
        return {"score": sum(counts)}

    assert (await measure(evaluate)).scores["score"].value == 15.0


async def test_a_handle_is_of_no_use_after_its_evaluation(measure: Measure) -> None:
    kept = []

    async def evaluate(candidate: Candidate) -> dict[str, float]:
        kept.append(candidate)
        return {"score": 1.0}

    await measure(evaluate)
    with pytest.raises(EvaluatorError, match="after its evaluation"):
        await kept[0].call("add", 1)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("../x", "", "is a path"),
        ("", "", "not a file name"),
        ("a\nb", "", "not a file name"),
        ("big", b"x" * (33 * 1024**2), "the most is"),
        ("odd", 3, "give text or bytes"),
    ],
)
async def test_a_wrong_artifact_is_explained(
    measure: Measure, name: str, content: Any, reason: str
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        candidate.attach(name, content)
        return {"score": 1.0}

    with pytest.raises(EvaluatorError, match=reason):
        await measure(evaluate)


async def test_too_many_artifacts_are_refused(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        for number in range(1000):
            candidate.attach(f"{number}.txt", "x")
        return {"score": 1.0}

    with pytest.raises(EvaluatorError, match="the most is 64"):
        await measure(evaluate)


async def test_endless_feedback_and_messages_are_cut(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        candidate.feedback("x" * 10_000_000)
        for i in range(5000):
            candidate.feedback(f"{i}" * 100)
        raise CandidateFailure(Outcome.INVALID, "\ud800" + "y" * 10_000_000)

    result = await measure(evaluate)
    assert len(result.feedback) < 20_000
    assert len(result.error) < 20_000
    result.error.encode()


@pytest.mark.parametrize("outcome", [Outcome.SCORED, Outcome.REJECTED])
async def test_a_failure_needs_an_outcome_of_a_failure(measure: Measure, outcome: Outcome) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        raise CandidateFailure(outcome, "?")

    with pytest.raises(EvaluatorError, match="needs one of"):
        await measure(evaluate)


async def test_an_evaluator_that_forgets_to_be_async_is_told(measure: Measure) -> None:
    async def inner(candidate: Candidate) -> dict[str, float]:
        return {"score": 1.0}

    def evaluate(candidate: Any) -> Any:
        return inner(candidate)

    with pytest.raises(EvaluatorError, match="async def"):
        await measure(evaluate)


async def test_a_renewed_candidate_remembers_nothing(measure: Measure) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        before = [await candidate.call("count") for _ in range(2)]
        await candidate.renew()
        await candidate.renew()
        assert [*before, await candidate.call("count")] == [1, 2, 1]
        return {"score": 1.0}

    def evaluate_blocking(candidate: BlockingCandidate) -> dict[str, float]:
        candidate.renew()
        before = [candidate.call("count") for _ in range(2)]
        candidate.renew()
        assert [*before, candidate.call("count")] == [1, 2, 1]
        return {"score": 1.0}

    for function in (evaluate, evaluate_blocking):
        assert (await measure(function)).outcome is Outcome.SCORED


async def test_memory_is_the_most_that_any_of_its_sandboxes_has_used(
    measure: Measure, provider: UnsafeLocalProvider
) -> None:
    async def evaluate(candidate: Candidate) -> dict[str, float]:
        for used in (None, 70_000_000, 40_000_000):
            await candidate.call("count")
            provider.opened[-1].memory = used
            await candidate.renew()
        return {"score": 1.0}

    assert (await measure(evaluate)).memory == 70_000_000

    async def unmeasured(candidate: Candidate) -> dict[str, float]:
        return {"score": await candidate.call("add", 1)}

    assert (await measure(unmeasured)).memory is None
