"""``run --web``: a page beside the engine, of which neither takes the other along."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]

PATIENCE = 60.0
"""Seconds, on a busy machine."""


class Running:
    """A run with its page, as a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address = str(self.read(lambda event: event["event"] == "page")["address"])
        """As it told it."""

    def read(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first of the next events that is wanted."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            if wanted(event):
                return event
        raise AssertionError("the run has ended before")

    @property
    def server(self) -> psutil.Process:
        """The page's process."""
        children = psutil.Process(self.process.pid).children()
        (server,) = [child for child in children if "metasearch.cli.beside" in child.cmdline()]
        return server


@pytest.fixture
def campaign(invoke: Invoke, tmp_path: Path) -> Path:
    """A campaign that is quick."""
    folder = tmp_path / "formula"
    assert invoke("init", folder).exit_code == 0
    return folder


@contextmanager
def run(campaign: Path, *words: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "metasearch", "run", str(campaign), "--json", "--web"]
    archive = ["--archive", str(campaign.parent / "archive.db")]
    with subprocess.Popen(
        [*command, *archive, *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.mark.slow
def test_the_page_is_there_and_ends_with_the_run(campaign: Path) -> None:
    with run(campaign, "--port", "0", "--evaluations", "300") as running:
        assert running.address.startswith("http://127.0.0.1:")
        answer = httpx.get(running.address, timeout=PATIENCE)
        assert answer.status_code == 200
        server = running.server
        running.process.send_signal(signal.SIGINT)
        campaign_id = running.read(lambda event: event["event"] == "finished")["campaign"]
        assert f"<title>{campaign_id}" in answer.text
        assert running.process.wait(PATIENCE) in (0, 130)
        assert not server.is_running()
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.address)


@pytest.mark.slow
def test_the_run_goes_on_when_the_server_dies_and_says_so(campaign: Path) -> None:
    with run(campaign, "--port", "0", "--evaluations", "100000") as running:
        running.server.kill()
        notice = running.read(lambda event: "server has ended" in event.get("text", ""))
        assert "the run goes on" in notice["text"]
        running.read(lambda event: event["event"] == "candidate")


@pytest.mark.slow
def test_the_server_ends_when_the_engine_is_killed(campaign: Path) -> None:
    with run(campaign, "--port", "0", "--evaluations", "100000") as running:
        server = running.server
        running.process.kill()
        server.wait(PATIENCE)


@pytest.mark.slow
def test_another_free_port_serves_where_the_usual_one_is_in_use(campaign: Path) -> None:
    other = campaign.with_name("other.db")
    with run(campaign) as first, run(campaign, "--archive", str(other)) as second:
        assert first.address != second.address
        assert httpx.get(second.address, timeout=PATIENCE).status_code == 200


def test_a_port_that_was_asked_for_and_is_in_use_is_told(invoke: Invoke, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = invoke("run", folder, "--web", "--port", port)
    assert result.exit_code == 2
    assert f"Port {port} of 127.0.0.1 is in use" in result.stderr


@pytest.mark.parametrize("words", [("--port", 0), ("--open",)])
def test_what_is_for_the_page_needs_the_page(
    invoke: Invoke, folder: Path, words: tuple[object, ...]
) -> None:
    result = invoke("run", folder, *words)
    assert result.exit_code == 2
    assert "give --web, too" in result.stderr


def test_a_short_token_is_told_before_anything_is_run(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METASEARCH_TOKEN", "short")
    result = invoke("run", folder, "--web")
    assert result.exit_code == 2
    assert "16 or more" in result.stderr


def test_a_run_without_a_page_does_not_load_what_shows_one(
    invoke: Invoke, campaign: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; from metasearch.cli import running; from metasearch.api import Options; "
        "from pathlib import Path; "
        f"running.run(Path({str(campaign)!r}), Options(evaluations=2), "
        f"Path({str(tmp_path / 'archive.db')!r}), fresh=False, accept_evaluator=False, "
        "as_json=True, web=None); "
        "print({'metasearch.cli.page', 'uvicorn', 'metasearch.web'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
