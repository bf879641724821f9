"""Whole campaigns from the command line: real engine, evaluator, sandbox, model server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


def run(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "metasearch", "run", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def facts(archive: Path) -> list[tuple[object, ...]]:
    with Archive.open(archive, read_only=True) as opened:
        [summary] = opened.campaigns()
        campaign = opened.campaign(summary.id)
        return [
            (c.number, c.step, c.outcome, c.digest, c.scores, c.parents, c.operator, c.thought)
            for c in campaign.candidates()
        ]


@pytest.mark.parametrize("example", ["circle_packing", "online_bin_packing"])
def test_an_example_climbs_from_its_seed_and_its_seed_decides_all(
    tmp_path: Path, example: str
) -> None:
    folder = str(ROOT / "examples" / example)
    settings = ("--evaluations", "25", "--concurrency", "1", "--seed", "7")
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    finished = run(folder, "--archive", str(first), *settings)[-1]
    run(folder, "--archive", str(second), *settings)
    assert finished["event"] == "finished"
    assert finished["evaluations"] == 25
    assert facts(first) == facts(second)
    scores = [row[4] for row in facts(first) if row[2] == "scored"]
    assert len(scores) > 5


@pytest.mark.timeout(400)
def test_killed_engines_lose_nothing_and_buy_nothing_twice() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "--kills", "5", "--evaluations", "40"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kills" in done.stdout


@pytest.mark.timeout(400)
@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_a_provider_that_misbehaves_costs_no_completion_and_no_cent(stream: tuple[str]) -> None:
    """Small and patient, as the machine may be busy; and so without a verdict on the time."""
    words = ("--evaluations", "40", "--share", "0.4", "--slower", "100", "--patience", "4", *stream)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40% of calls go wrong" in done.stdout


def test_many_calls_at_once_do_not_overrun_a_budget() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.overshoot", "--runs", "12", "--seed", "1000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 runs of 64 calls" in done.stdout


def test_our_own_layer_takes_little_processor_time_for_a_call() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.calls", "--count", "200"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
