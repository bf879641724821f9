from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import CandidateFailure, Outcome

ROOT = Path(__file__).parents[2] / "examples"
PUBLIC = ROOT.parent / "sandboxes" / "runner" / "public"

Load = Callable[[str, str], ModuleType]


@pytest.fixture
def evaluator(beside: Load, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("METASEARCH_MGSM", raising=False)
    return beside("mgsm_agents", "evaluator")


@pytest.mark.parametrize("example", ["mgsm_agents", "arc_agents"])
def test_the_campaign_file_is_valid_and_tells_the_api_as_it_is(example: str) -> None:
    campaign = load_campaign(ROOT / example)
    seeds = campaign.settings.strategy.options["seeds"]
    assert isinstance(seeds, list)
    assert sorted(p.name for p in (ROOT / example / "seeds").glob("*.py")) == sorted(
        str(seed).removeprefix("seeds/") for seed in seeds
    )
    api = ast.parse((PUBLIC / "metasearch_agents.py").read_text("utf-8"))
    classes = {node.name: node for node in api.body if isinstance(node, ast.ClassDef)}
    told = re.search(r"Agent\(([^)]*)\)", campaign.settings.task)
    assert told is not None
    init = next(f for f in classes["Agent"].body if getattr(f, "name", "") == "__init__")
    assert isinstance(init, ast.FunctionDef)
    names = [part.partition("=")[0] for part in told[1].split(", ")]
    assert names == [argument.arg for argument in init.args.args[1:]]
    fields = {a.target.id for a in ast.walk(classes["Info"]) if isinstance(a, ast.AnnAssign)}  # type: ignore[union-attr]
    assert {"name", "author", "content", "iteration", "failure"} == fields


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (348, 348),
        (348.0, 348),
        ("348", 348),
        ("348.0", 348),
        ("1,000", 1000),
        (" 5. ", 5),
        ("0.0", 0),
        ("-3", -3),
        (10**6, 10**6),
    ],
)
def test_right_numbers_count_however_they_are_written(
    evaluator: ModuleType, given: object, wanted: int
) -> None:
    assert evaluator.is_number(given, wanted)
    assert not evaluator.is_number(given, wanted + 1)


@pytest.mark.parametrize(
    "given",
    [
        "348 pets",
        "$348",
        "",
        ".",
        "0x15c",
        "3e2",
        "--348",
        None,
        True,
        [348],
        {"answer": 348},
        float("nan"),
        float("inf"),
        "348" * 1000,
        "٣٤٨",
        "348.5",
        "__import__('os')",
    ],
)
def test_anything_else_is_wrong(evaluator: ModuleType, given: object) -> None:
    assert not evaluator.is_number(given, 348)
    assert not evaluator.is_number(given, 1)
    assert not evaluator.is_number(given, 0)


def answering(evaluator: ModuleType, split: str, given: Callable[[Any], object]) -> Any:
    return lambda texts, at_once: [
        {"answer": given(problem), "error": ""} for problem in evaluator.problems(split)
    ]


@pytest.mark.parametrize("split", ["validation", "test"])
async def test_scores_are_by_example(evaluator: ModuleType, candidate: Any, split: str) -> None:
    asked = evaluator.problems(split)
    solve = answering(evaluator, split, lambda p: p.answer if p.language == "en" else "no")
    one = candidate(split, solve=solve)
    scores = (await evaluator.evaluate(one))["accuracy"]
    assert scores == [float(p.language == "en") for p in asked]
    assert 0 < sum(scores) < len(scores) == len(asked)
    (call,) = one.calls
    assert call == ("harness:solve", [p.text for p in asked], evaluator.AT_ONCE)
    assert "'no'" in one.said


@pytest.mark.parametrize(
    "returned",
    [
        None,
        [],
        {},
        [1.0] * 32,
        [{"answer": 1}] * 32,
        [{"answer": 1, "error": 0}] * 32,
        [{"answer": 1, "error": ""}] * 33,
    ],
)
async def test_what_is_no_list_of_answers_is_invalid(
    evaluator: ModuleType, candidate: Any, returned: object
) -> None:
    with pytest.raises(CandidateFailure) as caught:
        await evaluator.evaluate(candidate(solve=lambda *args: returned))
    assert caught.value.outcome is Outcome.INVALID


async def test_feedback_does_not_tell_right_answers(evaluator: ModuleType, candidate: Any) -> None:
    one = candidate(solve=answering(evaluator, "validation", lambda p: p.answer + 1000))
    await evaluator.evaluate(one)
    first = evaluator.problems("validation")[0]
    assert first.text in one.said
    assert re.findall(r"Its answer: (\d+)", one.said)[0] == str(first.answer + 1000)
    told = one.said.split("Wrong:")[1].replace(first.text, "")
    assert not re.search(rf"\b{first.answer}\b", told)


def test_generated_problems_are_fixed_and_splits_do_not_meet(evaluator: ModuleType) -> None:
    validation, test = evaluator.problems("validation"), evaluator.problems("test")
    assert (len(validation), len(test)) == (32, 64)
    assert not {p.text for p in validation} & {p.text for p in test}
    problems = evaluator.problems.__wrapped__("validation")
    assert problems == validation
    assert {p.language for p in validation} == {"de", "en", "es", "fr"}
    for problem in validation:
        a, b, c = map(int, re.findall(r"\d+", problem.text))
        assert problem.answer in (a * b - c, a + b + c, a * (b + c), a * b * c)


def test_mgsm_itself_is_shuffled_and_split(
    beside: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for language in ("en", "th", "zh"):
        lines = [f"Problem {n}, in {language}?\t{'1,' if n > 300 else ''}{n}" for n in range(320)]
        (tmp_path / f"mgsm_{language}.tsv").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("METASEARCH_MGSM", str(tmp_path))
    problems = beside("mgsm_agents", "problems")
    validation, test = problems.problems("validation"), problems.problems("test")
    assert (len(validation), len(test)) == (128, 800)
    assert len({p.text for p in (*validation, *test)}) == 928
    assert {p.language for p in validation} == {"en", "th", "zh"}
    assert all(str(p.answer)[-3:] == re.findall(r"\d+", p.text)[0][-3:] for p in test)


@pytest.mark.skipif("METASEARCH_MGSM" not in os.environ, reason="METASEARCH_MGSM is not set")
def test_the_real_mgsm_has_eleven_languages(beside: Load) -> None:
    problems = beside("mgsm_agents", "problems")
    found = problems.read(Path(os.environ["METASEARCH_MGSM"]))
    assert Counter(p.language for p in found) == dict.fromkeys(
        ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"], 250
    )
    assert (len(problems.problems("validation")), len(problems.problems("test"))) == (128, 800)
