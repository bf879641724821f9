"""Runs of the command that are killed in the middle and continued, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasearch.archive import Archive
from metasearch.candidate import Split
from metasearch.exchange import Exchange, ExchangeState
from metasearch.models.rest import GO_ON
from metasearch.objectives import Objective

_COMMAND = [sys.executable, "-m", "metasearch", "run"]


def run_to_the_end(folder: Path, archive: Path, *words: str) -> dict[str, Any]:
    """Run, or go on; the last event. The command has to succeed."""
    line = [*_COMMAND, str(folder), "--archive", str(archive), "--json", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "finished"
    return last


def run_until_killed(folder: Path, archive: Path, *words: str, candidates: int) -> None:
    """Run, and ``kill -9`` the command as soon as it has told of so many candidates."""
    line = [*_COMMAND, str(folder), "--archive", str(archive), "--json", *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = 0
        for event in process.stdout:
            told += json.loads(event)["event"] == "candidate"
            if told == candidates:
                process.kill()
                break
    assert process.returncode == -9, f"it ended by itself, with {process.returncode}"


@dataclass(frozen=True)
class Left:
    """What a campaign has left in its archive."""

    evaluations: int
    seed: float
    best: float
    objective: Objective
    exchanges: Sequence[Exchange]
    problems: Sequence[str]
    """What is wrong with it; has to be empty."""

    @property
    def no_worse_than_the_seed(self) -> bool:
        """In the first objective."""
        return self.objective.reached(self.best, self.seed)

    @property
    def answered(self) -> int:
        """Model calls that were answered."""
        return sum(e.state is ExchangeState.ANSWERED for e in self.exchanges)


def left_in(archive: Path) -> Left:
    """Read an archive of one campaign that has ended, and look for what must not be."""
    with Archive.open(archive, read_only=True) as opened:
        [summary] = opened.campaigns()
        run = opened.campaign(summary.id)
        objective = run.resolved().objectives[0]
        candidates = list(run.candidates())
        evaluated = [c for c in candidates if c.outcome is not None and c.outcome.evaluated]
        unfinished = {step.number for step in run.unfinished_steps()}
        problems = [
            f"candidate {c.number} is queued, but its step has ended"
            for c in run.queued()
            if c.step not in unfinished
        ]
        for candidate in evaluated:
            splits = Counter(e.split for e in run.evaluations_of(candidate.number))
            if splits[Split.VALIDATION] != 1 or max(splits.values()) > 1:
                problems.append(f"candidate {candidate.number} was measured {dict(splits)}")
        programs = Counter(c.digest for c in evaluated)
        problems += [f"program {d} was measured {n} times" for d, n in programs.items() if n > 1]
        numbers = sorted(c.number for c in (*candidates, *run.queued()))
        if numbers != list(range(len(numbers))):
            problems.append("candidates are missing")
        for candidate in candidates:
            if any(p >= candidate.number for p in candidate.parents):
                problems.append(f"candidate {candidate.number} has a parent younger than itself")
        exchanges = list(run.all_exchanges())
        answered = [e for e in exchanges if e.state is ExchangeState.ANSWERED]
        firsts = [e for e in answered if e.messages[-1].content != GO_ON]
        places = Counter((e.step, e.call, e.asker) for e in firsts)
        problems += [f"reply {place} was bought {n} times" for place, n in places.items() if n > 1]
        if any(e.state is ExchangeState.PENDING for e in exchanges):
            problems.append("a call is still pending")
        seed, (best, *_) = run.candidate(0), run.best()
    with contextlib.closing(sqlite3.connect(archive)) as database:
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            problems.append(f"integrity_check: {verdict}")
        problems += [f"dangling {row}" for row in database.execute("PRAGMA foreign_key_check")]
    return Left(
        evaluations=len(evaluated),
        seed=seed.scores[objective.name],
        best=best.scores[objective.name],
        objective=objective,
        exchanges=exchanges,
        problems=problems,
    )


def copy_of(
    example: Path, folder: Path, strategy: str, options: str = "", models: str = ""
) -> Path:
    """An example's campaign with another strategy; options and models are lines of TOML."""
    folder.mkdir(parents=True)
    for part in example.glob("*.*"):
        (folder / part.name).write_bytes(part.read_bytes())
    with (folder / "campaign.toml").open("a") as file:
        file.write(f'\n[strategy]\nname = "{strategy}"\n[strategy.options]\n{options}\n')
        file.write(f"\n[models]\n{models}\n" if models else "")
    return folder
