"""Seconds until pages and API answer, with a large campaign in the archive.

    python -m benchmarks.large_archive FILE
    python -m benchmarks.web FILE

Other work may be going on, so the limits hold for the best of several requests. Of the first one
of each address after the server's start they hold for the server's processor time; its wall time
is shown beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from benchmarks.workload import served, verdict
from metasearch.archive import Archive

PAGE, API = 0.2, 0.1
PAGES = (
    "/c/large",
    "/",
    *("/c/large/candidates", "/c/large/lineage", "/c/large/lineage?view=tree"),
    *("/c/large/front", "/c/large/islands", "/c/large/operators", "/c/large/health"),
    *("/c/large/events", "/c/large/settings"),
    *("/c/large/{last}", "/c/large/{last}/diff", "/c/large/{last}/conversation"),
)
PARTS = (
    "/points",
    "/points?sample=4000",
    "/points?columns=value&metric=density",
    "/points?columns=at&columns=usd",
    "/lineage",
    "/costs",
    "/costs?by=operator",
    "/health",
    "",
    "/curve",
    "/candidates",
    "/candidates?sort=best",
    "/candidates?q=score>99",
    "/candidates?q=density>2",
    "/candidates?q=operator:repair+outcome:timed_out",
    "/candidates?q=nowhere",
    "/candidates/{last}",
    "/candidates/{last}/files",
    "/candidates/{last}/diff",
    "/candidates/{last}/exchanges",
    "/events",
    "/events?kind=created",
    "/facts",
)


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    archive = parser.parse_args().archive
    kept: list[bool] = []
    # The API first, and the pages with a server of their own: each reads the campaign anew.
    for paths, limit in ((["/api/campaigns/large" + part for part in PARTS], API), (PAGES, PAGE)):
        with serving(archive) as server, httpx.Client(base_url=server.address) as client:
            last = server.last_candidate()
            for path in paths:
                kept += _verdicts(client, server.process, path.format(last=last), limit)
    return 0 if all(kept) else 1


class Server:
    """A server over an archive with the campaign `large`."""

    def __init__(self, archive: Path, address: str, process: psutil.Process) -> None:
        self.archive = archive
        self.address = address
        self.process = process

    def last_candidate(self) -> int:
        """Its number, read without the server, which must stay cold."""
        with Archive.open(self.archive, read_only=True) as archive:
            return archive.campaign("large").recent(1)[0].number


@contextmanager
def serving(archive: Path) -> Iterator[Server]:
    """A fresh server for the block."""
    with served(archive) as started:
        httpx.get(f"{started.url}/static/none", timeout=60)  # until it has begun
        yield Server(archive, f"{started.url}/", started.process)


def processor_seconds(process: psutil.Process) -> float:
    """What it has used so far."""
    times = process.cpu_times()
    return times.user + times.system


def _verdicts(
    client: httpx.Client, server: psutil.Process, path: str, limit: float
) -> Iterator[bool]:
    taken = []
    for turn in range(6):
        before, started = processor_seconds(server), time.monotonic()
        answer = client.get(path, timeout=60)
        taken.append(time.monotonic() - started)
        assert answer.status_code == 200, answer.text
        if turn == 0:
            used = processor_seconds(server) - before
            yield verdict(f"s of processor, first in {taken[0] * 1e3:.0f} ms: {path}", used, limit)
    size = len(answer.content) / 1e3
    yield verdict(f"s, {size:.0f} kB: {path}", min(taken[1:]), limit)


if __name__ == "__main__":
    sys.exit(main())
