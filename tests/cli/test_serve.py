"""The command ``serve``: where it listens, whom it lets in, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import Result

from metasearch.archive import Archive
from metasearch.cli.listening import listen
from metasearch.errors import UsageError
from tests.web.kit import add_run

Invoke = Callable[..., Result]


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, ending: signal.Signals) -> None:
    words = [sys.executable, "-m", "metasearch", "serve", "--port", "0"]
    archive = tmp_path / "new" / "archive.db"
    with subprocess.Popen([*words, "--archive", str(archive)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        told = server.stdout.readline().decode()
        address = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert address is not None
        assert httpx.get(address[0]).status_code == 200
        with httpx.Client() as kept, kept.stream("GET", address[0]):
            started = time.monotonic()
            server.send_signal(ending)
            assert server.wait(10) == 0
            assert time.monotonic() - started < 5
    assert archive.exists()


@pytest.mark.slow
def test_it_does_not_wait_for_live_pages(tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    with Archive.open(file, create=True) as archive:
        run = add_run(archive, "live").id
    words = [sys.executable, "-m", "metasearch", "serve", "--port", "0", "--archive", str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
        assert address is not None
        stream = f"{address[0]}api/campaigns/{run}/stream?after=0"
        with httpx.Client() as client, client.stream("GET", stream) as live:
            lines = live.iter_lines()
            assert next(lines).startswith("event:")
            server.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == "", "the stream ends with a whole message"
        assert server.wait(10) == 0
        assert server.stderr.read() == ""


def test_another_address_needs_a_token() -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UsageError, match="METASEARCH_TOKEN="):
            listen(host, 0, None)
    with listen("0.0.0.0", 0, "a-token-of-good-length") as listener:
        assert listener.getsockname()[1] > 0
    with listen("localhost", 0, None) as listener:
        assert listener.getsockname()[1] > 0


def test_a_short_token_is_refused() -> None:
    with pytest.raises(UsageError, match="16 or more"):
        listen("127.0.0.1", 0, "short")


def test_a_port_in_use_is_told(invoke: Invoke, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = invoke("serve", "--port", port, "--archive", tmp_path / "archive.db")
    assert result.exit_code == 2
    assert f"Port {port} of 127.0.0.1 is in use" in result.stderr
    assert "--port" in result.stderr


def test_what_is_no_archive_is_told_at_once(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough")
    result = invoke("serve", "--port", 0, "--archive", path)
    assert result.exit_code == 1
    assert "is not a metasearch archive" in result.stderr
    assert path.read_text() == "not a database, but long enough"


def test_small_answers_do_not_wait_for_more() -> None:
    with listen("127.0.0.1", 0, None) as listener:
        assert listener.proto == socket.IPPROTO_TCP
