"""Campaigns side by side: lines, bands, warnings, and the settings that differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.program import Program
from tests.web.kit import Serve, Visit, add_run

HOSTILE = "<img src=x onerror=alert(1)>"


def score(run: CampaignArchive, *values: float) -> None:
    """One candidate after the other."""
    for number, value in enumerate(values):
        step = run.open_step()
        program = Program(files={"p.py": f"x = {number}"})
        run.queue_candidate(step.number, 0, program, operator="o")
        measured = StageResult(
            stage="evaluate",
            passed=True,
            seconds=0.1,
            scores={"score": Score(value=value, low=value, high=value)},
        )
        result = EvaluationResult(outcome=Outcome.SCORED, stages=(measured,))
        run.settle(number, result)
        run.end_step(step.number)


@pytest.fixture
def client(tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    with Archive.open(tmp_path / "a.db", create=True) as archive:
        for seed, values in enumerate([(1.0, 3.0, 2.0), (2.0, 2.5, 9.0), (0.0, 4.0)]):
            score(add_run(archive, "twin", seed=seed), *values)
        other = add_run(archive, "other", budget={"evaluations": 7}, task=HOSTILE)
        score(other, 1.5)
        score(add_run(archive, "down", objectives={"cost": "minimize"}))
    with serve(tmp_path / "a.db") as client:
        yield client


def ids(client: httpx.Client, name: str) -> list[str]:
    listed = client.get("/api/campaigns", params={"q": name, "rising": True}).json()["campaigns"]
    return [run["id"] for run in listed]


def test_seeds_of_one_search_are_a_band(client: httpx.Client) -> None:
    twins = ids(client, "twin")
    (line,) = client.get("/api/compare", params={"c": ",".join(twins)}).json()["lines"]
    assert line["members"] == twins
    # The third ends after two evaluations: there the band ends.
    assert line["x"] == [1, 2]
    assert line["low"] == [0.0, 2.5]
    assert line["middle"] == [1.0, 3.0]
    assert line["high"] == [2.0, 4.0]


def test_other_settings_are_a_line_of_their_own(client: httpx.Client) -> None:
    told = client.get("/api/compare", params={"c": ["other", ids(client, "twin")[0]]}).json()
    assert [len(line["members"]) for line in told["lines"]] == [1, 1]
    assert told["warnings"] == []
    page = client.get("/compare", params={"c": ["other", ids(client, "twin")[0]]}).text
    assert "budget.evaluations" in page
    assert "sandbox.memory" not in page
    assert HOSTILE not in page
    every = client.get("/compare", params={"c": ["other", "twin"], "all": "true"}).text
    assert "sandbox.memory" in every
    assert "diff?a=" in page


def test_what_does_not_compare_is_said(client: httpx.Client) -> None:
    told = client.get("/api/compare", params={"c": "down,other"}).json()
    assert "first objectives differ" in told["warnings"][0]
    assert "Their scores do not compare" in client.get("/compare?c=down,other").text


@pytest.mark.parametrize(
    ("asked", "status"),
    [("other", 422), ("other,nope", 404), ("", 422), ("a,b,c,d,e,f,g", 422)],
)
def test_two_to_six_that_are_there(client: httpx.Client, asked: str, status: int) -> None:
    assert client.get("/api/compare", params={"c": asked}).status_code == status
    assert client.get("/compare", params={"c": asked}).status_code == status


@pytest.mark.slow
def test_rows_are_marked_and_compared(browser: Browser, client: httpx.Client) -> None:
    context = browser.new_context(base_url=str(client.base_url))
    visit = Visit(context.new_page())
    page = visit.page
    page.goto("/?sort=name&rising=true")
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.get_by_role("button", name="Compare marked").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 2 campaigns")
    expect(page.locator("figure.chart canvas")).to_be_visible()
    assert not visit.accessibility()
    page.set_viewport_size({"width": 390, "height": 800})
    assert visit.sideways() == 0
    context.close()
    assert not visit.faults, visit.faults
