from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from metasearch.evaluation import CandidateFailure, Outcome

ROOT = Path(__file__).parents[2] / "examples"
PUBLIC = ROOT.parent / "sandboxes" / "runner" / "public"

Load = Callable[[str, str], ModuleType]
GRID = [[1, 2], [3, 4]]


@pytest.fixture
def evaluator(beside: Load, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("METASEARCH_ARC", raising=False)
    return beside("arc_agents", "evaluator")


@pytest.fixture
def puzzle(beside: Load) -> Iterator[Any]:
    """A puzzle whose rule is to mirror."""
    sys.path.insert(0, str(PUBLIC))
    try:
        module = beside("arc_agents", "puzzle")
        examples = [
            {"input": [[1, 0], [0, 2]], "output": [[0, 1], [2, 0]]},
            {"input": [[5, 5]], "output": [[5, 5]]},
        ]
        yield module.Puzzle(examples, [[3, 4, 0]])
    finally:
        sys.path.remove(str(PUBLIC))
        for name in ("metasearch_agents", "metasearch_runner"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("given", [GRID, "[[1, 2], [3, 4]]", " [[1,2],\n[3,4]] "])
def test_the_same_grid_is_right(evaluator: ModuleType, given: object) -> None:
    assert evaluator.is_grid(given, GRID)
    assert not evaluator.is_grid(given, [[1, 2], [3, 5]])
    assert not evaluator.is_grid(given, [[1, 2]])


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "no grid",
        [[1.0, 2], [3, 4]],
        "[[1.0, 2], [3, 4]]",
        [1, 2, 3, 4],
        [[1, 2], [3]],
        "[[1, 2], [3, 4]] or so",
        "[[1, 1+1], [3, 4]]",
        "[" * 15000,
        "[" * 30000,
        {"grid": GRID},
        [[True, 2], [3, 4]],
        "np.array([[1, 2], [3, 4]])",
    ],
)
def test_anything_else_is_wrong(evaluator: ModuleType, given: object) -> None:
    assert not evaluator.is_grid(given, GRID)


@pytest.mark.parametrize("split", ["validation", "test"])
async def test_scores_are_by_puzzle_and_outputs_stay_outside(
    evaluator: ModuleType, candidate: Any, split: str
) -> None:
    asked = evaluator.questions(split)
    right = [place % 2 == 0 for place in range(len(asked))]
    solved = [
        {"answer": question.answer if good else question.test_input, "error": ""}
        for question, good in zip(asked, right, strict=True)
    ]
    one = candidate(split, solve=lambda *args: solved)
    assert (await evaluator.evaluate(one))["accuracy"] == list(map(float, right))
    ((_, sent, _),) = one.calls
    for puzzle, question in zip(sent, asked, strict=True):
        assert puzzle == {"examples": question.examples, "test_input": question.test_input}
        assert json.dumps(question.answer) not in json.dumps(puzzle)


@pytest.mark.parametrize("returned", [None, [], [[GRID]] * 8, [{"answer": GRID}] * 8])
async def test_what_is_no_list_of_answers_is_invalid(
    evaluator: ModuleType, candidate: Any, returned: object
) -> None:
    with pytest.raises(CandidateFailure) as caught:
        await evaluator.evaluate(candidate(solve=lambda *args: returned))
    assert caught.value.outcome is Outcome.INVALID


def test_generated_puzzles_are_fixed_and_follow_their_rules(evaluator: ModuleType) -> None:
    validation, test = evaluator.questions("validation"), evaluator.questions("test")
    assert (len(validation), len(test)) == (8, 16)
    assert evaluator.questions.__wrapped__("test") == test
    assert not [q for q in validation if q in test]
    # In the order of their names: double, fall, flip, frame, mirror, recolour, transpose, turn.
    for question in (validation[2], test[2], test[10]):
        assert question.answer == question.test_input[::-1]
        assert all(pair["output"] == pair["input"][::-1] for pair in question.examples)


def test_arc_itself_is_read(beside: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pair = {"input": [[1]], "output": [[2]]}
    tasks = [{"train": [pair], "test": [{"input": [[3]], "output": [[4]]}, pair]}]
    (tmp_path / "test.json").write_text(json.dumps(tasks))
    monkeypatch.setenv("METASEARCH_ARC", str(tmp_path))
    puzzles = beside("arc_agents", "puzzles")
    assert puzzles.questions("test") == (puzzles.Question([pair], [[3]], [[4]]),)
    with pytest.raises(FileNotFoundError, match=r"METASEARCH_ARC.*validation\.json"):
        puzzles.questions("validation")


@pytest.mark.skipif("METASEARCH_ARC" not in os.environ, reason="METASEARCH_ARC is not set")
def test_the_real_arc_sample(beside: Load) -> None:
    puzzles = beside("arc_agents", "puzzles")
    assert (len(puzzles.questions("validation")), len(puzzles.questions("test"))) == (20, 60)


# -- code, inside ------------------------------------------------------------------------------

MIRROR = "def transform(grid):\n    return [row[::-1] for row in grid]\n"


def test_right_code_is_found_right(puzzle: Any) -> None:
    trial = puzzle.run_examples(MIRROR)
    assert (trial.right, trial.wrong) == ([0, 1], [])
    assert puzzle.test_output(MIRROR).content == [[0, 4, 3]]


def test_wrong_code_is_told_what_came_out(puzzle: Any) -> None:
    trial = puzzle.run_examples("def transform(grid):\n    return grid\n")
    assert (trial.right, trial.wrong) == ([1], [0])
    assert "Example 0: wrong; it gave\n[[1, 0],\n [0, 2]]" in trial.feedback.content


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def transform(grid): return 1 / 0", "ZeroDivisionError"),
        ("def transform(grid: oops", "SyntaxError"),
        ("", "KeyError: 'transform'"),
        ("def transform(grid): return None", "TypeError"),
        ("import os\ndef transform(grid): os._exit(0)", "ended its process"),
        ("def transform(grid): raise SystemExit(1)", "SystemExit"),
        ("import os\ndef transform(grid): os.abort()", "ended its process"),
    ],
)
def test_code_that_fails_says_how(puzzle: Any, code: str, reason: str) -> None:
    trial = puzzle.run_examples(code)
    assert trial.wrong == [0, 1]
    assert reason in trial.feedback.content
    answer = puzzle.test_output(code)
    assert answer.content == ""
    assert reason in str(answer.failure)


def test_code_may_print(puzzle: Any) -> None:
    code = 'print("[]")\n' + MIRROR.replace("    return", "    print(grid)\n    return")
    assert puzzle.run_examples(code).right == [0, 1]


@pytest.mark.slow
def test_code_that_does_not_end_is_ended(puzzle: Any) -> None:
    answer = puzzle.test_output("while True: pass")
    assert "longer than 5 s" in str(answer.failure)
