"""Whether a page that stays open for an hour of live events grows in memory, or the server does.

    python -m benchmarks.long_page [--parts overview lineage lineage?view=tree events]

An hour of a busy campaign is 28,800 candidates: 8 a second, which is more than a language model
gives with 16 calls in flight, and news twice a second, so 7,200 times. It is played ten times as
fast through a real archive, server and page: the server looks for news ten times as often, and all
timers of the page run ten times as fast.

Memory is what is left after the browser has collected its garbage: all that a heap snapshot
counts, elements and listeners. At first a page fills bounded caches and compiles its scripts, and
it must keep the columns of its chart. So the end of the hour is compared with its middle; elements
and listeners are compared with the same page opened anew at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.large_archive import campaign, fill
from benchmarks.workload import served, verdict
from metasearch.archive import Archive, CampaignArchive

FASTER = 10
CANDIDATES = 28_800
WARM = 100
"""That are there when the page is opened."""
CHUNK = 40
PARTS = ("overview", "lineage", "lineage?view=tree", "events")

HEAP, NODES, SERVER_MB = 1.1, 1.1, 40.0

TOOLS = "blink::NetworkResourcesData"
"""A record of each request, which the browser keeps because Playwright listens to the network."""

HURRY = f"""
const plain = window.setTimeout;
window.setTimeout = (run, delay, ...given) => plain(run, (delay ?? 0) / {FASTER}, ...given);
window.heard = 0;
document.addEventListener("status", () => (window.heard += 1));
"""
HURRIED = f"""
import sys
from metasearch.web import feed
feed.INTERVAL /= {FASTER}
from metasearch.cli import main
sys.exit(main())
"""


class Memory(NamedTuple):
    """Of a page, after its garbage was collected."""

    megabytes: float
    """Script objects, code, what the browser keeps for them, and buffers."""
    nodes: int
    listeners: int


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=PARTS)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        kept = [_part(browser, part, arguments.candidates) for part in arguments.parts]
        browser.close()
    return 0 if all(kept) else 1


def _part(browser: Browser, part: str, candidates: int) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "archive.db"
        with (
            Archive.open(file, create=True) as archive,
            served(file, program=("-c", HURRIED)) as server,
        ):
            run = archive.create(campaign())
            address = f"{server.url}/c/{run.id}" + ("" if part == "overview" else f"/{part}")
            with run.hold():
                half, old, grown, heard = _hour(browser, address, run, candidates, server.process)
                page = _opened(browser, address)
                fresh = _memory(page)
                page.context.close()
    load = os.getloadavg()[0]
    print(f"{part}: {heard} pieces of news; {half}, {old}; opened anew {fresh}; load {load:.1f}")
    return all(
        [
            verdict(f"{part}: heap against half an hour", old.megabytes / half.megabytes, HEAP),
            verdict(f"{part}: elements against a fresh page", old.nodes / fresh.nodes, NODES),
            verdict(f"{part}: listeners likewise", old.listeners / fresh.listeners, NODES),
            verdict(f"{part}: MB that the server grew", grown, SERVER_MB),
        ]
    )


def _hour(
    browser: Browser,
    address: str,
    run: CampaignArchive,
    candidates: int,
    server: psutil.Process,
) -> tuple[Memory, Memory, float, int]:
    """An hour before a page: its memory after half and at last, MB the server grew, and news."""
    fill(run, range(WARM), candidates)
    page = _opened(browser, address)
    started, rss = time.monotonic(), server.memory_info().rss
    pace = CANDIDATES / 3600 * FASTER
    told, half = 0, None
    for number in range(WARM, candidates, CHUNK):
        fill(run, range(number, number + CHUNK), candidates)
        page.wait_for_timeout(max(1.0, 1e3 * (started + number / pace - time.monotonic())))
        if number * 6 // candidates > told:
            told = number * 6 // candidates
            memory = _memory(page)
            half = memory if told == 3 else half
            print(
                f"  {number} candidates, {time.monotonic() - started:.0f} s, "
                f"{page.evaluate('heard')} news: {memory}, "
                f"server {server.memory_info().rss / 1e6:.0f} MB",
                flush=True,
            )
    page.wait_for_timeout(3000)
    memory, heard = _memory(page), int(page.evaluate("heard"))
    page.context.close()
    assert half is not None
    return half, memory, (server.memory_info().rss - rss) / 1e6, heard


def _opened(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.add_init_script(HURRY)
    page.goto(address)
    page.locator("[data-live-word]").wait_for()
    page.wait_for_timeout(2000)
    return page


def _memory(page: Page) -> Memory:
    session = page.context.new_cdp_session(page)
    chunks: list[str] = []
    session.on("HeapProfiler.addHeapSnapshotChunk", lambda event: chunks.append(event["chunk"]))
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    counts = session.send("Memory.getDOMCounters")
    session.detach()
    return Memory(
        round(_bytes("".join(chunks)) / 1e6, 2), counts["nodes"], counts["jsEventListeners"]
    )


def _bytes(snapshot: str) -> int:
    """All that a heap snapshot counts, but for what the tool that drives the browser asks for."""
    found = json.loads(snapshot)
    fields, nodes = found["snapshot"]["meta"]["node_fields"], found["nodes"]
    names = nodes[fields.index("name") :: len(fields)]
    sizes = nodes[fields.index("self_size") :: len(fields)]
    tools = {n for n, text in enumerate(found["strings"]) if text.startswith(TOOLS)}
    return sum(size for name, size in zip(names, sizes, strict=True) if name not in tools)


if __name__ == "__main__":
    sys.exit(main())
