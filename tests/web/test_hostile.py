"""Hostile candidates are inert in every page that there is: a browser follows all links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from metasearch.archive import Archive
from metasearch.printable import printable
from tests.web.hostile import DONE, NAME, TEXTS, hostile_archive
from tests.web.kit import Serve, Visit

pytestmark = pytest.mark.slow

_SEVERE = ("(serious)", "(critical)")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[httpx.Client]:
    path = tmp_path_factory.mktemp("hostile") / "archive.db"
    hostile_archive(path)
    with serve(path) as client:
        yield client


@pytest.fixture
def window(browser: Browser, hostile: httpx.Client) -> Iterator[Visit]:
    address = str(hostile.base_url).rstrip("/")
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    visit = Visit(context.new_page())
    visit.page.on("dialog", lambda dialog: visit.faults.append(f"dialog: {dialog.message}"))
    yield visit
    context.close()
    assert not visit.faults, "\n".join(visit.faults)


def _kind(address: str) -> str:
    """What tells pages apart, but for which candidate they show."""
    parts = urlsplit(address)
    names = sorted(part.partition("=")[0] for part in parts.query.split("&"))
    return re.sub(r"\d+", "N", parts.path) + "?" + "&".join(names)


def _inert(visit: Visit, address: str) -> list[str]:
    """Open a page, check it, and return its links."""
    answer = visit.page.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    assert visit.page.evaluate(f"window.{DONE}") is None, address
    assert visit.page.evaluate("document.querySelectorAll('iframe, object, embed').length") == 0
    assert visit.page.evaluate("[...document.scripts].every((each) => each.src)"), address
    links: list[str] = visit.page.evaluate(
        "[...document.querySelectorAll('a[href]:not([download])')]"
        ".map((a) => new URL(a.getAttribute('href'), document.baseURI).href)"  # of SVG, too
    )
    for link in links:
        assert urlsplit(link).scheme in ("http", "https"), link
    return links


def test_every_page_of_the_server_is_inert(window: Visit, hostile: httpx.Client) -> None:
    home = str(hostile.base_url)
    # The longest text, the Markdown and the closing tags; then one page of each kind.
    numbers = [list(TEXTS).index(name) for name in ("long line", "markdown", "closing")]
    waiting = [home, *(urljoin(home, f"/c/{NAME}/{number}") for number in numbers)]
    waiting += [urljoin(home, f"/c/{NAME}/diff?a=1&b=12")]
    seen: set[str] = set()
    while waiting:
        address = urldefrag(waiting.pop(0)).url
        path = urlsplit(address).path
        foreign = urlsplit(address).netloc != urlsplit(home).netloc
        if foreign or _kind(address) in seen or path.startswith(("/api/", "/static/")):
            continue
        seen.add(_kind(address))
        waiting += _inert(window, address)
    assert len(seen) > 25, seen


def test_the_thoughts_of_all_candidates_are_text(hostile: httpx.Client) -> None:
    for number, text in enumerate(TEXTS.values()):
        for place in (number, number + len(TEXTS)):
            page = hostile.get(f"/c/{NAME}/{place}").text
            assert "<script>window" not in page
            assert not re.search(
                r"<(?:iframe|object|embed|form action=//|base|svg/|img src=x)", page
            )
            for invisible in "\x00\x07\x08\x1b\x9b\u200b\u202e\u2066\ufeff\u2028":
                assert invisible not in page
            first = printable(text).split("\n")[0].split("<")[0][:20].strip()
            assert first.split('"')[0].split("'")[0] in page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_a_candidate_are_accessible(window: Visit, theme: str) -> None:
    window.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for tab in ("diff", "source", "scores", "conversation", "lineage", "facts"):
        _inert(window, f"/c/{NAME}/12/{tab}")
        assert [fault for fault in window.accessibility() if any(s in fault for s in _SEVERE)] == []
    _inert(window, f"/c/{NAME}/diff?a=1&b=30")
    assert window.accessibility() == []


def test_no_page_of_a_candidate_is_wider_than_a_phone(window: Visit) -> None:
    window.page.set_viewport_size({"width": 390, "height": 844})
    long, combining = (list(TEXTS).index(name) for name in ("long line", "zalgo"))
    for path in (
        f"{long}/diff",
        f"{combining}/source",
        f"{long}/scores",
        f"{long}/conversation",
        f"{long + len(TEXTS)}/lineage",
        f"{long}/facts",
        f"{long}/artifacts",
        f"diff?a={long}&b={combining}",
    ):
        _inert(window, f"/c/{NAME}/{path}")
        assert window.sideways() == 0, path


def test_keys_lead_around_a_candidate(visit: Visit, campaign: str, archive_file: Path) -> None:
    with Archive.open(archive_file, read_only=True) as archive:
        run = archive.campaign(campaign)
        best = run.best()[0].number
        number = next(each.number for each in run.candidates() if each.parents and each.number > 2)
        parent = run.candidate(number).parents[0]
    page = visit.page
    for key, path in (
        ("[", f"{number - 1}/logs"),
        ("]", f"{number + 1}/logs"),
        ("p", parent),
        ("d", f"{number}/diff"),
        *([("b", best)] if best != number else []),
    ):
        page.goto(f"/c/{campaign}/{number}/logs")
        page.keyboard.press(key)
        page.wait_for_url(f"**/c/{campaign}/{path}")
    page.goto(f"/c/{campaign}/{number}/lineage")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent").startswith("#")


def test_without_scripts_a_candidate_is_readable(
    browser: Browser, address: str, campaign: str
) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=address)
    page = context.new_page()
    page.goto(f"/c/{campaign}/1")
    assert page.get_by_role("heading", level=1).inner_text().startswith("#1")
    page.get_by_role("link", name="Lineage").click()
    assert page.get_by_text("Ancestors, the nearest first").is_visible()
    assert not page.get_by_role("button", name="Copy program").is_visible()
    context.close()
