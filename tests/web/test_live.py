"""The stream in a real browser: news arrives as events of the page, and a cut one comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from metasearch.archive import Archive, CampaignArchive
from metasearch.web import create_app
from metasearch.web.rendering import from_text
from tests.web.kit import Serve, Visit, add_run, settle_one

pytestmark = pytest.mark.slow

PAGE = """
{% extends "base.html" %}
{% from "parts.html" import live %}
{% block live %}{{ live("live", 1, "paused") }}{% endblock %}
{% block main %}
<div hx-get="/try" hx-select="#count" hx-target="#count" hx-swap="outerMorph"
     hx-trigger="status from:document throttle:200ms">
<p id="count">{{ count }} candidates</p>
</div>
{% endblock %}
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[CampaignArchive]:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        yield add_run(archive, "live")


@pytest.fixture
def visit(browser: Browser, run: CampaignArchive, tmp_path: Path, serve: Serve) -> Iterator[Visit]:
    app = create_app(tmp_path / "archive.db")

    def show(request: Request) -> Response:
        with app.state.readers.reader() as archive:
            count = sum(archive.campaign("live").counts().values())
        return HTMLResponse(from_text(PAGE, request=request, count=count))

    app.router.add_route("/try", show)
    with serve(tmp_path / "archive.db", app=app) as client:
        context = browser.new_context(base_url=str(client.base_url))
        visit = Visit(context.new_page())
        visit.page.add_init_script(
            "window.seen = []; document.addEventListener('events', (event) => "
            "window.seen.push(...JSON.parse(event.detail.data).events.map((e) => e.seq)));"
        )
        yield visit
        context.close()
    assert not visit.faults, "\n".join(visit.faults)


def test_news_arrive_without_a_reload(visit: Visit, run: CampaignArchive) -> None:
    page = visit.page
    page.goto("/try")
    expect(page.locator("#count")).to_have_text("0 candidates")
    expect(page.locator("[data-live-word]")).to_have_text("paused")
    settle_one(run, 0)
    expect(page.locator("#count")).to_have_text("1 candidates")
    with run.hold():
        settle_one(run, 1)
        expect(page.locator("[data-live-word]")).to_have_text("live")
        expect(page.locator("#count")).to_have_text("2 candidates")
    expect(page.locator("[data-live-word]")).to_have_text("paused")
    expected = [event.seq for event in run.events(1, 1000)]
    visit.wait_until(f"window.seen.length >= {len(expected)}")
    assert page.evaluate("window.seen") == expected


def test_a_hidden_tab_lets_go_and_comes_back_complete(visit: Visit, run: CampaignArchive) -> None:
    page = visit.page
    page.goto("/try")
    settle_one(run, 0)
    before = [event.seq for event in run.events(1, 1000)]
    visit.wait_until(f"window.seen.length >= {len(before)}")
    hide = (
        "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, "
        "configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.evaluate(hide, True)
    for number in range(1, 5):
        settle_one(run, number)
    page.wait_for_timeout(1500)
    # the page's text tells less: a refresh asked for by the last news may still be under way
    assert page.evaluate("window.seen") == before
    page.evaluate(hide, False)
    expect(page.locator("#count")).to_have_text("5 candidates")
    expected = [event.seq for event in run.events(1, 1000)]
    visit.wait_until(f"window.seen.length >= {len(expected)}")
    assert page.evaluate("window.seen") == expected
