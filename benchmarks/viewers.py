"""What people who watch cost the campaign that they watch.

    python -m benchmarks.viewers [--viewers 50] [--pairs 3] [--evaluations 200]

A viewer is what a page of a running campaign does, without the browser: the event stream, and
after its messages the requests that the templates make, at their pace.

First the server alone, while 8 candidates a second are written to the archive: the processor time
that it takes for more and more viewers. As a share of all cores that is the most that it can
take from an engine, whatever else the machine does. Then ``examples/circle_packing`` runs with the
offline model, which keeps all cores busy, in turn with nobody at the server and with all of them.
There the viewers, who would sit at machines of their own, have the lowest priority.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil

from benchmarks.large_archive import campaign, fill
from benchmarks.workload import Cost, run, served, verdict
from metasearch.archive import Archive

FOLDER = "examples/circle_packing"
SLOWER = 1.05
"""How many times as long a run may take."""
SHARE = 0.05
"""Of all cores, that the server may use."""

PACE = 8
"""Candidates a second, for the server alone."""
SETTLING = 3
"""Seconds after all have read the page."""
SECONDS = 20
CORES = os.cpu_count() or 1


class Seen(NamedTuple):
    """One run."""

    rate: float
    """Evaluations per second, in the steady part."""
    cpu_ms: float
    """Of the engine and all its processes, for each evaluation."""


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=3, help="of runs; 0 for the server alone")
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        asyncio.run(_watch(arguments.watch, arguments.viewers))
        return 0
    name = f"{arguments.viewers} viewers"
    share = 0.0
    for viewers in (1, 10, arguments.viewers):
        share = _alone(viewers) / CORES
    kept = [verdict(f"{name}: the server's share of all cores", share, SHARE)]
    pairs = [
        (_run(arguments.evaluations, 0), _run(arguments.evaluations, arguments.viewers))
        for _ in range(arguments.pairs)
    ]
    if pairs:
        slower = statistics.median(one.rate / other.rate for one, other in pairs)
        dearer = statistics.median(other.cpu_ms / one.cpu_ms for one, other in pairs)
        kept += [
            verdict(f"{name}: time for an evaluation, against none", slower, SLOWER),
            verdict(f"{name}: the engine's CPU for one, against none", dearer, SLOWER),
        ]
    return 0 if all(kept) else 1


def _alone(viewers: int) -> float:
    """Cores that the server uses while candidates are written at a steady pace."""
    done = threading.Event()

    def write(file: Path) -> None:
        with Archive.open(file) as archive:
            found = archive.create(campaign())
            with found.hold():
                for number in range(100_000):
                    fill(found, range(number, number + 1), 100_000)
                    if done.wait(1 / PACE):
                        return

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "archive.db"
        with served(file) as server:
            writer = threading.Thread(target=write, args=(file,))
            writer.start()
            with _viewers(server.url, viewers) as count:
                while count() < 2 * viewers:
                    time.sleep(0.5)
                time.sleep(SETTLING)
                used, before, started = _used(server.process), count(), time.monotonic()
                time.sleep(SECONDS)
                took = time.monotonic() - started
                cores = (_used(server.process) - used) / took
                answers = (count() - before) / took
            done.set()
            writer.join()
    print(
        f"{viewers:3} viewers: {cores:.3f} cores, {answers:.1f} answers/s; "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return cores


def _run(evaluations: int, viewers: int) -> Seen:
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "archive.db"
        with served(archive) as server, _viewers(server.url, viewers, "nice") as count:
            used, started = _used(server.process), time.monotonic()
            words = ["--evaluations", str(evaluations), "--archive", str(archive)]
            cost = run("run", FOLDER, *words, "--model", "offline/evolve")
            took = time.monotonic() - started
            cores = (_used(server.process) - used) / took
            answers = count() / took
    seen = Seen(_rate(cost), 1e3 * cost.cpu / evaluations)
    print(
        f"{viewers:3} viewers: {seen.rate:.2f} evaluations/s, {seen.cpu_ms:.0f} ms each; server "
        f"{cores:.3f} cores, {answers:.0f} answers/s; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return seen


@contextmanager
def _viewers(url: str, many: int, *before: str) -> Iterator[Callable[[], int]]:
    """So many viewers in a process of their own; gives how many answers they have had."""
    words = [*before, sys.executable, "-m", "benchmarks.viewers"]
    words += ["--watch", url, "--viewers", str(many)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as them:
        assert them.stdin is not None
        assert them.stdout is not None
        asked, told = them.stdin, them.stdout

        def count() -> int:
            asked.write("?\n")
            asked.flush()
            return int(told.readline())

        yield count
        them.send_signal(signal.SIGTERM)


def _rate(cost: Cost) -> float:
    done = cost.settled()
    steady = done[len(done) // 5 : -len(done) // 10]
    return (len(steady) - 1) / (steady[-1] - steady[0])


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class _Viewer:
    """One live page: ``campaign_overview.html`` with its chart and controls."""

    def __init__(self, client: aiohttp.ClientSession, run: str) -> None:
        self._client = client
        self._run = run
        self._seq = 0
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers = 0

    async def watch(self) -> None:
        """Open the page, and follow the stream for ever."""
        await self._get("")
        await self._points()
        path = f"/api/campaigns/{self._run}/stream?after={self._seq}"
        kind = ""
        async with self._client.get(path, timeout=aiohttp.ClientTimeout(None)) as stream:
            async for line in stream.content:
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    self._heed(kind, line[6:])

    def _heed(self, kind: str, data: bytes) -> None:
        if kind == "status":
            self._soon("now", 0.3, lambda: self._get("/now"), 0.0)
            self._soon("commands", 0.0, lambda: self._get("/commands"), 1.0)
        elif json.loads(data)["settled"]:
            self._soon("points", 0.25, self._points, 0.0)

    def _soon(
        self, name: str, delay: float, ask: Callable[[], Coroutine[None, None, None]], rest: float
    ) -> None:
        """After a while; what comes meanwhile is one more time."""
        if name in self._busy:
            self._again.add(name)
            return
        self._busy.add(name)

        async def go() -> None:
            while True:
                self._again.discard(name)
                await asyncio.sleep(delay)
                await asyncio.gather(ask(), asyncio.sleep(rest))
                if name not in self._again:
                    break
            self._busy.discard(name)

        task = asyncio.create_task(go())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _get(self, part: str) -> None:
        async with self._client.get(f"/c/{self._run}{part}") as answer:
            await answer.read()
            self.answers += answer.status == 200

    async def _points(self) -> None:
        names = ("fact", "number", "outcome", "value", "record", "operator", "model", "island")
        query = [("after", str(self._seq)), ("metric", ""), *(("columns", name) for name in names)]
        async with self._client.get(f"/api/campaigns/{self._run}/points", params=query) as answer:
            self._seq = json.loads(await answer.read())["seq"]
            self.answers += 1


async def _campaign(client: aiohttp.ClientSession) -> str:
    """The one that there is, as soon as it is there."""
    while True:
        async with client.get("/api/campaigns") as answer:
            listed = (await answer.json())["campaigns"]
        if listed:
            return str(listed[0]["id"])
        await asyncio.sleep(0.2)


async def _watch(url: str, many: int) -> None:
    """Be so many viewers until SIGTERM; tell the number of answers whenever a line comes in."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, done.set)
    viewers: list[_Viewer] = []

    def tell() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
            return
        print(sum(viewer.answers for viewer in viewers), flush=True)

    loop.add_reader(sys.stdin, tell)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as client:
        name = await _campaign(client) if many else ""
        viewers += [_Viewer(client, name) for _ in range(many)]
        tasks = [asyncio.create_task(viewer.watch()) for viewer in viewers]
        await done.wait()
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


if __name__ == "__main__":
    sys.exit(main())
