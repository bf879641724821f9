"""An evaluator that is an installed package: its candidates find neither its code nor its data."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from stat import S_ISVTX

import pytest

from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.sandboxes.base import SandboxSpec
from metasearch.sandboxes.rootfs import places_of

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

JUDGE = """
from pathlib import Path
SECRET = "the answer"
async def evaluate(candidate):
    said = await candidate.call("look", str(Path(__file__)))
    candidate.feedback(said)
    return {"score": float("answer" in said)}
"""
LOOK = """
import importlib, pathlib
def look(path):
    path, found = pathlib.Path(path), []
    for file in (path, path.with_name("answers.txt"), *path.parent.glob("**/*")):
        try:
            found.append(file.read_text())
        except OSError as error:
            found.append(type(error).__name__)
    try:
        found.append(importlib.import_module("judge").SECRET)
    except (ImportError, AttributeError) as error:
        found.append(type(error).__name__)
    return " ".join(found)
"""


@pytest.mark.parametrize("kind", ["package", "module"])
async def test_the_code_of_an_installed_evaluator_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    if kind == "package":
        (folder / "judge").mkdir()
        (folder / "judge" / "__init__.py").write_text(textwrap.dedent(JUDGE))
        (folder / "judge" / "answers.txt").write_text("the answer")
    else:
        (folder / "judge.py").write_text(textwrap.dedent(JUDGE))
    for part in (folder, *folder.parents):
        if part.stat().st_mode & S_ISVTX:
            break  # /tmp is open to all, and is not ours to change
        part.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    spec = EvaluationSpec(objectives={"score": "maximize"}, module="judge", provider="bubblewrap")
    async with EvaluationPool(spec, 1) as pool:
        result = await pool.evaluate(EvaluationRequest(number=1, files={"program.py": LOOK}))
    assert result.error == ""
    assert result.stages[0].scores["score"].value == 0.0, result.feedback
    assert "FileNotFoundError" in result.feedback or kind == "module"


PEEK = """
import importlib, pathlib
def look(places):
    found = [str(p) for place in places for p in pathlib.Path(place).glob("**/*")]
    try:
        found.append(importlib.import_module("secrets_of_all").SECRET)
    except (ImportError, AttributeError):
        pass
    return found
"""

ASK = """
import secrets_of_all
async def evaluate(candidate):
    found = await candidate.call("look", [str(p) for p in secrets_of_all.__path__])
    return {"score": float(len(found))}
"""


async def test_hidden_packages_are_empty_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    (folder / "secrets_of_all").mkdir(parents=True)
    (folder / "secrets_of_all" / "__init__.py").write_text("SECRET = 'the answer'\n")
    for part in (folder, *folder.parents):
        if part.stat().st_mode & S_ISVTX:
            break
        part.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    shown = EvaluationSpec(
        objectives={"score": "minimize"},
        file="evaluator.py",
        sources={"evaluator.py": ASK},
        provider="bubblewrap",
    )
    hidden = tuple(places_of("secrets_of_all"))
    for spec, found in ((shown, 2), (replace(shown, sandbox=SandboxSpec(hidden=hidden)), 0)):
        async with EvaluationPool(spec, 1) as pool:
            result = await pool.evaluate(EvaluationRequest(number=1, files={"program.py": PEEK}))
        assert result.error == ""
        assert result.scores["score"].value == found
