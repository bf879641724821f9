"""No isolation: said at every start, never taken by itself, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from metasearch.errors import CandidateFailure, PrerequisiteError
from metasearch.evaluation import EvaluationPool, EvaluationSpec
from metasearch.sandboxes import UNSAFE, best_first, cgroups, providers
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.none import NoIsolation

pytestmark = pytest.mark.slow

SPEC = SandboxSpec(Limits(seconds=2, memory=128 * 1024**2))


def folders(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"metasearch-none-*-{pid}-*"))


def test_it_is_never_taken_by_itself() -> None:
    assert UNSAFE not in providers()
    assert UNSAFE not in best_first(SandboxSpec())


async def test_everybody_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    spec = EvaluationSpec(
        objectives={"score": "maximize"},
        file="evaluator.py",
        sources={"evaluator.py": "def evaluate(candidate): return {'score': 1.0}"},
        provider=UNSAFE,
        sandbox=SPEC,
    )
    async with EvaluationPool(spec, lanes=1) as pool:
        await pool.check()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "UNSAFE" in warning.getMessage()


async def test_what_a_candidate_starts_ends_with_it() -> None:
    if not cgroups.trees():
        pytest.skip("control groups cannot be made here, and nothing else finds such processes")
    provider = NoIsolation()
    source = b"""
import os, time
def main():
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.execvp("sleep", ["sleep", "86396"])
    time.sleep(60)
"""
    async with provider.open(SPEC) as sandbox:
        await sandbox.write({"program.py": source})
        with pytest.raises(CandidateFailure, match="timed_out"):
            await sandbox.call("program:main")
    await provider.close()
    running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "86396"] not in running
    assert folders(os.getpid()) == []


def test_a_killed_owner_is_cleaned_up_after() -> None:
    with subprocess.Popen([sys.executable, "-c", _ENDLESS], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    assert folders(child.pid)
    for _ in range(50):
        asyncio.run(reaped())
        if not folders(child.pid):
            return
        time.sleep(0.1)
    raise AssertionError(f"left behind: {folders(child.pid)}")


async def reaped() -> None:
    provider = NoIsolation()
    await provider.reap()
    await provider.close()


_ENDLESS = """
import asyncio
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.none import NoIsolation
async def main():
    async with NoIsolation().open(SandboxSpec(Limits(seconds=60))) as sandbox:
        await sandbox.run(["true"])
        print("ready", flush=True)
        await sandbox.run(["sleep", "60"])
asyncio.run(main())
"""


async def test_an_image_means_nothing_to_it() -> None:
    provider = NoIsolation()
    with pytest.raises(PrerequisiteError, match="docker"):
        async with provider.open(SandboxSpec(image="python")):
            pass
    await provider.close()
