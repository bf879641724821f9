"""What a page keeps after an hour of live events.

    python -m benchmarks.live_page [--events 28800]

An hour at eight candidates a second, written as fast as the archive takes them. The heap and the
elements are those after a collection: after the first tenth, when the page has met everything
once, and at the end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import CDPSession, sync_playwright

from benchmarks.large_archive import campaign, fill
from benchmarks.web import serving
from benchmarks.workload import verdict
from metasearch.archive import Archive

BYTES = 300
"""That the page may keep of a candidate: its columns, and what is drawn of it."""


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=28_800)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "archive.db"
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        with Archive.open(file, create=True) as archive:
            run = archive.create(campaign())
            fill(run, range(events // 10), events)
            with serving(file) as server, run.hold():
                page = browser.new_page()
                page.goto(f"{server.address}c/large")
                session = page.context.new_cdp_session(page)
                kept = []
                for numbers in (range(events // 10, events // 5), range(events // 5, events)):
                    fill(run, numbers, events)
                    figure = page.locator(f"figure.chart[data-count='{numbers[-1] + 1}']")
                    figure.wait_for(timeout=120_000)
                    page.wait_for_timeout(3000)  # the last news are still being shown
                    kept.append(_kept(session))
                page.close()
        browser.close()
    (heap, nodes), (last_heap, last_nodes) = kept
    grown = (last_heap - heap) / (events * 0.8)
    told = f"bytes of heap for each candidate, from {heap / 1e6:.2f} to {last_heap / 1e6:.2f} MB"
    more = f"elements more than the {nodes:.0f} at first"
    checks = [verdict(told, grown, BYTES), verdict(more, last_nodes - nodes, 200)]
    return 0 if all(checks) else 1


def _kept(session: CDPSession) -> tuple[float, float]:
    """Bytes of objects and of typed arrays, and elements, after a collection."""
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")
    counters = session.send("Memory.getDOMCounters")
    return heap["usedSize"] + heap["backingStorageSize"], counters["nodes"]


if __name__ == "__main__":
    sys.exit(main())
