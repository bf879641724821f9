"""metasearch itself in a container: bubblewrap needs permissions there, and says which."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandboxes.dockerd import IMAGE, needs_docker

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, needs_docker]

ROOT = Path(__file__).parents[2]
ALLOWED = [
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
]


def inside(*words: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command line in a container that shows this environment and bubblewrap."""
    bwrap = shutil.which("bwrap")
    assert bwrap is not None
    linked = subprocess.run(["ldd", bwrap], capture_output=True, text=True, check=True).stdout
    shown = {
        str(ROOT),
        sys.prefix,
        sys.base_prefix,
        bwrap,
        *re.findall(r"(\S*libcap\S*) \(", linked),
    }
    mounts = [part for path in sorted(shown - {"/usr"}) for part in ("-v", f"{path}:{path}:ro")]
    line = ["docker", "run", "--rm", "--network", "none", *options, *mounts, IMAGE]
    line += [sys.executable, "-m", "metasearch", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def test_an_ordinary_container_is_told_what_is_missing() -> None:
    done = inside("doctor", "--archive", "/tmp/archive.db", options=[])
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "forbids namespaces" in said
    for option in ("--privileged", "seccomp=unconfined", "SYS_ADMIN", "NET_ADMIN"):
        assert option in said


def test_with_these_permissions_a_campaign_runs() -> None:
    example = str(ROOT / "examples" / "circle_packing")
    words = ("run", example, "--archive", "/tmp/archive.db", "--evaluations", "5")
    done = inside(*words, options=ALLOWED)
    assert done.returncode == 0, done.stderr
    assert "5 evaluations" in done.stdout
