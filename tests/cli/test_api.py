"""``import metasearch; metasearch.run(...)``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import metasearch
from metasearch.campaign import Campaign
from metasearch.candidate import EvaluationResult, Outcome, Split
from metasearch.errors import ArchiveError, CampaignError, UsageError
from metasearch.program import Program


def test_the_package_offers_what_it_says() -> None:
    assert set(dir(metasearch)) == {"__version__", "evaluate", "open_archive", "run"}
    for name in dir(metasearch):
        assert getattr(metasearch, name)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        metasearch.runn  # noqa: B018


def test_open_archive_reads_and_does_not_make_one(stored: Path, tmp_path: Path) -> None:
    with metasearch.open_archive(stored) as archive:
        assert archive.find("numbers").evaluations == 4
    with pytest.raises(ArchiveError, match="There is no archive"):
        metasearch.open_archive(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


class Asked:
    """Stands for ``evaluate_once``: returns the program's text as feedback."""

    def __init__(self) -> None:
        self.split: Split | None = None

    async def __call__(
        self, campaign: Campaign, program: Program, split: Split
    ) -> EvaluationResult:
        self.split = split
        return EvaluationResult(outcome=Outcome.INVALID, feedback=program.source)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    fake = Asked()
    monkeypatch.setattr("metasearch.engine.evaluate_once", fake)
    return fake


def test_evaluate_takes_the_seed_a_file_or_a_program(folder: Path, asked: Asked) -> None:
    other = folder / "other.py"
    other.write_text("other")
    seed = (folder / "program.py").read_text()
    assert metasearch.evaluate(folder).feedback == seed
    assert metasearch.evaluate(folder, other).feedback == "other"
    program = Program(files={"program.py": "own"})
    assert metasearch.evaluate(str(folder), program, split="test").feedback == "own"
    assert asked.split is Split.TEST


async def test_it_works_where_a_loop_runs_already(folder: Path, asked: Asked) -> None:
    assert asyncio.get_running_loop()
    assert metasearch.evaluate(folder).outcome is Outcome.INVALID


def test_errors_are_the_packages_own(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        metasearch.evaluate(folder, tmp_path / "no.py")
    with pytest.raises(CampaignError, match="metasearch init"):
        metasearch.run(tmp_path / "nothing")
    with pytest.raises(CampaignError, match="evaluations"):
        metasearch.run(folder, evaluations=0)


@pytest.mark.slow
@pytest.mark.sandbox
def test_run_returns_the_ending_and_continues(tmp_path: Path) -> None:
    from metasearch.cli.scaffold import init

    init(tmp_path / "mine", "formula")
    archive = tmp_path / "archive.db"
    ending = metasearch.run(tmp_path / "mine", evaluations=5, archive=archive)
    assert ending.reason == "evaluations"
    assert ending.report.evaluations == 5
    assert ending.archive == archive
    longer = metasearch.run(tmp_path / "mine", evaluations=8, archive=archive)
    assert longer.report.campaign == ending.report.campaign
    assert longer.report.evaluations == 8
    other = metasearch.run(tmp_path / "mine", evaluations=3, archive=archive, fresh=True)
    assert other.report.campaign != ending.report.campaign
