"""A campaign's pages in a real browser, while a real engine works on it and after."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from metasearch.archive import Archive
from tests.web.kit import Serve, Visit, add_run, settle_scored

pytestmark = pytest.mark.slow

SLOW = """
import time

_plain = evaluate


def evaluate(candidate):
    time.sleep(0.4)
    return _plain(candidate)
"""


def drawn(page: Page) -> int:
    """Candidates that the chart has drawn."""
    figure = page.locator("figure.chart[data-count]")
    figure.wait_for()
    return int(figure.get_attribute("data-count") or 0)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The archive of a campaign that an engine in another process works on."""
    folder, archive = tmp_path / "formula", tmp_path / "archive.db"
    command = [sys.executable, "-m", "metasearch"]
    subprocess.run([*command, "init", folder], check=True, stdout=subprocess.DEVNULL)
    evaluator = folder / "evaluator.py"
    evaluator.write_text(evaluator.read_text("utf-8") + SLOW, "utf-8")
    words = ["--evaluations", "24", "--sandbox", "none", "--archive", str(archive)]
    engine = subprocess.Popen([*command, "run", folder, *words], stdout=subprocess.DEVNULL)
    while not archive.exists():
        assert engine.poll() is None
    yield archive
    engine.terminate()
    engine.wait(20)


def test_a_running_campaign_is_seen_live(browser: Browser, running: Path, serve: Serve) -> None:
    with serve(running) as client:
        while not client.get("/api/campaigns/formula").is_success:
            pass
        context = browser.new_context(base_url=str(client.base_url))
        visit = Visit(context.new_page())
        page = visit.page
        page.goto("/c/formula")
        page.evaluate("window.same = true")
        before = drawn(page)
        expect(page.locator("[data-live-word]")).to_have_text("live")
        expect(page.locator("#tiles")).to_contain_text("24 of 24", timeout=60_000)
        expect(page.locator("#strip .state")).to_have_text("finished", timeout=30_000)
        visit.wait_until("document.querySelector('figure.chart').dataset.count >= 24")
        assert drawn(page) > before
        assert page.evaluate("window.same")  # never loaded again
        best = client.get("/api/campaigns/formula").json()["best"]["candidate"]
        expect(page.locator("#caption")).to_contain_text(f"#{best};")
        expect(page.locator("#best")).to_contain_text(f"Best: #{best}")
        newest = client.get("/api/campaigns/formula/candidates").json()["candidates"][0]
        expect(page.locator(f"#candidate-{newest['number']}")).to_be_visible()
        assert visit.faults == []
        context.close()


PARTS = (
    *("", "/candidates", "/lineage", "/lineage?view=tree", "/grid", "/islands", "/operators"),
    *("/lanes", "/health", "/events", "/settings"),
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("theme", "parts"), [("light", PARTS), ("dark", ("", "/lineage", "/grid", "/events"))]
)
def test_all_parts_are_accessible(
    visit: Visit, campaign: str, theme: Literal["light", "dark"], parts: tuple[str, ...]
) -> None:
    visit.page.emulate_media(color_scheme=theme)
    for part in parts:
        visit.page.goto(f"/c/{campaign}{part}")
        if part in ("", "/lineage", "/lineage?view=tree"):
            drawn(visit.page)
        assert visit.accessibility() == [], part


def test_a_phone_shows_all_parts_without_scrolling_sideways(visit: Visit, campaign: str) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    for part in PARTS:
        visit.page.goto(f"/c/{campaign}{part}")
        assert visit.sideways() == 0, part


def test_what_the_chart_shows_is_in_the_address(visit: Visit, campaign: str) -> None:
    page = visit.page
    page.goto(f"/c/{campaign}")
    assert drawn(page) >= 20
    page.locator("select[name=x]").select_option("tokens")
    page.wait_for_url("**x=tokens**")
    page.locator("select[name=by]").select_option("operator")
    page.wait_for_url("**by=operator**")
    page.reload()
    expect(page.locator("select[name=x]")).to_have_value("tokens")
    assert drawn(page) >= 20


def click_candidate(page: Page, number: int, grid_x: float) -> None:
    """Move over the chart's width until the readout names the candidate, and click there."""
    box = page.locator("figure.chart .canvas").bounding_box()
    assert box is not None
    y = box["y"]
    for step in range(int(box["height"] / 4)):
        page.mouse.move(box["x"] + grid_x, y + 4 * step)
        page.wait_for_timeout(30)
        if page.locator(".readout").inner_text().startswith(f"#{number} "):
            page.mouse.click(box["x"] + grid_x, y + 4 * step)
            return
    raise AssertionError(f"#{number} was not found at {grid_x}")


@pytest.mark.parametrize("kind", ["Box", "Lasso"])
def test_what_is_selected_in_the_chart_is_listed_and_compared(
    visit: Visit, campaign: str, kind: str
) -> None:
    page = visit.page
    page.goto(f"/c/{campaign}")
    count = drawn(page)
    page.get_by_role("button", name=kind).click()
    box = page.locator("figure.chart .canvas").bounding_box()
    assert box is not None
    # The left half of the picture from top to bottom: grid and strip together.
    left, right = box["x"] + 80, box["x"] + 92 + (box["width"] - 116) / 2
    page.mouse.move(left, box["y"] + 2)
    page.mouse.down()
    corners = [(right, box["y"] + 2)] if kind == "Lasso" else []
    corners.append((right, box["y"] + box["height"] - 2))
    corners += [(left, box["y"] + box["height"] - 2)] if kind == "Lasso" else []
    for corner in corners:
        page.mouse.move(*corner, steps=10)
    page.mouse.up()
    page.locator("#selected [data-row]").first.wait_for()
    numbers = {int(text[1:]) for text in page.locator("#selected [data-open]").all_inner_texts()}
    assert numbers == set(range(count // 2))
    expect(page.locator("#selection h2")).to_have_text(f"{len(numbers)} selected")
    assert visit.accessibility() == []
    for number in (4, 2):
        page.locator("#selected").get_by_label(f"Compare #{number}", exact=True).check()
    page.get_by_role("button", name="Compare marked").click()
    expect(page.locator("main")).to_contain_text("From #2 to #4")
    page.go_back()
    page.get_by_role("button", name=kind).click()
    page.get_by_role("button", name=kind).click()
    expect(page.locator("#selection")).to_be_hidden()


def test_candidates_are_selected_and_compared_by_keyboard(visit: Visit, campaign: str) -> None:
    page = visit.page
    page.goto(f"/c/{campaign}")
    page.keyboard.press("/")
    page.keyboard.type("number:1,3")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=number*")
    for key in "jxjx":
        page.keyboard.press(key)
    page.get_by_role("button", name="Compare marked").press("Enter")
    expect(page.locator("main")).to_contain_text("From #1 to #3")


@pytest.mark.parametrize("view", ["score", "tree"])
def test_a_click_in_the_lineage_opens_the_candidate(visit: Visit, campaign: str, view: str) -> None:
    page = visit.page
    page.goto(f"/c/{campaign}/lineage?view={view}")
    assert drawn(page) >= 20
    page.locator("figure.chart").scroll_into_view_if_needed()
    # The seed stands at the left end of the x axis.
    click_candidate(page, 0, 76 if view == "score" else 20)
    page.wait_for_url(f"**/c/{campaign}*/0")


INK = """
(() => {
  const canvas = document.querySelector("figure.chart canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, place) => place % 4 === 3 && value).length;
})()
"""


@pytest.mark.parametrize("view", ["score", "tree"])
def test_the_lineage_keeps_its_edges_when_it_is_drawn_again(
    visit: Visit, campaign: str, view: str
) -> None:
    page = visit.page
    page.goto(f"/c/{campaign}/lineage?view={view}")
    drawn(page)
    if view == "score":
        without = page.evaluate(INK)
        page.locator("[data-edges]").check()
        while page.evaluate(INK) == without:
            page.wait_for_timeout(50)
    before = page.evaluate(INK)
    again = {"score": "document.querySelector('[data-edges]')", "tree": "document"}[view]
    kind = {"score": "change", "tree": "events"}[view]
    with page.expect_response("**/lineage?*") if view == "tree" else nullcontext():
        news = "{detail: {data: JSON.stringify({events: [], settled: [0]})}}"
        page.evaluate(f"{again}.dispatchEvent(new CustomEvent('{kind}', {news}))")
    page.wait_for_timeout(300)
    assert page.evaluate(INK) == before


def test_the_keyboard_walks_the_candidates(visit: Visit, campaign: str) -> None:
    page = visit.page
    page.goto(f"/c/{campaign}/candidates")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("operator:seed")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=operator*")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="#0", exact=True)).to_be_focused()


def test_without_scripts_everything_is_readable(
    browser: Browser, address: str, campaign: str
) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    for part, text in (
        ("", "Path to it"),
        ("/lineage", "Ancestors of"),
        ("/operators", "Improved parent"),
        ("/islands", "Island 0"),
        ("/grid", "cells have an elite"),
        ("/events", "settled"),
    ):
        page.goto(f"/c/{campaign}{part}")
        while page.get_by_text("read for the first time").count():
            page.get_by_role("link", name="Look again").click()
        expect(page.locator("main")).to_contain_text(text)
    context.close()


@pytest.mark.parametrize("part", ["", "/lineage", "/front?a=score&b=seconds"])
def test_a_picture_of_some_is_drawn_before_all_are_there(
    browser: Browser, tmp_path: Path, serve: Serve, part: str
) -> None:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        both = {"score": "maximize", "seconds": "minimize"}
        run = add_run(archive, "many", objectives=both)
        for number in range(40):
            settle_scored(run, number, score=float(number % 13), seconds=float(number))
        with serve(tmp_path / "archive.db") as client:
            context = browser.new_context(base_url=str(client.base_url))
            visit = Visit(context.new_page())
            asked: list[str] = []
            visit.page.on("request", lambda request: asked.append(request.url))

            def fewer(route: Route) -> None:
                """The real server's answer for a smaller sample: forty are few."""
                route.continue_(url=route.request.url.replace("sample=4000", "sample=10"))

            visit.page.route("**/points?sample=4000*", fewer)
            visit.page.goto("/c/many" + part)
            expect(visit.page.locator("figure.chart")).to_have_attribute("data-count", "40")
            samples = [url for url in asked if "points?sample=" in url]
            assert len(samples) == len(set(samples)), "the page's own early request is used"
            settle_scored(run, 40, score=99.0, seconds=1.0)
            expect(visit.page.locator("figure.chart")).to_have_attribute("data-count", "41")
            assert "Every" not in visit.page.locator("figure.chart figcaption").inner_text()
            context.close()
        assert not visit.faults, "\n".join(visit.faults)
