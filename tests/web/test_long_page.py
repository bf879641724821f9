"""A page that stays open: what comes in live takes the place of what was there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from metasearch.archive import Archive, CampaignArchive
from metasearch.web import feed
from tests.web.kit import Serve, Visit, add_run, settle_one

pytestmark = pytest.mark.slow

HURRY = """
const plain = window.setTimeout;
window.setTimeout = (run, delay, ...given) => plain(run, (delay ?? 0) / 10, ...given);
window.parts = 0;
document.addEventListener("htmx:after:swap", () => (window.parts += 1));
"""
EVERYTHING = """
(() => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
  let found = 0;
  while (walker.nextNode()) found += 1;
  return found;
})()
"""
ROWS = 30
"""More than the page shows of the newest candidates."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[CampaignArchive]:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "live")
        for number in range(ROWS):
            settle_one(run, number)
        yield run


def listeners(page: Page) -> int:
    """Of the page, after its garbage was collected."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Memory.getDOMCounters")["jsEventListeners"])


@pytest.mark.parametrize("part", ["", "/lineage", "/lineage?view=tree", "/events", "/candidates"])
def test_refreshed_parts_leave_nothing_behind(
    browser: Browser,
    run: CampaignArchive,
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    monkeypatch.setattr(feed, "INTERVAL", 0.02)
    with serve(tmp_path / "archive.db") as client, run.hold():
        context = browser.new_context(base_url=str(client.base_url))
        visit = Visit(context.new_page())
        page = visit.page
        page.add_init_script(HURRY)
        page.goto(f"/c/live{part}")
        found = []
        for number in range(ROWS, ROWS + 60):
            before = page.evaluate("parts")
            settle_one(run, number)
            while page.evaluate("parts") == before:
                page.wait_for_timeout(20)
            if number in (ROWS + 19, ROWS + 59):
                page.wait_for_timeout(1000)
                found.append((page.evaluate(EVERYTHING), listeners(page)))
        context.close()
    assert not visit.faults, "\n".join(visit.faults)
    (nodes, heard), (nodes_later, heard_later) = found
    # Wording changes by a few nodes; what stays behind at each refresh would be 40 and more.
    assert abs(nodes_later - nodes) < 20
    assert abs(heard_later - heard) < 10
