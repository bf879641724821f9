"""``co_scientist`` without an evaluator, from the command line: real engine, HTTP and kills."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive
from metasearch.exchange import ExchangeState
from metasearch.facts import Idea, Review, Selection
from metasearch.testing.model_server import ModelServer
from tests.strategies.scientist import Scientist

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "hypotheses"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "metasearch", *map(str, words)]


def metasearch(*words: object, cwd: Path | None = None) -> str:
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def campaign(folder: Path, server: ModelServer, **budget: object) -> Path:
    """The example's goal, answered by the server."""
    text = (EXAMPLE / "campaign.toml").read_text("utf-8").partition("[budget]")[0]
    limits = "\n".join(f"{name} = {value}" for name, value in budget.items())
    models = (
        f'[models]\ndefault = "openai/test"\napi_base = "{server.url}"\nmax_tokens = 400\n'
        'prices = { "openai/test" = { input = 1.0, output = 2.0 } }\n'
    )
    folder.mkdir()
    (folder / "campaign.toml").write_text(
        f"concurrency = 4\n{text}matches_per_idea = 6\n{models}[budget]\n{limits}\n"
    )
    return folder


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")
    monkeypatch.delenv("METASEARCH_ARCHIVE", raising=False)


def test_the_example_runs_to_its_end_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    archive = tmp_path / "archive.db"
    assert [path.name for path in EXAMPLE.iterdir() if path.suffix != ".md"] == ["campaign.toml"]
    told = metasearch("run", EXAMPLE, "--archive", archive)
    assert "placeholders drawn by lot" in told
    assert "there are as many ideas as the budget allows" in told
    status = json.loads(metasearch("status", "hypotheses", "--archive", archive, "--json"))
    assert status["ideas"]["ideas"] == 12
    assert status["ideas"]["best"]["matches"] >= 2
    assert "Placeholder" in metasearch("best", "hypotheses", "--archive", archive)
    words = ("--format", "report", "--to", tmp_path / "report", "--archive", archive)
    metasearch("export", "hypotheses", *words)
    report = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert "The offline model knows nothing." in report
    assert "Grokking" in report


def test_the_known_better_idea_comes_out_on_top_and_more_ideas_may_follow(tmp_path: Path) -> None:
    scientist, archive = Scientist(best=4), tmp_path / "archive.db"
    with ModelServer(scientist) as server:
        folder = campaign(tmp_path / "goal", server, ideas=8)
        lines = metasearch("run", folder, "--archive", archive, "--json").splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert events[-1]["reason"] == "ideas"
        assert events[-1]["ideas"]["ideas"] == 8
        assert events[-1]["ideas"]["best"]["title"] == "The known better one"
        assert sum(e["event"] == "fact" and e["fact"]["kind"] == "idea" for e in events) == 8
        assert events[-1]["usd"] > 0
        more = metasearch("run", folder, "--ideas", 11, "--archive", archive, "--json")
        last = json.loads(more.splitlines()[-1])
        assert last["ideas"]["ideas"] == 11
        assert last["ideas"]["best"]["title"] == "The known better one"
        paid = server.counts.answered
        metasearch("run", folder, "--ideas", 11, "--archive", archive, "--json")
        assert server.counts.answered == paid
    metasearch("export", "hypotheses", "--to", tmp_path / "report", "--archive", archive)
    report = (tmp_path / "report" / "report.md").read_text("utf-8")
    ranking = report.partition("## Ranking")[2].partition("\n## ")[0]
    assert "The known better one" in ranking.split("\n")[4]
    assert "Held against it." in report


def test_a_budget_in_money_ends_it_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    archive = tmp_path / "archive.db"
    with ModelServer(Scientist()) as server:
        folder = campaign(tmp_path / "goal", server, ideas=8, usd=0.03)
        first = json.loads(
            metasearch("run", folder, "--archive", archive, "--json").splitlines()[-1]
        )
        assert first["reason"] == "usd"
        assert first["usd"] <= 0.03
        assert first["ideas"]["matches"] < 16
        words = ("--usd", 5, "--archive", archive, "--json")
        second = json.loads(metasearch("run", folder, *words).splitlines()[-1])
    assert second["reason"] == "ideas"
    assert second["ideas"]["ideas"] == 8


def test_kill_9_loses_nothing_and_buys_nothing_twice(tmp_path: Path) -> None:
    rng, archive, kills = random.Random(1), tmp_path / "archive.db", 0
    with ModelServer(Scientist(), latency=0.1) as server:
        folder = campaign(tmp_path / "goal", server, ideas=10)
        while kills < 4:
            engine = subprocess.Popen(
                command("run", folder, "--archive", archive, "--json"), stdout=subprocess.DEVNULL
            )
            asked = server.counts.received
            while engine.poll() is None and server.counts.received < asked + 8:
                time.sleep(0.005)
            time.sleep(rng.uniform(0.0, 0.3))
            engine.send_signal(signal.SIGKILL)
            assert engine.wait() == -signal.SIGKILL
            kills += 1
        finished = json.loads(
            metasearch("run", folder, "--ideas", 12, "--archive", archive, "--json").splitlines()[
                -1
            ]
        )
    assert finished["reason"] == "ideas"
    with Archive.open(archive, read_only=True) as opened:
        run = opened.campaign("hypotheses")
        calls = [call for step in range(run.next_step()) for call in run.exchanges(step)]
        facts = [recorded.fact for recorded in run.all_facts()]
        assert run.unfinished_steps() == []
    states = Counter(call.state for call in calls)
    places = Counter((c.step, c.call) for c in calls if c.state is ExchangeState.ANSWERED)
    assert max(places.values()) == 1
    assert states[ExchangeState.LOST] <= kills * 4
    assert (
        0 <= server.counts.answered - states[ExchangeState.ANSWERED] <= states[ExchangeState.LOST]
    )
    assert sum(isinstance(fact, Idea) for fact in facts) == 12
    reviewed = Counter(f.idea for f in facts if isinstance(f, Review) and f.method == "initial")
    assert max(reviewed.values()) == 1
    begun = Counter(f.operator for f in facts if isinstance(f, Selection))
    made = sum(count for name, count in begun.items() if name.startswith(("gener", "evol")))
    assert made == 12
