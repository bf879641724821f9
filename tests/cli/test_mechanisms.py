"""What a campaign has learnt and how it fares, as people and programs see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from metasearch.archive import Archive
from metasearch.cli import health
from metasearch.facts import AnyFact, Insight, Operation, Origin, Setting, Shortcut, Value

Invoke = Callable[..., Result]


@pytest.fixture
def learnt(stored: Path, hostile: str) -> Path:
    """The archive with two insights, of which one was tried, and one better version."""
    steps = (Operation(name="replace", arguments={"path": "p.py", "search": "a", "text": "b"}),)
    facts: tuple[AnyFact, ...] = (
        Insight(text=f"Return more. {hostile}", evidence=(1,)),
        Insight(text="Repeat it.", evidence=(1,), shortcut=Shortcut(name="s", sequence=steps)),
        Insight(text="Old.", evidence=(1,), source="others-1", wins=9, trials=10),
        Insight(text="New.", evidence=(4,), replaces=2),
        Origin(candidate=4, insights=(0,)),
        Setting(temperature=0.5, evaluations=3, budget=10, reflects=True),
        Value(candidate=1, score=10, explanation=""),
        Value(candidate=2, score=-10, explanation=""),
    )
    with Archive.open(stored) as archive:
        run = archive.campaign("numbers")
        step = run.open_step().number
        for position, fact in enumerate(facts):
            run.record(step, position, fact)
    return stored


def test_insights_are_shown_with_their_records(invoke: Invoke, learnt: Path) -> None:
    told = json.loads(invoke("insights", "numbers", "--archive", learnt, "--json").stdout)
    assert [(i["fact"], i["wins"], i["trials"]) for i in told] == [(0, 1, 1), (1, 0, 0), (3, 0, 0)]
    assert told[0]["utility"] == pytest.approx(2 / 3)
    assert [i["shortcut"] for i in told] == [False, True, False]
    shown = invoke("insights", "numbers", "--archive", learnt).stdout
    assert "1 of 1" in shown
    assert "#1" in shown
    assert "\x1b" not in shown
    assert "Old." not in shown
    assert "1 more were replaced" in shown
    status = invoke("status", "numbers", "--archive", learnt).stdout
    assert "3 remembered of 4 learnt, tried 1 times" in " ".join(status.split())
    said = invoke("facts", "numbers", "--kind", "setting", "--archive", learnt).stdout
    assert "temperature 0.5, evaluation 3 of 10, looks back" in said


def test_a_campaign_without_insights_says_so(invoke: Invoke, stored: Path) -> None:
    assert "remembers no insight" in invoke("insights", "numbers", "--archive", stored).stdout
    assert "insights" not in invoke("status", "numbers", "--archive", stored).stdout


def test_status_and_health_show_the_latest_window(
    invoke: Invoke, learnt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status() -> Any:
        return json.loads(invoke("status", "numbers", "--archive", learnt, "--json").stdout)

    assert status()["health"] is None
    assert "health" not in invoke("status", "numbers", "--archive", learnt).stdout
    monkeypatch.setattr(health.latest, "__defaults__", (4,))
    assert status()["health"]["window"]["last"] == 3
    shown = " ".join(invoke("status", "numbers", "--archive", learnt).stdout.split())
    assert "#0-3: 50% scored" in shown
    assert "from one ancestor" in shown
    table = invoke("health", "numbers", "--window", "2", "--archive", learnt).stdout
    assert "edits" in table
    rows = json.loads(
        invoke("health", "numbers", "--window", "2", "--archive", learnt, "--json").stdout
    )
    assert {"window", "panel", "ranking", "thoughts"} == set(rows[0])
    assert 0 <= rows[-1]["thoughts"]["previous"] <= 1
