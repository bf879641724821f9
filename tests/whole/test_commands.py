"""Commands by a second process to a running one: real engine, sandbox and model server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignSummary
from metasearch.exchange import Message
from metasearch.testing.model_server import ModelServer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(300)]

HEADING = "## From the person who runs this search"


def grow(messages: Sequence[Message]) -> str:
    """A model whose every answer is another program."""
    grow_count.append(len(messages))
    return f"Longer.\n```python\ndef answer():\n    return {len(grow_count)}\n```\n"


grow_count: list[int] = []


class Desk:
    """A campaign, an engine that runs it, and a terminal beside it."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self.folder = folder / "numbers"
        self.archive = folder / "archive.db"
        self.folder.mkdir()
        (self.folder / "program.py").write_text("def answer():\n    return 0\n")
        (self.folder / "evaluator.py").write_text(
            "def evaluate(candidate):\n    return {'score': float(candidate.call('answer'))}\n"
        )
        (self.folder / "campaign.toml").write_text(
            'task = "Answer a large number."\nconcurrency = 2\n[objectives]\nscore = "maximize"\n'
            '[strategy]\nname = "best_of_n"\n'
            f'[models]\ndefault = "openai/test"\napi_base = "{server.url}"\n'
        )
        self.engines: list[subprocess.Popen[str]] = []

    def start(self, evaluations: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "metasearch", "run", str(self.folder), "--json"]
        words += ["--evaluations", str(evaluations)]
        engine = subprocess.Popen(
            [*words, "--archive", str(self.archive)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        )
        self.engines.append(engine)
        return engine

    def say(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "metasearch", *words, "--archive", str(self.archive), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def refused(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "metasearch", *words, "--archive", str(self.archive)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stdout
        return done.stderr

    def summary(self) -> CampaignSummary:
        with Archive.open(self.archive, read_only=True) as archive:
            return archive.find("numbers")

    def wait(self, reached: Callable[[CampaignSummary], bool]) -> CampaignSummary:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.archive.exists() and self.archive.stat().st_size:
                with Archive.open(self.archive, read_only=True) as archive:
                    found = archive.campaigns()
                if found and reached(found[0]):
                    return found[0]
            time.sleep(0.05)
        raise AssertionError(f"not reached within a minute: {self.summary()}")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(grow, latency=0.4) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, server: ModelServer) -> Iterator[Desk]:
    desk = Desk(tmp_path, server)
    yield desk
    for engine in desk.engines:
        engine.kill()
        engine.communicate()


def prompts_with(server: ModelServer, text: str) -> list[bool]:
    return [any(text in m.content for m in prompt) for prompt in list(server.prompts)]


def test_a_second_process_pauses_steers_extends_and_stops(desk: Desk, server: ModelServer) -> None:
    engine = desk.start(400)
    desk.wait(lambda s: s.evaluations >= 3)
    paused = desk.say("pause", "numbers")
    assert (paused["taken"], paused["engine"] != "") == (True, True)
    assert paused["answered"] - paused["at"] < 1
    time.sleep(1)
    seen, asked = desk.wait(lambda s: s.state == "paused"), len(server.prompts)
    assert "paused by" in seen.reason
    hint = desk.say("steer", "numbers", "Think of primes.")
    assert hint["answered"] - hint["at"] < 1
    extended = desk.say("extend", "numbers", "--evaluations", "5000")
    assert extended["answered"] - extended["at"] < 1
    time.sleep(1)
    now = desk.summary()
    assert (now.evaluations, now.seconds) == (seen.evaluations, seen.seconds)
    assert len(server.prompts) == asked
    assert desk.say("continue", "numbers")["taken"]
    desk.wait(lambda s: s.evaluations >= seen.evaluations + 6)
    shown = prompts_with(server, HEADING)
    assert not any(shown[:asked])
    assert sum(shown[asked:]) > 3
    status = desk.say("status", "numbers")
    assert status["budget"]["evaluations"] == 5000
    assert [h["command"]["text"] for h in status["hints"]] == ["Think of primes."]
    assert [c["command"]["kind"] for c in status["commands"]][:2] == ["continue", "extend"]
    desk.say("stop", "numbers")
    engine.communicate(timeout=30)
    assert engine.returncode == 130
    assert desk.summary().state == "paused"
    assert "nothing to pause" in desk.refused("pause", "numbers")
    assert "no limit of usd" in desk.refused("extend", "numbers", "--usd", "3")
    assert "Did you mean 'numbers'" in desk.refused("steer", "nmbers", "x")
    stored = desk.say("steer", "numbers", "Later.")
    assert (stored["answered"], stored["engine"]) == (None, "")


def test_killed_in_a_pause_it_goes_on_when_it_is_run_again(desk: Desk, server: ModelServer) -> None:
    engine = desk.start(400)
    desk.wait(lambda s: s.evaluations >= 3)
    assert desk.say("pause", "numbers")["taken"]
    desk.wait(lambda s: s.state == "paused")
    engine.send_signal(signal.SIGKILL)
    engine.communicate()
    assert desk.summary().state == "interrupted"
    before = desk.summary().evaluations
    desk.say("extend", "numbers", "--evaluations", "600")
    again = desk.start(400)
    desk.wait(lambda s: s.evaluations > before + 2)
    assert desk.say("status", "numbers")["budget"]["evaluations"] == 600
    assert desk.say("stop", "numbers")["taken"]
    out, err = again.communicate(timeout=60)
    assert again.returncode == 130
    assert "starting it continues it" in out + err
    assert "evaluations 600" in out + err


def test_a_campaign_branches_from_a_candidate(desk: Desk, tmp_path: Path) -> None:
    engine = desk.start(8)
    engine.communicate(timeout=120)
    with Archive.open(desk.archive, read_only=True) as archive:
        run = archive.campaign("numbers")
        best = run.best()[0]
        origin, source = f"{run.id}#{best.number}", run.program(best).source
    (desk.folder / "notes.txt").write_text("data")
    made = desk.say("branch", f"numbers#{best.number}", str(tmp_path / "primes"))
    assert made["branched_from"] == origin
    assert (tmp_path / "primes" / "program.py").read_text() == source
    assert (tmp_path / "primes" / "notes.txt").read_text() == "data"
    desk.folder = tmp_path / "primes"
    desk.start(3).communicate(timeout=120)
    with Archive.open(desk.archive, read_only=True) as archive:
        branched = archive.campaign("primes")
        seed = branched.candidate(0)
        assert branched.program(seed).source == source
        assert origin in seed.thought
        assert seed.scores == best.scores
    assert "is there already" in desk.refused("branch", "numbers#1", str(tmp_path / "primes"))
