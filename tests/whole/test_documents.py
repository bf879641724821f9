"""What the documents show works as it stands there."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

import metasearch
from metasearch.campaign import NoveltySection
from metasearch.candidate import Outcome

ROOT = Path(__file__).parents[2]


def evaluator_in(document: str) -> str:
    """The first evaluator that a document shows."""
    blocks = re.findall(r"^( *)```python\n(.*?)^\1```", (ROOT / document).read_text(), re.M | re.S)
    return next(textwrap.dedent(text) for _, text in blocks if "def evaluate(" in text)


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("document", "program", "score"),
    [
        ("README.md", "def solve(n):\n    return 7 * n\n", 70.0),
        ("README.md", "def solve(n):\n    return 'many'\n", None),
        ("docs/evaluators.md", "def sort(numbers):\n    return sorted(numbers)\n", 1.0),
        ("docs/evaluators.md", "def sort(numbers):\n    return numbers\n", 0.0),
        ("docs/evaluators.md", "def sort(numbers):\n    return 100\n", None),
    ],
)
def test_the_evaluators_shown_measure_programs(
    tmp_path: Path, document: str, program: str, score: float | None
) -> None:
    (tmp_path / "evaluator.py").write_text(evaluator_in(document))
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "campaign.toml").write_text('task = "t"\nobjectives = { score = "maximize" }\n')
    result = metasearch.evaluate(tmp_path)
    if score is None:
        assert result.outcome is Outcome.INVALID
    else:
        assert result.scores["score"].value == score


def test_the_settings_shown_for_novelty_are_settings() -> None:
    text = (ROOT / "docs" / "novelty.md").read_text("utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)
    shown = tomllib.loads(block)["novelty"]
    assert set(shown) == set(NoveltySection.model_fields)
    assert NoveltySection.model_validate(shown).threshold == 0.95
    assert NoveltySection(normalise=shown["normalise"]) == NoveltySection()


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
