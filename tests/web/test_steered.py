"""Rings around the candidates whose prompt showed what a person had said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.commands import Favourite, Hint, Idea
from metasearch.program import Program
from tests.web.kit import Serve, Visit, add_run

RING = "with a person's hint or idea"


def propose(run: CampaignArchive, *shown: int, value: float | None = None) -> int:
    """A step whose prompt shows commands, and the candidate that it makes."""
    step = run.open_step().number
    run.show_steering(step, shown)
    program = Program(files={"p.py": f"x = {step}"})
    number = run.queue_candidate(step, 0, program, operator="evolve").number
    result = EvaluationResult(outcome=Outcome.CRASHED, error="e")
    if value is not None:
        score = Score(value=value, low=value, high=value)
        stage = StageResult(stage="main", scores={"score": score}, passed=True, seconds=0.1)
        result = EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))
    run.settle(number, result)
    run.end_step(step)
    return number


@pytest.fixture
def steered(tmp_path: Path) -> Iterator[CampaignArchive]:
    """Seed #0; #1 under a hint, #2 crashed under a hint and an idea, #3 under a favourite only."""
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "led")
        with run.hold():
            propose(run, value=1.0)
            hint = run.command(Hint(text="Try primes."), "me").number
            idea = run.command(Idea(text="Use a table."), "me").number
            favourite = run.command(Favourite(candidate=0), "me").number
            propose(run, hint, value=2.0)
            propose(run, hint, idea)
            propose(run, favourite, value=1.5)
            yield run


def test_the_api_names_candidates_and_commands(steered: CampaignArchive, serve: Serve) -> None:
    with serve(steered._database.path) as client:
        answer = client.get("/api/campaigns/led/steered")
        assert answer.json() == {
            "candidates": [
                {"candidate": 1, "commands": [0]},
                {"candidate": 2, "commands": [0, 1]},
            ],
            "complete": True,
        }
        known = {"If-None-Match": answer.headers["ETag"]}
        assert client.get("/api/campaigns/led/steered", headers=known).status_code == 304
        assert "Try primes." in client.get("/c/led/1").text
    assert steered.born_under_words(1) in ({2: [0]}, {2: [1]})


@pytest.mark.slow
def test_charts_ring_them_and_follow(
    steered: CampaignArchive, browser: Browser, serve: Serve
) -> None:
    with serve(steered._database.path) as client:
        context = browser.new_context(base_url=str(client.base_url))
        visit = Visit(context.new_page())
        page = visit.page
        figure = page.locator("figure.chart[data-steered]")
        chart = "echarts.getInstanceByDom(document.querySelector('figure .canvas')).getOption()"
        for part in ("", "/lineage", "/lineage?view=tree"):
            page.goto(f"/c/led{part}")
            expect(figure).to_have_attribute("data-steered", "2")
            assert RING in page.evaluate(f"{chart}.legend[0].data"), part
            rings = f"{chart}.series.filter((each) => each.name === `{RING}`)"
            assert page.evaluate(f"{rings}.map((each) => each.data).flat().length") == 2, part
        page.goto("/c/led")
        expect(figure).to_have_attribute("data-steered", "2")
        propose(steered, 0, value=3.0)
        expect(figure).to_have_attribute("data-steered", "3")
        context.close()
        assert visit.faults == []


@pytest.mark.slow
def test_without_such_candidates_there_is_no_ring(visit: Visit, campaign: str) -> None:
    visit.page.goto(f"/c/{campaign}/lineage")
    expect(visit.page.locator("figure.chart[data-steered]")).to_have_attribute("data-steered", "0")
    chart = "echarts.getInstanceByDom(document.querySelector('figure .canvas')).getOption()"
    assert RING not in visit.page.evaluate(f"{chart}.legend[0].data")
