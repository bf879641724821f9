"""The probes themselves: outside of any sandbox they do find what is there to be found.

Without this, an attack that is broken could pass for one that is defended.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.redteam.attack import LOOT
from tests.redteam.catalogue import ATTACKS
from tests.redteam.ground import besieged

READING = (
    "reads the environment of every process for keys",
    "reads the evaluator, its data and the campaign file, by their paths",
    "reads the evaluator through the processes of the host",
    "lists the processes, mounts and users of the host",
    "watches the folders that it shares with the host",
    "connects to a server on the host's loopback address, by IPv4 and IPv6",
    "connects to the host's own addresses and its gateway",
    "talks to the daemons of the host: Docker, containerd, D-Bus, X11, ssh-agent",
    "connects to an abstract socket of the host, which has no file",
)
"""What only reads and connects, and so can be let loose here, as any user."""

OUTSIDE = """
import json, sys
from program import solve
solve([1.0], json.load(open("bait.json")))
"""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", READING)
def test_a_probe_finds_what_is_in_reach(name: str, tmp_path: Path) -> None:
    [attack] = [attack for attack in ATTACKS if attack.name == name]
    with besieged(tmp_path, ""):
        (tmp_path / "archive.db").write_text("here")
        for path, text in attack.files.items():
            (tmp_path / path).write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", OUTSIDE],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
    assert LOOT in done.stdout
