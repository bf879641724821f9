"""Finding and loading the user's evaluator, and what is said when that fails."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metasearch.errors import CampaignError, EvaluatorError
from metasearch.evaluation.loader import load
from metasearch.evaluation.spec import EvaluationSpec, StageSpec


@pytest.fixture(autouse=True)
def _untouched_imports() -> Iterator[None]:
    path, finders, modules = list(sys.path), list(sys.meta_path), dict(sys.modules)
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.modules.update(modules)


def of(source: str, *functions: str, folder: Path | None = None, **settings: Any) -> EvaluationSpec:
    stages = tuple(StageSpec(name) for name in functions or ("evaluate",))
    return EvaluationSpec(
        **{
            "objectives": {"score": "maximize"},
            "file": "evaluator.py",
            "sources": {"evaluator.py": source},
            "folder": str(folder or ""),
            "stages": stages,
            **settings,
        }
    )


def test_an_evaluator_travels_as_text() -> None:
    functions = load(of("def evaluate(candidate): return {'score': candidate}"))
    assert functions["evaluate"](3) == {"score": 3}


def test_it_finds_its_harness_and_its_siblings(tmp_path: Path) -> None:
    (tmp_path / "constants.py").write_text("SIZE = 26")
    (tmp_path / "data.txt").write_text("hello")
    source = """
from pathlib import Path
from constants import SIZE
from harness import scale
DATA = Path(__file__).with_name("data.txt").read_text()
def evaluate(candidate): return (scale(SIZE), DATA)
"""
    sources = {"evaluator.py": source, "harness.py": "def scale(x): return 2 * x"}
    functions = load(of(source, folder=tmp_path, sources=sources, harness=("harness.py",)))
    assert functions["evaluate"](None) == (52, "hello")


def test_siblings_that_travel_as_text_need_no_folder() -> None:
    source = "from helper import SIZE\ndef evaluate(candidate): return SIZE"
    sources = {
        "evaluator.py": source,
        "helper.py": "from other import SIZE",
        "other.py": "SIZE = 5",
    }
    assert load(of(source, sources=sources))["evaluate"](None) == 5


def test_a_sibling_is_imported_only_if_the_evaluator_asks() -> None:
    source = "def evaluate(candidate): return 1"
    load(of(source, sources={"evaluator.py": source, "broken.py": "1 / 0"}))
    assert "broken" not in sys.modules


def test_an_evaluator_in_a_folder_is_loaded() -> None:
    source = "def evaluate(candidate): return __name__"
    functions = load(of("", file="scoring/main.py", sources={"scoring/main.py": source}))
    assert functions["evaluate"](None) == "scoring.main"


def test_every_stage_has_its_function() -> None:
    functions = load(of("def quick(c): return 1\ndef full(c): return 2", "quick", "full"))
    assert [functions["quick"](0), functions["full"](0)] == [1, 2]


def test_a_missing_function_names_the_nearest() -> None:
    with pytest.raises(CampaignError, match=r"no function 'evaluate'; did you mean 'evalaute'\?"):
        load(of("def evalaute(c): pass\ndef other(c): pass"))


def test_a_missing_function_names_what_there_is() -> None:
    with pytest.raises(CampaignError, match="it has judge"):
        load(of("def judge(c): pass"))


def test_a_wrong_signature_is_told_before_the_first_candidate() -> None:
    with pytest.raises(CampaignError, match=r"evaluate\(program, data\) must take one argument"):
        load(of("def evaluate(program, data): pass"))


def test_a_syntax_error_has_its_place(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorError) as caught:
        load(of("x = 1\ndef evaluate(c:\n    pass\n", folder=tmp_path))
    text = str(caught.value)
    assert "SyntaxError" in text
    assert "line 2" in text
    assert "def evaluate(c:" in text
    assert str(tmp_path / "evaluator.py") in text


def test_an_error_while_loading_shows_the_users_lines_only() -> None:
    with pytest.raises(EvaluatorError) as caught:
        load(of("def prepare():\n    return {}['key']\nprepare()\n"))
    text = str(caught.value)
    assert "line 3, in <module>" in text
    assert "return {}['key']" in text
    assert "loader.py" not in text
    assert "importlib" not in text


def test_a_module_that_is_missing_inside_the_evaluator_is_its_error() -> None:
    with pytest.raises(EvaluatorError, match="No module named 'no_such_thing'"):
        load(of("import no_such_thing"))


@pytest.mark.parametrize("leave", ["raise SystemExit(2)", "import sys; sys.exit()"])
def test_an_evaluator_that_exits_is_its_error(leave: str) -> None:
    with pytest.raises(EvaluatorError, match="SystemExit"):
        load(of(leave))


def test_a_dotted_module_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "judging").mkdir()
    (tmp_path / "judging" / "strict.py").write_text("def evaluate(c): return 'strict'")
    functions = load(of("", file=None, sources={}, module="judging.strict", folder=tmp_path))
    assert functions["evaluate"](0) == "strict"


def test_a_missing_module_is_the_campaigns_error() -> None:
    with pytest.raises(CampaignError, match="no module 'no_such_package'"):
        load(of("", file=None, sources={}, module="no_such_package.judge"))


def _plug_in(folder: Path, value: str) -> None:
    (folder / "judge.py").write_text("def evaluate(c): return 'plugged'")
    (folder / "judge-1.dist-info").mkdir()
    (folder / "judge-1.dist-info" / "METADATA").write_text("Name: judge\nVersion: 1\n")
    (folder / "judge-1.dist-info" / "entry_points.txt").write_text(
        f"[metasearch.evaluators]\nfair-judge = {value}\n"
    )


@pytest.mark.parametrize("value", ["judge", "judge:evaluate"])
def test_an_installed_plug_in_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    _plug_in(tmp_path, value)
    monkeypatch.syspath_prepend(tmp_path)
    functions = load(of("", file=None, sources={}, plugin="fair-judge"))
    assert functions["evaluate"](0) == "plugged"


def test_an_unknown_plug_in_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plug_in(tmp_path, "judge")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CampaignError, match="did you mean 'fair-judge'"):
        load(of("", file=None, sources={}, plugin="fairjudge"))


def test_an_evaluator_named_as_another_module_is_still_the_users_file() -> None:
    import colorsys

    source = "def evaluate(c): return 'mine'"
    functions = load(of("", file="colorsys.py", sources={"colorsys.py": source}))
    assert functions["evaluate"](0) == "mine"
    assert hasattr(colorsys, "rgb_to_hsv")


def test_what_the_user_writes_may_be_async() -> None:
    functions = load(of("async def evaluate(c): return 5"))
    assert asyncio.run(functions["evaluate"](0)) == 5
