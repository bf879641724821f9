"""Seconds until pages and API answer, with a large campaign in the archive.

    python benchmarks/large_archive.py FILE
    python benchmarks/web.py FILE

The limits hold for the best of several requests, because other work may be going on; the first
one is shown beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import httpx

from benchmarks.workload import served, verdict

PAGE, API = 0.2, 0.1
PAGES = ("/",)
PARTS = (
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
    "/costs",
    "/costs?by=operator",
    "/health",
    "/points",
    "/points?columns=value&metric=density",
    "/points?columns=at&columns=usd",
)


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    archive = parser.parse_args().archive
    with served(archive) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        kept = _measure(client)
    return 0 if all(kept) else 1


def _measure(client: httpx.Client) -> list[bool]:
    run = client.get("/api/campaigns").json()["campaigns"][0]
    last = client.get(f"/api/campaigns/{run['id']}/candidates?limit=1").json()["candidates"][0]
    kept = [_verdict(client, path, PAGE) for path in PAGES]
    for part in PARTS:
        path = f"/api/campaigns/{run['id']}{part.format(last=last['number'])}"
        kept.append(_verdict(client, path, API))
    return kept


def _verdict(client: httpx.Client, path: str, limit: float) -> bool:
    taken = []
    for _ in range(6):
        started = time.monotonic()
        answer = client.get(path)
        taken.append(time.monotonic() - started)
        assert answer.status_code == 200, answer.text
    first, size = taken[0] * 1e3, len(answer.content) / 1e3
    return verdict(f"s, first {first:.0f} ms, {size:.0f} kB: {path}", min(taken[1:]), limit)


if __name__ == "__main__":
    sys.exit(main())
