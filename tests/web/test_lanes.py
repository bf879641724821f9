"""Lanes and GPUs: what is in flight, where evaluations ran, and what is not shown empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import DeviceUse, EvaluationResult, Outcome, Place
from metasearch.exchange import Message
from metasearch.program import Program
from tests.web.kit import Serve, Visit, add_run, serving, settle_one

HOSTILE = "GPU-<script>alert(1)</script>"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        yield archive


def begin(run: CampaignArchive, number: int, place: Place) -> int:
    """One more candidate, whose evaluation has begun."""
    step = run.open_step()
    program = Program(files={"p.py": f"x = {number}"})
    found = run.queue_candidate(step.number, 0, program, operator="evolve").number
    run.place(found, place)
    return found


def test_a_real_campaign_has_bars_and_no_empty_parts(client: httpx.Client, campaign: str) -> None:
    shown = client.get(f"/c/{campaign}/lanes")
    assert shown.status_code == 200
    told = client.get(f"/api/campaigns/{campaign}/lanes").json()
    assert (told["calls"], told["waiting"], told["running"], told["devices"]) == ([], [], [], [])
    assert told["lanes"] >= 1
    evaluated = {each["candidate"] for each in told["latest"]}
    assert 0 in evaluated
    assert len(evaluated) >= 20
    assert all(each["ended"] >= each["begun"] for each in told["latest"])
    assert all(0 <= each["lane"] < each["lanes"] for each in told["latest"])
    assert shown.text.count('class="bar bar-') >= 20
    assert "no engine runs this campaign now" in shown.text
    assert "GPU" not in shown.text
    assert 'href="/c/' + campaign + '/lanes" aria-current="page"' in shown.text


def test_what_is_in_flight_is_told_with_its_phase(archive: Archive, serve: Serve) -> None:
    run = add_run(archive, "busy")
    with run.hold(), serve(archive.path) as client:
        step = run.open_step().number
        question = [Message(role="user", content="?")]
        run.begin_exchange(step, 0, role="propose", model="a/model", messages=question)
        running = begin(run, 1, Place(1, 3, (HOSTILE,)))
        run.begin_exchange(step + 1, 0, running, role="agent", model="b/model", messages=question)
        opened = run.open_step().number
        run.queue_candidate(opened, 0, Program(files={"p.py": "x = 2"}), operator="cross")
        run.sample_devices([DeviceUse(HOSTILE, "A GPU", 0.25, 3_000_000_000, 16_000_000_000)])

        told = client.get("/api/campaigns/busy/lanes").json()
        assert told["lanes"] == 3
        assert [(c["step"], c["asker"], c["role"]) for c in told["calls"]] == [
            (step, None, "propose"),
            (step + 1, running, "agent"),
        ]
        assert [each["operator"] for each in told["waiting"]] == ["cross"]
        assert [(r["candidate"], r["lane"]) for r in told["running"]] == [(running, 1)]
        assert [each["busy"] for each in told["devices"]] == [0.25]

        page = client.get("/c/busy/lanes").text
        for phase in ("running", "waiting", "proposing", "asking"):
            assert f"<td>{phase}</td>" in page
        assert "1 of 3 lanes busy · 1 waiting for one · 2 model calls out" in page
        assert "computing 25 % now, 25 % on average" in page
        assert "memory 3 GB now, 3 GB at most, of 16 GB" in page
        assert "<script>alert" not in page
        assert "1 of 3 lanes busy" in client.get("/c/busy").text


def test_how_busy_lanes_were_is_the_share_of_their_time(
    archive: Archive, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_790_000_000.0
    monkeypatch.setattr("metasearch.archive.core.time.time", lambda: clock)
    run = add_run(archive, "halves")
    with run.hold():
        for lane, seconds in ((0, 100.0), (1, 50.0)):
            begun = clock
            number = begin(run, lane, Place(lane, 2))
            clock += seconds
            run.settle(number, EvaluationResult(outcome=Outcome.CRASHED, error="e"))
            clock = begun
    with serve(archive.path) as client:
        page = client.get("/c/halves/lanes").text
    assert "Busy in all: 75 %" in page
    assert '<td class="number">100 %</td>' in page
    assert '<td class="number">50 %</td>' in page


def test_a_campaign_without_lanes_on_record_has_no_such_part(
    archive: Archive, serve: Serve
) -> None:
    run = add_run(archive, "old")
    with run.hold():
        settle_one(run, 0)
    with serve(archive.path) as client:
        assert "/c/" + run.id + "/lanes" not in client.get("/c/old").text
        assert client.get("/c/old/lanes").status_code == 200


@pytest.mark.slow
def test_the_page_follows_a_running_campaign(tmp_path: Path, visit: Visit) -> None:
    with (
        Archive.open(tmp_path / "live.db", create=True) as archive,
        serving(archive.path) as client,
    ):
        run = add_run(archive, "live")
        with run.hold():
            first = begin(run, 1, Place(0, 1))
            visit.page.goto(f"{client.base_url}/c/live/lanes")
            row = visit.page.locator("#lanes .rows tbody tr")
            row.filter(has_text=f"#{first}").wait_for()
            assert not visit.accessibility()
            assert visit.sideways() <= 0
            run.settle(first, EvaluationResult(outcome=Outcome.CRASHED, error="e"))
            second = begin(run, 2, Place(0, 1))
            row.filter(has_text=f"#{second}").wait_for()
            assert visit.page.locator("#lanes .bar").count() == 2
            visit.page.goto("about:blank")
