"""The command as a person gives it: real processes, the real sandbox, the offline model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    made = metasearch("init", tmp_path / "mine")
    assert made.returncode == 0, made.stderr
    return tmp_path / "mine"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def started(mine: Path, archive: Path) -> Iterator[subprocess.Popen[str]]:
    words = [*COMMAND, "run", str(mine), "--archive", str(archive), "--evaluations", "5000"]
    process = subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


COMMAND = [sys.executable, "-m", "metasearch"]


def metasearch(*words: object) -> subprocess.CompletedProcess[str]:
    line = [*COMMAND, *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=100)


def last(process: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(process.stdout.splitlines()[-1])


def candidates_seen(process: subprocess.Popen[str], wanted: int) -> int:
    """Read events until so many candidates have come."""
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += json.loads(line)["event"] == "candidate"
        if seen == wanted:
            break
    return seen


def test_the_scaffold_runs_as_it_is_and_gets_better(mine: Path, archive: Path) -> None:
    seed = metasearch("evaluate", mine, "--json")
    assert seed.returncode == 0, seed.stderr
    assert set(last(seed)) == {"outcome", "scores", "seconds", "memory", "feedback", "error"}
    error = last(seed)["scores"]["error"]

    run = metasearch("run", mine, "--archive", archive, "--evaluations", "60")
    assert run.returncode == 0, run.stderr
    assert "No model given: using offline/evolve" in run.stdout
    assert "On the test split: error" in run.stdout
    best = metasearch("best", "mine", "--archive", archive, "--json")
    assert last(best)["scores"]["error"] < error

    more = metasearch("run", mine, "--archive", archive, "--evaluations", "70", "--json")
    finished = last(more)
    assert finished["event"] == "finished"
    assert finished["evaluations"] == 70
    assert finished["reason"] == "evaluations"
    assert finished["best"]["scores"]["error"] <= last(best)["scores"]["error"]
    status = last(metasearch("status", "mine", "--archive", archive, "--json"))
    shared = set(finished) - {"event"}
    assert {key: status[key] for key in shared} == {key: finished[key] for key in shared} | {
        "seconds": status["seconds"]
    }


def test_interrupted_says_so_and_the_same_command_goes_on(
    mine: Path, archive: Path, started: subprocess.Popen[str]
) -> None:
    assert candidates_seen(started, 5) == 5
    started.send_signal(signal.SIGINT)
    out, _ = started.communicate(timeout=60)
    assert started.returncode == 130
    finished = json.loads(out.splitlines()[-1])
    assert finished["reason"] == "interrupted"
    after = finished["evaluations"] + 20
    again = metasearch("run", mine, "--archive", archive, "--evaluations", after, "--json")
    assert again.returncode == 0, again.stderr
    assert last(again)["campaign"] == finished["campaign"]
    assert last(again)["evaluations"] == after


def test_a_second_engine_is_told_who_holds_the_campaign(
    mine: Path, archive: Path, started: subprocess.Popen[str]
) -> None:
    assert candidates_seen(started, 1) == 1
    second = metasearch("run", mine, "--archive", archive)
    assert second.returncode == 1
    assert str(started.pid) in second.stderr
    assert "Traceback" not in second.stderr
    state = last(metasearch("status", "mine", "--archive", archive, "--json"))["state"]
    assert state == "running"


def test_a_failing_seed_is_told_before_any_model_is_asked(mine: Path, archive: Path) -> None:
    program = mine / "program.py"
    program.write_text(program.read_text().replace("10.0 *", "1 / 0 *"))
    run = metasearch("run", mine, "--archive", archive, "--json")
    assert run.returncode == 2
    assert last(run)["event"] == "error"
    assert "ZeroDivisionError" in last(run)["error"]
    assert metasearch("evaluate", mine).returncode == 1


def test_a_broken_evaluator_shows_its_own_traceback(mine: Path, archive: Path) -> None:
    evaluator = mine / "evaluator.py"
    text = evaluator.read_text()
    evaluator.write_text(text.replace("    worst = max(", "    worst = missing(", 1))
    run = metasearch("run", mine, "--archive", archive)
    assert run.returncode == 1
    assert "evaluator.py" in run.stderr
    assert "NameError" in run.stderr
    assert not re.search(r'File ".*metasearch/(cli|engine)', run.stderr)


def test_a_mended_evaluator_goes_on_with_the_same_campaign(mine: Path, archive: Path) -> None:
    """A bug that only some candidates trip stops the run; mending it must not cost the run."""
    evaluator = mine / "evaluator.py"
    sound = evaluator.read_text()
    trap = "    if candidate.source != SEED:\n        raise KeyError('trap')\n"
    seed = f"SEED = {(mine / 'program.py').read_text()!r}\n"
    head, _, rest = sound.partition("    worst = max(")
    evaluator.write_text(f"{head}{trap}    worst = max({rest}\n{seed}")
    words = ["run", mine, "--archive", archive, "--evaluations", "6", "--json"]
    stopped = metasearch(*words)
    assert stopped.returncode == 1
    assert "KeyError: 'trap'" in last(stopped)["error"]
    campaign = last(metasearch("list", "--archive", archive, "--json"))[0]["campaign"]

    evaluator.write_text(sound)
    refused = metasearch(*words)
    assert refused.returncode == 2
    assert "--accept-evaluator" in last(refused)["error"]
    done = metasearch(*words, "--accept-evaluator")
    assert done.returncode == 0, done.stderr
    assert last(done)["campaign"] == campaign
    assert last(done)["evaluations"] == 6
    assert metasearch(*words).returncode == 0  # the mended one is now the campaign's own


def test_a_reader_that_leaves_is_no_error(stored: Path) -> None:
    quoted = " ".join([*COMMAND, "show", "numbers", "--archive", str(stored)])
    script = f"{quoted} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout == "0\n"
    assert done.stderr == ""


def test_a_terminal_gets_a_dashboard_and_then_the_summary(mine: Path, archive: Path) -> None:
    import pty

    words = [*COMMAND, "run", str(mine), "--archive", str(archive), "--evaluations", "30"]
    main, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"}
    with subprocess.Popen(words, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        written = b""
        while chunk := read(main):
            written += chunk
    assert process.returncode == 0
    text = written.decode()
    assert "\x1b[?25l" in text  # the cursor is hidden while the picture lives
    assert "\x1b[?25h" in text
    assert "30/30" in text
    assert "Best: #" in text.rpartition("\x1b[?25h")[2]


def read(file: int) -> bytes:
    try:
        return os.read(file, 65536)
    except OSError:  # the other end is closed
        return b""


def test_more_gpus_than_there_are_stop_a_run_before_the_first_model_call(
    mine: Path, archive: Path
) -> None:
    file = mine / "campaign.toml"
    file.write_text(file.read_text().replace("[sandbox]\n", "[sandbox]\ngpus = 64\n"))
    run = metasearch("run", mine, "--archive", archive, "--json")
    assert run.returncode == 3
    assert "sandbox.gpus is 64, but there " in run.stderr
    with Archive.open(archive, read_only=True) as stored:
        campaign = stored.campaign("mine")
        assert list(campaign.candidates()) == []
        assert list(campaign.exchanges(1)) == []
