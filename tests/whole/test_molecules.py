"""A campaign whose programs are no Python, from the command line: killed, continued, read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive
from metasearch.objectives import dominates, gains
from tests.whole.interrupting import left_in, run_to_the_end, run_until_killed

pytest.importorskip("selfies", reason="needs the extra molecules: selfies is missing")
pytest.importorskip("rdkit", reason="needs the extra molecules: rdkit is missing")

EXAMPLE = Path(__file__).parents[2] / "examples" / "molecules"
SEED = (EXAMPLE / "molecule.selfies").read_text("utf-8")

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a campaign that was killed and then ran to its end."""
    file = tmp_path_factory.mktemp("molecules") / "archive.db"
    run_until_killed(EXAMPLE, file, "--model", "offline/evolve", candidates=20)
    finished = run_to_the_end(EXAMPLE, file, "--model", "offline/evolve")
    assert finished["reason"] == "evaluations"
    return file


def said(*words: str | Path) -> str:
    line = [sys.executable, "-m", "metasearch", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_in_the_middle_it_goes_on_and_loses_nothing(archive: Path) -> None:
    left = left_in(archive)
    assert left.problems == []
    assert left.evaluations == 300


def test_the_front_dominates_the_seed_and_nothing_was_invalid(archive: Path) -> None:
    with Archive.open(archive, read_only=True) as opened:
        [summary] = opened.campaigns()
        run = opened.campaign(summary.id)
        objectives = run.resolved().objectives
        seed = gains(objectives, run.candidate(0).scores)
        scored = [c for c in run.candidates() if c.scored]
        better = [c for c in scored if dominates(gains(objectives, c.scores), seed)]
        drawn = [a.name for a in run.artifacts(better[-1].number)]
    assert len(scored) == 300
    assert better
    assert drawn == ["molecule.svg"]


def test_the_commands_that_read_show_the_line(archive: Path, tmp_path: Path) -> None:
    best: dict[str, Any] = json.loads(said("best", "molecules", "--json", "--archive", archive))
    line = best["files"]["molecule.selfies"]
    assert line != SEED
    assert line.strip() in said("best", "molecules", "--archive", archive).replace("\n", "")
    number = best["candidate"]
    changed = said("diff", "molecules#0", f"molecules#{number}", "--archive", archive)
    assert f"-{SEED.strip()}" in changed
    said("export", "molecules", "--to", tmp_path / "out", "--archive", archive)
    assert line in {path.read_text("utf-8") for path in (tmp_path / "out").rglob("*.selfies")}
    said("health", "molecules", "--archive", archive)


def test_another_line_is_evaluated_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "other.selfies").write_text("[C][C][O]\n")
    told = said("evaluate", EXAMPLE, "--program", tmp_path / "other.selfies", "--json")
    assert json.loads(told)["scores"]["weight"] == pytest.approx(46.07, abs=0.01)
