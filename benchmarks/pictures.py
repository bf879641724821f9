"""Seconds until a browser shows the first picture of a large campaign, and what it keeps.

    python -m benchmarks.large_archive FILE
    python -m benchmarks.pictures FILE

The picture counts as shown when the frame after its drawing begins. The first page of a fresh
server is measured once, the others as the best of several windows. Beside each stand the
processor times of server and browser until then: on a quiet machine of two cores the picture
comes no later than the two together.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.web import processor_seconds, serving
from benchmarks.workload import verdict

PICTURE = 1.5
HEAP = 40.0
TURNS = 3
PAGES = ("/c/large", "/c/large/lineage", "/c/large/lineage?view=tree", "/c/large/front")

_WATCH = """
document.addEventListener("DOMContentLoaded", () => {
  const figure = document.querySelector("figure.chart[data-campaign]");
  new MutationObserver(() => {
    window.counts = [...(window.counts ?? []), Number(figure.dataset.count)];
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.shown ??= performance.now();
    }));
  }).observe(figure, { attributeFilter: ["data-count"] });
});
"""


class Picture(NamedTuple):
    """One window."""

    shown: float
    """Seconds after the navigation began."""
    server: float
    """Seconds of processor until then."""
    browser: float
    """Likewise, over all processes of the browser."""
    heap: float
    """MB of JavaScript objects at most, while the pointer moves over all that is drawn."""
    kept: float
    """MB that are left after a collection."""


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    archive = parser.parse_args().archive
    kept = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        with serving(archive) as server:
            first = _picture(browser, server.process, server.address, PAGES[0])
            kept.append(_told("first after the start", PAGES[0], first))
            for path in PAGES:
                found = [
                    _picture(browser, server.process, server.address, path) for _ in range(TURNS)
                ]
                kept.append(_told(f"best of {TURNS}", path, min(found)))
                most = max(picture.heap for picture in found)
                left = max(picture.kept for picture in found)
                kept.append(verdict(f"MB of heap, {left:.1f} after collection: {path}", most, HEAP))
        browser.close()
    return 0 if all(kept) else 1


def _told(which: str, path: str, picture: Picture) -> bool:
    used = f"server {picture.server:.2f} s, browser {picture.browser:.2f} s of processor"
    load = os.getloadavg()[0]
    return verdict(f"s, {which}, {used}, load {load:.1f}: {path}", picture.shown, PICTURE)


def _picture(browser: Browser, server: psutil.Process, address: str, path: str) -> Picture:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(_WATCH)
    whole = browser.new_browser_cdp_session()
    own = context.new_cdp_session(page)
    own.send("Performance.enable")
    before = processor_seconds(server), _browser_seconds(whole)
    page.goto(f"{address.rstrip('/')}{path}", wait_until="commit")
    while not (shown := page.evaluate("() => window.shown ?? 0")):
        time.sleep(0.02)
    after = processor_seconds(server), _browser_seconds(whole)
    _wait_for_all(page)
    heap = _most_while_moving(page, own)
    own.send("HeapProfiler.collectGarbage")
    kept = _heap(own)
    context.close()
    used = [end - start for start, end in zip(before, after, strict=True)]
    return Picture(shown / 1e3, used[0], used[1], heap, kept)


def _wait_for_all(page: Page) -> None:
    """Until a second has gone by without a further request: the stream never ends."""
    count, before = 0, -1
    while count != before:
        page.wait_for_timeout(1000)
        before, count = count, page.evaluate("() => performance.getEntries().length")


def _most_while_moving(page: Page, session: CDPSession) -> float:
    canvas = page.locator("figure.chart .canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    most = 0.0
    for turn in range(30):
        x, y = box["x"] + 100 + 17 * turn, box["y"] + 60 + 37 * turn % 200
        page.mouse.move(x, y)
        page.wait_for_timeout(120)
        most = max(most, _heap(session))
    return most


def _browser_seconds(browser: CDPSession) -> float:
    found = browser.send("SystemInfo.getProcessInfo")["processInfo"]
    return float(sum(process["cpuTime"] for process in found))


def _heap(page: CDPSession) -> float:
    metrics = page.send("Performance.getMetrics")["metrics"]
    return float({each["name"]: each["value"] for each in metrics}["JSHeapUsedSize"]) / 1e6


if __name__ == "__main__":
    sys.exit(main())
