"""A real server on a real port, over the archive of a real campaign; and a real browser."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from metasearch.archive import Archive
from tests.web.kit import Serve, Visit, serving

expect.set_options(timeout=20_000)  # other tests may keep the machine busy


@pytest.fixture(scope="session")
def archive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a small campaign, run with the offline model."""
    folder = tmp_path_factory.mktemp("web")
    campaign, archive = folder / "formula", folder / "archive.db"
    command = [sys.executable, "-m", "metasearch"]
    subprocess.run([*command, "init", campaign], check=True, stdout=subprocess.DEVNULL)
    words = ["--evaluations", "20", "--sandbox", "none", "--archive", str(archive)]
    subprocess.run([*command, "run", campaign, *words], check=True, stdout=subprocess.DEVNULL)
    return archive


@pytest.fixture(scope="session")
def campaign(archive_file: Path) -> str:
    """The id of that campaign."""
    with Archive.open(archive_file, read_only=True) as archive:
        return archive.campaigns()[0].id


@pytest.fixture(scope="session")
def serve() -> Serve:
    """``with serve(archive, access) as client``: a server of its own, and a client to it."""
    return serving


@pytest.fixture(scope="session")
def client(archive_file: Path) -> Iterator[httpx.Client]:
    """A client of the server that most tests share: on loopback, without a token."""
    with serving(archive_file) as client:
        yield client


@pytest.fixture(scope="session")
def address(client: httpx.Client) -> str:
    """Where that server is, without a slash at the end."""
    return str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; of a module, because Playwright keeps an event loop running."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """A fresh browser window at the shared server; fails the test on any fault."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    visit = Visit(context.new_page())
    yield visit
    context.close()
    assert not visit.faults, "\n".join(visit.faults)
