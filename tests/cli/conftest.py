from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Artifact, EvaluationResult, Outcome, Score, Split, StageResult
from metasearch.cli import app
from metasearch.program import Program

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]text[/red] :smile: \u202egnp.exe\u202c \x9b31m\r back"
"""Terminal escapes, markup, an emoji code, bidirectional marks, a C1 control, a return."""

SEED = "def f():\n    return 1\n"
BEST = f"def f():\n    return 3  # {HOSTILE}\n"

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("METASEARCH_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def invoke() -> Invoke:
    """Runs the command line in this process."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def hostile() -> str:
    """What the best candidate of ``stored`` says and contains."""
    return HOSTILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign's folder."""
    folder = tmp_path / "numbers"
    folder.mkdir()
    (folder / "program.py").write_text(SEED)
    (folder / "evaluator.py").write_text("def evaluate(candidate):\n    return {'score': 1.0}\n")
    (folder / "campaign.toml").write_text(
        'task = "Return a large number."\n[objectives]\nscore = "maximize"\n'
        '[evaluator]\nprivate = ["secret"]\n[budget]\nevaluations = 10\n'
    )
    return folder


@pytest.fixture
def stored(folder: Path, tmp_path: Path) -> Path:
    """An archive: seed #0, better #1, crashed #2, rejected #3, best and hostile #4."""
    path = tmp_path / "archive.db"
    with Archive.open(path, create=True) as archive:
        run = archive.create(load_campaign(folder))
        with run.hold():
            add(run, SEED, scored(1.0), operator="seed", name="seed")
            add(run, "def f():\n    return 2\n", scored(2.0), parents=(0,))
            crashed = EvaluationResult(
                outcome=Outcome.CRASHED, error=f"ZeroDivisionError {HOSTILE}", stdout=HOSTILE
            )
            add(run, "def f():\n    return 1 / 0\n", crashed, parents=(1,))
            step = run.open_step()
            run.queue_candidate(
                step.number, 0, None, rejection="no program", parents=(1,), operator="evolve"
            )
            run.end_step(step.number)
            best = scored(3.0, low=2.5, high=3.5, samples=9, feedback=HOSTILE)
            add(run, BEST, best, parents=(1, 0), name=HOSTILE, thought=HOSTILE)
            test = scored(2.75, split=Split.TEST)
            run.record_test(4, test)
            run.finish("evaluations")
    return path


def scored(
    value: float,
    *,
    low: float | None = None,
    high: float | None = None,
    samples: int = 1,
    feedback: str = "",
    split: Split = Split.VALIDATION,
) -> EvaluationResult:
    score = Score(
        value=value,
        low=value if low is None else low,
        high=value if high is None else high,
        samples=samples,
    )
    secret = Score(value=0.5, low=0.5, high=0.5)
    scores = {"score": score, "secret": secret}
    stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.1)
    artifacts = (Artifact(name="plot.svg", media_type="image/svg+xml", content=b"<svg/>"),)
    return EvaluationResult(
        outcome=Outcome.SCORED,
        split=split,
        stages=(stage,),
        feedback=feedback,
        artifacts=artifacts,
        seconds=0.1,
        memory=41_500_000,
    )


def add(
    run: CampaignArchive,
    source: str,
    result: EvaluationResult,
    *,
    parents: tuple[int, ...] = (),
    operator: str = "evolve",
    name: str = "",
    thought: str = "",
) -> None:
    step = run.open_step()
    candidate = run.queue_candidate(
        step.number,
        0,
        Program(files={"program.py": source}),
        parents=parents,
        operator=operator,
        name=name,
        thought=thought,
    )
    run.settle(candidate.number, result)
    run.end_step(step.number)
