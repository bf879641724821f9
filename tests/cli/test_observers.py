"""Lines, JSON and dashboard, fed with the reports of a made-up run."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from metasearch.campaign import Budget, Campaign
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate, Outcome
from metasearch.cli import observers
from metasearch.cli.dashboard import Dashboard, Picture
from metasearch.cli.observers import JsonLines, PlainLines
from metasearch.cli.progress import Progress
from metasearch.engine import Report
from metasearch.exchange import Usage


@pytest.fixture
def campaign(folder: Path) -> Campaign:
    return load_campaign(folder)


def candidate(number: int, value: float | None, name: str = "") -> Candidate:
    outcome = Outcome.CRASHED if value is None else Outcome.SCORED
    return Candidate(
        number=number,
        step=number,
        outcome=outcome,
        digest=f"{number:064x}",
        scores={} if value is None else {"score": value},
        parents=(0,) if number else (),
        operator="evolve",
        name=name,
        seq=number,
    )


def report(*found: Candidate, **changes: object) -> Report:
    scored = [c for c in found if c.scored]
    best = max(scored, key=lambda c: c.scores["score"], default=None)
    curve: list[tuple[int, float]] = []
    for c in scored:
        if not curve or c.scores["score"] > curve[-1][1]:
            curve.append((c.number, c.scores["score"]))
    plain = Report(
        campaign="numbers-abc123",
        budget=Budget(evaluations=10, usd=2.0, tokens=50_000, minutes=30.0, target=9.0),
        evaluations=len(found),
        outcomes={"scored": len(scored), "crashed": len(found) - len(scored), "rejected": 0},
        best=best,
        usage=Usage(input_tokens=12_000, output_tokens=345, usd=0.125),
        seconds=75.0,
        asking=3,
        evaluating=5,
        lanes=2,
        curve=tuple(curve),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


A, B, C = candidate(0, 1.0), candidate(1, None), candidate(2, 2.5, "\x1b[2J[red]better[/red]")


def test_plain_lines_tell_improvements_only(campaign: Campaign) -> None:
    lines: list[str] = []
    plain = PlainLines(campaign, lines.append)
    plain.started(report(), resumed=False)
    plain.settled(A, report(A))
    plain.settled(B, report(A, B))
    plain.settled(C, report(A, B, C))
    assert lines == [
        "numbers-abc123 starts with its seed: map_elites, offline/evolve",
        "#0: score 1",
        "#2 ␛[2J[red]better[/red]: score 2.5 (+1.5)",
    ]


def test_plain_lines_tell_progress_every_few_seconds(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    lines: list[str] = []
    plain = PlainLines(campaign, lines.append)
    plain.started(report(), resumed=True)
    clock[0] += observers.PROGRESS_SECONDS / 2
    plain.progressed(report(A))
    assert len(lines) == 1
    clock[0] += observers.PROGRESS_SECONDS / 2
    plain.settled(B, report(A, B))
    assert lines[1] == "so far #0: score 1"
    assert lines[2] == (
        "2/10 evaluations; best 1 (#0); scored 1, crashed 1; "
        "3 calls and 5 evaluations in flight; 12.3k tokens, $0.12; 1m15s; about 20s left"
    )


def test_a_line_between_two_candidates_knows_the_best(campaign: Campaign) -> None:
    lines: list[str] = []
    plain = PlainLines(campaign, lines.append)
    plain.started(report(), resumed=True)
    plain.finished(report(A), "evaluations")
    assert "best 1 (#0)" in lines[-1]


def test_an_unknown_price_is_never_a_zero(campaign: Campaign) -> None:
    lines: list[str] = []
    plain = PlainLines(campaign, lines.append)
    plain.started(report(), resumed=False)
    plain.finished(report(A, usage=Usage(usd=None)), "evaluations")
    assert "USD unknown" in lines[-1]


def test_calls_asked_again_after_a_crash_are_told(campaign: Campaign) -> None:
    lines: list[str] = []
    PlainLines(campaign, lines.append).started(report(repeated_calls=3), resumed=True)
    assert "3 model calls were in flight when the last run died" in lines[1]


def test_json_lines_are_one_object_per_event(
    campaign: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    told = JsonLines(campaign)
    told.started(report(), resumed=False)
    told.settled(C, report(A, B, C))
    told.notice("line\none")
    told.finished(report(A, B, C), "evaluations")
    out = capsys.readouterr().out
    assert out.isascii()
    started, settled, notice = map(json.loads, out.splitlines())
    assert started["event"] == "started"
    assert started["campaign"] == "numbers-abc123"
    assert settled["event"] == "candidate"
    assert settled["candidate"] == 2
    assert settled["outcome"] == "scored"
    assert settled["scores"] == {"score": 2.5}
    assert settled["best"] == 2
    assert notice == {"event": "notice", "text": "line\none"}


def drawn(picture: Picture, width: int = 80, height: int = 30) -> str:
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        record=True,
        markup=False,
        force_terminal=True,
    )
    console.print(picture.draw(width, height))
    return console.export_text()


def picture(campaign: Campaign, latest: Report) -> Picture:
    shown = Picture(campaign, title="numbers-abc123", progress=Progress.start(report(A)))
    assert shown.progress is not None
    shown.progress.began -= 10.0
    shown.progress.update(latest)
    return shown


def test_dashboard_shows_where_the_run_stands(campaign: Campaign) -> None:
    text = drawn(picture(campaign, report(A, B, C)))
    for expected in (
        "numbers-abc123",
        "score 2.5  #2  +1.5 over the seed  target 9",
        "scored 2  crashed 1",
        "2 of 2 busy, 3 waiting",
        "3 calls in flight, 12.3k tokens, $0.12",
        "1m15s",
        "3/10",
        "about 35s left",
        "$0.12 of $2.00",
        "12.3k/50k",
        "█",
    ):
        assert expected in text, text


def test_dashboard_without_prices_says_unknown(campaign: Campaign) -> None:
    assert "USD unknown" in drawn(picture(campaign, report(A, usage=Usage(usd=None))))


@pytest.mark.parametrize(("width", "height"), [(40, 8), (80, 24), (200, 60), (20, 5)])
def test_dashboard_fits_the_terminal(campaign: Campaign, width: int, height: int) -> None:
    shown = picture(campaign, report(A, B, C))
    for index in range(9):
        shown.add_notice(f"notice {index} " + "x" * 300)
    lines = drawn(shown, width, height).rstrip("\n").split("\n")
    assert max(map(len, lines)) <= width
    if height >= 24:
        assert len(lines) < height


def test_dashboard_before_the_first_report_says_what_it_waits_for(campaign: Campaign) -> None:
    assert "checking model, evaluator and sandbox" in drawn(Picture(campaign))


def test_dashboard_lives_on_a_terminal_and_leaves_it_clean(campaign: Campaign) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, height=30, markup=False)
    with Dashboard(campaign, console) as dashboard:
        dashboard.started(report(A), resumed=False)
        dashboard.settled(C, report(A, C))
        dashboard.notice("\x1b]0;title\x07 told")
        dashboard.finished(report(A, C), "evaluations")
    written = stream.getvalue()
    assert "␛]0;title␇ told" in written
    assert "\x1b]0;" not in written
    assert "[red]better[/red]" in written
    assert "\x1b[?25h" in written  # the cursor is back
