"""``kill -9`` of the engine at random instants; nothing paid for may be lost or paid twice.

A campaign of 200 evaluations on a slow model server is killed 50 times and continued each
time. Afterwards the archive must hold exactly 200 evaluations, each program evaluated once;
the server must have answered at most as many surplus requests as calls were in flight at
the kills; and no process or temporary folder may be left.

    python benchmarks/kills.py [--kills 50] [--evaluations 200]
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from benchmarks.workload import unique_replies, write_campaign
from metasearch.archive import Archive
from metasearch.exchange import ExchangeState
from metasearch.testing.model_server import ModelServer

LATENCY = 0.4
"""Seconds that the model takes."""

CALLS = 4
"""Model calls in flight."""


def main() -> int:
    """Kill, continue, and compare the archive with the server's own count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    _adopt_orphans()
    with (
        tempfile.TemporaryDirectory() as scratch,
        ModelServer(unique_replies(), latency=LATENCY, record=False) as server,
    ):
        files_before = _temporary()
        folder = write_campaign(
            Path(scratch) / "campaign", server, concurrency=CALLS, evaluations=chosen.evaluations
        )
        archive = Path(scratch) / "archive.db"
        command = [sys.executable, "-m", "metasearch", "run", str(folder), "--json"]
        command += ["--archive", str(archive)]
        kills = 0
        while kills < chosen.kills:
            engine = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            if rng.random() < 0.2:  # while it starts
                time.sleep(rng.uniform(0.0, 1.5))
            else:  # while its model calls are in flight, or have just been answered
                while server.counts.in_flight:  # what the engine before was waiting for
                    time.sleep(0.005)
                while engine.poll() is None and not server.counts.in_flight:
                    time.sleep(0.005)
                time.sleep(rng.uniform(0.0, 1.6 * LATENCY))
            engine.send_signal(signal.SIGKILL)
            status = engine.wait()
            if status == 0:
                print(f"finished before kill {kills + 1}; raise --evaluations for more kills")
                break
            kills += 1
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        time.sleep(1.0)
        problems = check(archive, server, chosen.evaluations, kills, concurrency=CALLS)
        problems += [f"left behind: {line}" for line in _leftovers(files_before)]
    for problem in problems:
        print(f"MISS {problem}")
    print(f"{'MISS' if problems else 'ok'}: {kills} kills, {chosen.evaluations} evaluations")
    return 1 if problems else 0


def check(
    path: Path, server: ModelServer, evaluations: int, kills: int, *, concurrency: int
) -> list[str]:
    """What is wrong with an archive after the kills; empty if nothing is."""
    problems = []
    with Archive.open(path) as archive:
        [summary] = archive.campaigns()
        run = archive.campaign(summary.id)
        candidates = list(run.candidates())
        evaluated = [c for c in candidates if c.outcome is not None and c.outcome.evaluated]
        if len(evaluated) != evaluations:
            problems.append(f"{len(evaluated)} evaluations instead of {evaluations}")
        twice = [n for n, count in Counter(c.digest for c in evaluated).items() if count > 1]
        if twice:
            problems.append(f"evaluated twice: {twice}")
        repeated = [c.number for c in evaluated if len(run.evaluations_of(c.number)) != 1]
        if repeated:
            problems.append(f"candidates with several evaluations: {repeated}")
        steps = [c.step for c in candidates] + [s.number for s in run.unfinished_steps()]
        exchanges = [e for step in range(max(steps) + 1) for e in run.exchanges(step)]
    states = Counter(exchange.state for exchange in exchanges)
    answered, lost = states[ExchangeState.ANSWERED], states[ExchangeState.LOST]
    places = Counter((e.step, e.call) for e in exchanges if e.state is ExchangeState.ANSWERED)
    bought_again = [place for place, count in places.items() if count > 1]
    if bought_again:
        problems.append(f"replies bought again: {bought_again}")
    if lost > kills * concurrency:
        problems.append(f"{lost} calls lost at {kills} kills of {concurrency} in flight")
    surplus = server.counts.answered - answered
    print(
        f"{answered} replies stored, {lost} calls lost in flight, {surplus} answered into the void"
    )
    if not 0 <= surplus <= lost:
        problems.append(f"the server answered {surplus} more than stored, but {lost} were lost")
    return problems


def _leftovers(files_before: set[Path]) -> list[str]:
    """Processes that outlived their engine, and what it left in the temporary folder."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # collect the dead, so that only the living remain
    orphans = psutil.Process().children(recursive=True)
    found = [f"process {orphan.pid} {' '.join(orphan.cmdline())[:80]}" for orphan in orphans]
    return found + [str(path) for path in sorted(_temporary() - files_before)]


def _temporary() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("*metasearch*"))


def _adopt_orphans() -> None:
    """Become the parent of processes whose own parent dies, so that none goes unseen."""
    pr_set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


if __name__ == "__main__":
    sys.exit(main())
