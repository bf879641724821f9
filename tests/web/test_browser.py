"""The first page in a real browser: both themes, a phone, the keyboard, and no script at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from metasearch.archive import Archive
from metasearch.web import Access
from tests.web.kit import Serve, Visit

pytestmark = pytest.mark.slow


def test_the_first_page_opens_without_a_fault(visit: Visit, campaign: str) -> None:
    visit.page.goto("/")
    expect(visit.page.get_by_role("heading", name="Campaigns")).to_be_visible()
    expect(visit.page.get_by_role("link", name=campaign)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_both_themes_are_accessible(visit: Visit, theme: str, path: str) -> None:
    visit.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    visit.page.goto(path)
    assert visit.page.evaluate("document.documentElement.dataset.theme") == theme
    if path == "/nothing":
        visit.forgive(404, "/nothing")
    assert visit.accessibility() == []


def test_the_theme_is_switched_and_kept(visit: Visit) -> None:
    page = visit.page
    page.emulate_media(color_scheme="light")
    page.goto("/")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(ground) != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_phone_shows_the_page_without_scrolling_sideways(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.page.goto("/")
    assert visit.sideways() == 0
    expect(visit.page.get_by_text("20 evaluations")).to_be_visible()


def test_the_keyboard_reaches_everything(visit: Visit, campaign: str) -> None:
    page = visit.page
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.get_by_role("searchbox")).to_have_value("jk?")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name=campaign)).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_filtering_works_and_is_in_the_address(visit: Visit) -> None:
    page = visit.page
    page.goto("/")
    page.get_by_role("searchbox").fill("zebra")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("none matches")).to_be_visible()
    assert "q=zebra" in page.url


def test_without_scripts_the_page_is_readable(
    browser: Browser, address: str, campaign: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("link", name=campaign)).to_be_visible()
    context.close()


def test_logging_in(browser: Browser, tmp_path: Path, serve: Serve) -> None:
    Archive.open(tmp_path / "archive.db", create=True).close()
    access = Access(token="a-token-of-good-length")
    with serve(tmp_path / "archive.db", access) as client:
        context = browser.new_context(base_url=str(client.base_url))
        visit = Visit(context.new_page())
        visit.page.goto("/?q=x")
        visit.page.get_by_label("Token").fill("wrong")
        visit.page.get_by_role("button", name="Log in").click()
        expect(visit.page.get_by_role("alert")).to_contain_text("not the token")
        visit.forgive(403, "/login")
        assert visit.accessibility() == []
        visit.page.get_by_label("Token").fill("a-token-of-good-length")
        visit.page.get_by_role("button", name="Log in").click()
        expect(visit.page.get_by_role("heading", name="Campaigns")).to_be_visible()
        assert visit.page.url.endswith("/?q=x")
        assert visit.faults == []
        context.close()
