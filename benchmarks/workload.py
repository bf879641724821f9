"""A small campaign and a model server for the benchmarks, and what a run of it cost."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from metasearch.exchange import Message
from metasearch.testing.model_server import ModelServer

PROGRAM = '''"""A number to be tuned."""
import time


def answer():
    time.sleep(0.01)
    return {value}
'''

EVALUATOR = '''"""Scores how close the program's number is to 1."""


async def evaluate(candidate):
    value = await candidate.call("answer")
    return {"score": -abs(value - 1.0)}
'''

BUSY = """    end = time.perf_counter() + 0.01
    while time.perf_counter() < end:
        pass
"""

CAMPAIGN = """name = "workload"
task = "Return a number close to 1."
concurrency = {concurrency}

[objectives]
score = "maximize"

[models]
default = "openai/benchmark"
api_base = "{url}"
{models}

[budget]
evaluations = {evaluations}
"""


def program(value: float, busy: bool = False) -> str:
    """The program that answers ``value`` after about 10 ms, asleep or at work."""
    text = PROGRAM.format(value=value)
    return text.replace("    time.sleep(0.01)\n", BUSY) if busy else text


def unique_replies(busy: bool = False) -> Callable[[Sequence[Message]], str]:
    """Answers of which no two hold the same program."""
    numbers = itertools.count(1)
    salt = time.time_ns() % 1_000_000_007

    def answer(messages: Sequence[Message]) -> str:
        value = 1.0 + (next(numbers) + salt / 1e9) / 1e4
        return f"I change the number.\n\n```python\n{program(value, busy)}```\n"

    return answer


def write_campaign(
    folder: Path,
    server: ModelServer,
    *,
    concurrency: int,
    evaluations: int,
    busy: bool = False,
    models: str = "",
) -> Path:
    """A campaign folder that asks the server; ``models`` are more lines for that section."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "program.py").write_text(program(2.0, busy))
    (folder / "evaluator.py").write_text(EVALUATOR)
    (folder / "campaign.toml").write_text(
        CAMPAIGN.format(
            url=server.url, concurrency=concurrency, evaluations=evaluations, models=models
        )
    )
    return folder


@dataclass(frozen=True)
class Served:
    """A server of an archive, in a process of its own."""

    url: str
    """Without a slash at the end."""
    process: psutil.Process


@contextmanager
def served(
    archive: Path, *options: str, program: Sequence[str] = ("-m", "metasearch")
) -> Iterator[Served]:
    """``metasearch serve`` on a free port, with further options, for this block."""
    command = [sys.executable, *program, "serve", "--port", "0"]
    words = ["--archive", str(archive), *options]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"(http://\S+)/", server.stdout.readline())
        assert found is not None
        try:
            yield Served(found[1], psutil.Process(server.pid))
        finally:
            server.terminate()


@dataclass(frozen=True)
class Cost:
    """What one run of the command took."""

    events: list[tuple[float, dict[str, object]]]
    """(seconds since the start, event) for each line of ``--json``."""
    wall: float
    cpu: float
    """Seconds over all processes of the run, candidates included where a control group can be
    made for them (see :func:`processor_group`)."""
    peak_pss: int
    """Bytes: the largest sum of proportional set sizes over all processes."""

    def settled(self) -> list[float]:
        """Seconds since the start at which each candidate was done."""
        return [at for at, event in self.events if event.get("event") == "candidate"]

    @property
    def finished(self) -> dict[str, object]:
        """The last event."""
        return self.events[-1][1]


def run(*arguments: str, sample: float = 0.25) -> Cost:
    """Run ``metasearch`` with ``--json`` and measure it with all its processes."""
    command = [sys.executable, "-m", "metasearch", *arguments, "--json"]
    with processor_group() as group:
        if group is not None:
            enter = 'echo $$ > "$0" && exec "$@"'
            command = ["sh", "-c", enter, str(group / "cgroup.procs"), *command]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak = _Peak(process.pid, sample)
        peak.start()
        events = []
        assert process.stdout is not None
        for line in process.stdout:
            events.append((time.monotonic() - started, json.loads(line)))
        status = process.wait()
        wall = time.monotonic() - started
        peak.stop()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if group is not None:
            cpu = int((group / "cpuacct.usage").read_text()) / 1e9
    if status:
        raise SystemExit(f"metasearch {' '.join(arguments)} ended with {status}: {events[-1:]}")
    return Cost(events=events, wall=wall, cpu=cpu, peak_pss=peak.bytes)


@contextmanager
def processor_group() -> Iterator[Path | None]:
    """A control group that counts processor time, if one can be had here (cgroup v1, root).

    Without it a candidate's own time is not seen: it ends with its namespace, and nobody
    inherits its account.
    """
    group = Path("/sys/fs/cgroup/cpuacct") / f"benchmark-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        print("no control group for processor time: candidates' own time is not counted")
        yield None
        return
    try:
        yield group
    finally:
        for _ in range(40):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.05)  # the last process is still leaving


class _Peak(threading.Thread):
    """Samples the sum of PSS over a process and all its descendants."""

    def __init__(self, pid: int, every: float) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._every = every
        self._done = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        while not self._done.wait(self._every):
            self.bytes = max(self.bytes, _pss_of_tree(self._pid))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _pss_of_tree(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for member in members:
        try:
            rollup = Path(f"/proc/{member.pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended since it was listed
        total += sum(
            int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")
        )
    return total


def verdict(name: str, value: float, limit: float, *, at_most: bool = True) -> bool:
    """Print a figure with its limit and the ratio to it; whether it is kept."""
    kept = value <= limit if at_most else value >= limit
    sign = "<=" if at_most else ">="
    print(
        f"{'ok  ' if kept else 'MISS'} {name}: {value:.4g} (limit {sign} {limit:g}, "
        f"ratio {value / limit:.2f})"
    )
    return kept
