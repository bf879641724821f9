"""Several processes on one archive: killed writers, curious readers, simultaneous starts."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.candidate import Candidate, Outcome

pytestmark = pytest.mark.slow

WRITE = """
import sys
from metasearch.archive import Archive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.program import Program

run = Archive.open(sys.argv[1]).campaign("packing")
lost = run.mark_lost()
with run.hold():
    for record in run.unfinished_steps():
        run.end_step(record.number)
    for candidate in run.queued():
        run.settle(candidate.number, EvaluationResult(outcome=Outcome.CRASHED, error="again"))
    while True:
        step = run.open_step().number
        prompt = [Message(role="user", content=f"improve {step} " * 200)]
        run.begin_exchange(step, 0, role="propose", model="m", messages=prompt, reserved_usd=0.5)
        run.answer_exchange(step, 0, reply=f"reply {step}", usage=Usage(usd=0.25))
        print("answered", step, flush=True)
        program = Program(files={"a.py": f"x = {step}"})
        parents = [0] if step else []
        queued = run.queue_candidate(step, 0, program, parents=parents, operator="evolve")
        print("queued", queued.number, flush=True)
        score = Score(value=float(step % 50), low=0.0, high=50.0)
        stage = StageResult(stage="s", scores={"radii": score}, passed=True, seconds=0.0)
        run.settle(queued.number, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,)))
        print("settled", queued.number, flush=True)
        run.end_step(step)
"""

READ = """
import sys
from metasearch.archive import Archive
last, rounds = 0, 0
with Archive.open(sys.argv[1], read_only=True) as archive:
    run = archive.campaign("packing")
    print("reading", flush=True)
    while last < 900:
        summary = run.summary()
        settled = list(run.candidates(after_seq=last))
        for candidate in settled:
            assert candidate.outcome is not None and candidate.seq > last, candidate
            assert candidate.scores == {"radii": float(candidate.step % 50)}, candidate
            assert run.program(candidate).source == f"x = {candidate.step}"
            assert run.exchanges_of(candidate.number)[0].reply == f"reply {candidate.step}"
            last = candidate.seq
        events = run.events(limit=100_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert sum(event.kind == "settled" for event in events) >= summary.evaluations
        assert summary.evaluations == sum(summary.outcomes.values())
        rounds += 1
print(rounds)
"""


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_counters(path: Path) -> None:
    """The counters say what counting says, and SQLite finds no fault."""
    connection = sqlite3.connect(path)

    def one(query: str) -> tuple[object, ...]:
        row: tuple[object, ...] = connection.execute(query).fetchone()
        return row

    assert one("PRAGMA integrity_check") == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert one("SELECT seq, steps, candidates FROM progress") == one(
        "SELECT (SELECT max(seq) FROM event), (SELECT count(*) FROM step),"
        " (SELECT count(*) FROM candidate)"
    )
    for outcome in Outcome:
        count = one(f"SELECT count(*) FROM candidate WHERE outcome = '{outcome}'")
        assert one(f"SELECT {outcome} FROM progress") == count
    assert one("SELECT usd, lost_usd, lost_tokens FROM progress") == one(
        "SELECT total(usd), total(iif(state = 'lost', reserved_usd, 0)),"
        " sum(iif(state = 'lost', reserved_tokens, 0)) FROM exchange"
    )
    assert one("SELECT count(*) FROM event") == one("SELECT max(seq) FROM event")
    connection.close()


def test_killed_at_any_instant_nothing_that_was_said_to_be_stored_is_lost(
    path: Path, run: CampaignArchive
) -> None:
    chance = random.Random(3)
    for _ in range(6):
        writer = python(WRITE, str(path))
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        said = writer.communicate()[0].splitlines()
        for line in said:
            if not line.endswith(tuple("0123456789")):
                continue
            kind, number = line.split()
            if kind == "answered":
                exchange = run.exchange(int(number), 0)
                assert exchange is not None
                assert exchange.reply == f"reply {number}"
            elif kind == "queued":
                assert run.program(run.candidate(int(number)))
            else:
                assert run.candidate(int(number)).scores
        assert len(run.queued()) <= 1
        assert len(run.unfinished_steps()) <= 1
        check_counters(path)
    assert run.evaluations() > 20


def test_a_reader_sees_whole_facts_while_an_engine_writes(
    path: Path, run: CampaignArchive, propose: Callable[..., Candidate]
) -> None:
    reader = python(READ, str(path))
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    writer = python(WRITE, str(path))
    try:
        output = reader.communicate(timeout=60)[0]
    finally:
        writer.kill()
        writer.communicate()
    assert reader.returncode == 0
    assert int(output) > 1
    check_counters(path)


def test_processes_that_start_at_once_share_one_new_archive(
    path: Path, make_campaign: Callable[..., Campaign]
) -> None:
    script = """
import sys
from metasearch.archive import Archive
from metasearch.campaign import Campaign
with Archive.open(sys.argv[1], create=True) as archive:
    run = archive.create(Campaign.model_validate_json(sys.argv[2]))
    for _ in range(50):
        run.end_step(run.open_step().number)
print(run.id)
"""
    processes = [python(script, str(path), make_campaign().model_dump_json()) for _ in range(6)]
    ids = {process.communicate(timeout=60)[0].strip() for process in processes}
    with Archive.open(path) as archive:
        assert {summary.id for summary in archive.campaigns()} == ids
        assert len(ids) == 6
        for name in ids:
            assert archive.campaign(name).open_step().number == 50
