"""Whole campaigns on Docker: a daemon that stops in mid-run, and an engine that is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from metasearch.archive import Archive
from metasearch.sandboxes.owners import OWNER_LABEL
from tests.sandboxes.dockerd import IMAGE, OwnDaemon, needs_docker, needs_own_daemon, running

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, needs_docker, needs_own_daemon]

EXAMPLE = Path(__file__).parents[2] / "examples" / "online_bin_packing"


@pytest.fixture
def daemon() -> Iterator[OwnDaemon]:
    yield from running()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mine = tmp_path / "packing"
    shutil.copytree(EXAMPLE, mine)
    file = mine / "campaign.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("provider")]
    at = lines.index("[sandbox]")
    lines[at + 1 : at + 1] = ['provider = "docker"', f'image = "{IMAGE}"']
    file.write_text("\n".join(lines))
    return mine


Start = Callable[[int], subprocess.Popen[str]]


@pytest.fixture
def start(folder: Path, daemon: OwnDaemon, tmp_path: Path) -> Iterator[Start]:
    """Starts an engine with a budget; none outlives the test."""
    engines: list[subprocess.Popen[str]] = []

    def run(evaluations: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "metasearch", "run", str(folder), "--json"]
        words += ["--archive", str(tmp_path / "archive.db"), "--concurrency", "2"]
        words += ["--evaluations", str(evaluations)]
        environment = {**os.environ, "DOCKER_HOST": daemon.host}
        engine = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        engines.append(engine)
        return engine

    yield run
    for engine in engines:
        engine.kill()
        engine.wait()
        assert engine.stdout is not None
        engine.stdout.close()


def seen(engine: subprocess.Popen[str], wanted: int) -> None:
    """Read events until so many candidates have come."""
    assert engine.stdout is not None
    while wanted:
        line = engine.stdout.readline()
        assert line, "the engine has ended"
        wanted -= json.loads(line)["event"] == "candidate"


@pytest.mark.timeout(300)
def test_a_daemon_that_stops_in_mid_run_is_waited_for(
    start: Start, daemon: OwnDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "archive.db"
    engine = start(20)
    seen(engine, 6)
    daemon.stop()
    with Archive.open(file, read_only=True) as archive:
        while archive.find("online_bin_packing").state != "waiting":
            assert engine.poll() is None
            time.sleep(0.05)
        assert "Docker daemon" in archive.find("online_bin_packing").reason
        daemon.start()
        said, _ = engine.communicate(timeout=120)
        assert engine.returncode == 0, said
        run = archive.campaign("online_bin_packing")
        assert run.evaluations() == 20
        assert run.queued() == []
        # Programs that mutate may fail by themselves; none may fail by the daemon's doing.
        assert not [c.error for c in run.candidates() if "daemon" in c.error]
        numbers = [c.number for c in run.candidates()]
        assert numbers == list(dict.fromkeys(numbers))


@pytest.mark.timeout(300)
def test_the_next_start_removes_what_a_killed_engine_left_and_nothing_else(
    start: Start, daemon: OwnDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "archive.db"
    with docker.APIClient(daemon.host, version="auto") as client:
        other = client.create_container(IMAGE, ["sleep", "100"], network_disabled=True)["Id"]
        client.start(other)
        engine = start(500)
        seen(engine, 6)
        engine.send_signal(signal.SIGKILL)
        engine.communicate()
        done = start(12)
        said, _ = done.communicate(timeout=120)
        assert done.returncode == 0, said
        assert client.containers(all=True, filters={"label": OWNER_LABEL}) == []
        assert client.inspect_container(other)["State"]["Running"]
    with Archive.open(file, read_only=True) as archive:
        assert archive.campaign("online_bin_packing").evaluations() >= 12
