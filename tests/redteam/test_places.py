"""Where sandboxes have to hold: for ordinary users, and on kernels that forbid a part of them.

Nothing is made up here: a user namespace of the test's own has the settings that a whole
machine may have.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDINARY = 12345
"""A user that owns nothing here."""
NAMESPACE = ("unshare", "--user", "--map-root-user")

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

COLD = """
import asyncio
from metasearch.sandboxes import open_provider
from metasearch.sandboxes.base import SandboxSpec

PROGRAM = b'''
def main():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [status["Seccomp"].strip(), int(status["CapEff"], 16), status["NSpid"].split()]
'''

async def main():
    provider = open_provider("bubblewrap")
    async with provider.open(SandboxSpec()) as sandbox:
        await sandbox.write({"program.py": PROGRAM})
        print(await sandbox.call("program:main"))
    await provider.close()

asyncio.run(main())
"""


def works(words: list[str]) -> bool:
    return subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def namespaces() -> None:
    if shutil.which("bwrap") is None or not works(list(NAMESPACE)):
        pytest.skip("needs bubblewrap, and user namespaces of its own")


@pytest.mark.usefixtures("namespaces")
def test_a_kernel_without_namespaces_in_namespaces_gets_cold_starts() -> None:
    # The kernel nests 33 of them. In the last but one there is one for bubblewrap, and none
    # for what a warm parent forks.
    deepest = next(n for n in range(33, 0, -1) if works([*NAMESPACE * n]))
    done = subprocess.run(
        [*NAMESPACE * (deepest - 1), sys.executable, "-c", COLD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "start cold here, slower but no less isolated" in done.stderr
    assert done.stdout.startswith("['2', 0, ["), done.stderr


@pytest.mark.usefixtures("namespaces")
def test_a_kernel_that_forbids_user_namespaces_is_named_with_the_remedy(tmp_path: Path) -> None:
    doctor = f"{sys.executable} -m metasearch doctor --json --archive {tmp_path}/archive.db"
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", f"{forbid} && exec {doctor}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {f["subject"]: f for f in json.loads(done.stdout)["findings"]}
    assert found["sandbox bubblewrap"]["verdict"] == "missing"
    assert "user.max_user_namespaces is 0" in found["sandbox bubblewrap"]["detail"]
    assert "sudo sysctl -w user.max_user_namespaces" in found["sandbox bubblewrap"]["detail"]


def interpreter() -> dict[str, str] | None:
    """How an ordinary user can run this interpreter's version with its packages, if at all."""
    version = "{}.{}".format(*sys.version_info)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    path = f"{packages}:{ROOT}"
    for candidate in (sys.executable, f"/usr/bin/python{version}"):
        words = [*as_ordinary(), candidate, "-c", "import numpy, pytest, pydantic"]
        run = subprocess.run(
            words, env={"PYTHONPATH": path}, cwd="/", capture_output=True, check=False
        )
        if run.returncode == 0:
            return {"python": candidate, "path": path}
    return None


def as_ordinary() -> list[str]:
    """Words before a command that make the user who runs it an ordinary one."""
    return [
        *("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"),
        *("--inh-caps=-all", "--no-new-privs"),
        # The first program may still be one that only root could start.
        "env",
    ]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of an ordinary user; not below pytest's own, which it keeps to itself."""
    with tempfile.TemporaryDirectory(prefix="ordinary-") as name:
        if os.geteuid() == 0:
            os.chown(name, ORDINARY, ORDINARY)
        yield Path(name)


@pytest.mark.timeout(240)
def test_the_attacks_fail_for_an_ordinary_user_too(home: Path) -> None:
    """Other namespaces, no control groups, and candidates of the same user as the engine."""
    if os.geteuid() != 0:
        pytest.skip("this run is by an ordinary user as it is")
    found = interpreter()
    if found is None:
        pytest.skip(f"no ordinary user can read the environment in {sys.prefix}")
    done = subprocess.run(
        [
            *(*as_ordinary(), found["python"], "-m", "pytest", "-xq", "-p", "no:cacheprovider"),
            *("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")),
            *("--basetemp", str(home / "tmp"), str(ROOT / "tests/redteam/test_attacks.py")),
            *(
                "-k",
                "(snooping or network or exhaustion or files or kernel) and not (cold or docker:)",
            ),
        ],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": found["path"],
            "HOME": str(home),
            "USER": "ordinary",
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert "skipped" not in done.stdout, done.stdout[-2000:]
