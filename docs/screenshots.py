"""Take the pictures in docs/screenshots anew: real campaigns, a real server, Chromium.

    python -m docs.screenshots [--archive FILE]

Runs campaigns with the offline model, about five minutes on two cores, and takes pictures of
the main pages while one of them goes on.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.workload import served

EXAMPLES = Path("examples")
PICTURES = Path("docs/screenshots")
QUALITY = 80

CAMPAIGNS = (
    ("online_bin_packing", "--evaluations", "60", "--strategy", "mcts"),
    ("circle_packing", "--evaluations", "150", "--strategy", "best_of_n"),
    ("circle_packing", "--evaluations", "150", "--strategy", "map_elites", "--seed", "1"),
    ("circle_packing", "--evaluations", "150", "--strategy", "map_elites", "--seed", "2"),
    ("hypotheses", "--ideas", "12"),
)
"""Those that have ended."""

LIVE = ("circle_packing", "--evaluations", "1000", "--strategy", "map_elites", "--seed", "3")
ENOUGH = 250
"""Evaluations of the live one before pictures are taken."""


def main() -> int:
    """Run, serve, look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, help="with the campaigns of an earlier time")
    archive = parser.parse_args().archive
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        if archive is None:
            archive = Path(scratch) / "archive.db"
            for name, *options in CAMPAIGNS:
                subprocess.run(_command(archive, name, *options), check=True)
        with (
            _running(_command(archive, *LIVE)),
            served(archive, "--campaigns", str(EXAMPLES)) as server,
            sync_playwright() as playwright,
        ):
            found = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=found)
            _wait(server.url)
            _look(browser, server.url)
            browser.close()
    return 0


def _command(archive: Path, name: str, *options: str) -> list[str]:
    words = [str(EXAMPLES / name), *options, "--archive", str(archive), "--fresh"]
    return [sys.executable, "-m", "metasearch", "run", *words, "--model", "offline/evolve"]


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command) as engine:
        try:
            yield
        finally:
            engine.send_signal(signal.SIGINT)


def _wait(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        while client.get("/api/campaigns/circle_packing").json()["evaluations"] < ENOUGH:
            time.sleep(1)


def _look(browser: Browser, url: str) -> None:
    runs = httpx.get(f"{url}/api/campaigns").json()["campaigns"]
    packing = [run["id"] for run in runs if run["name"] == "circle_packing"]
    live = f"/c/{packing[0]}"
    best = httpx.get(f"{url}/api{live.replace('/c/', '/campaigns/')}").json()["best"]["candidate"]
    chart = "figure.chart[data-count]"
    with _window(browser, url) as page:
        _take(page, "campaigns", "/", "table")
        _take(page, "campaign", live, chart)
        _take(page, "lineage", f"{live}/lineage?view=tree", chart)
        _take(page, "candidate", f"{live}/{best}", "main")
        _take(page, "tournament", "/c/hypotheses/tournament", "table")
        _take(page, "compare", f"/compare?c={','.join(packing[1:])}", "main canvas")
        page.goto("/new")
        page.get_by_role("link", name="circle_packing").first.click()
        _take(page, "new", page.url, "textarea")
    with _window(browser, url, "dark") as page:
        _take(page, "dark", f"{live}/lineage", chart)
    with _window(browser, url, width=390, height=844) as page:
        _take(page, "phone", live, chart)


@contextmanager
def _window(
    browser: Browser, url: str, theme: str = "light", width: int = 1440, height: int = 900
) -> Iterator[Page]:
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    )
    yield context.new_page()
    context.close()


def _take(page: Page, name: str, address: str, seen: str) -> None:
    """One picture, once an element is there."""
    page.goto(address)
    page.locator(seen).first.wait_for()
    page.wait_for_timeout(1500)  # the chart's first drawing, and a live message or two
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    file = PICTURES / f"{name}.webp"
    file.write_bytes(base64.b64decode(shot["data"]))
    sys.stdout.write(f"{file}: {file.stat().st_size / 1e3:.0f} kB\n")


if __name__ == "__main__":
    sys.exit(main())
