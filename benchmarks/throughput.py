"""Candidates per second, CPU per candidate and peak memory, with full isolation.

A model of 0.5 s latency and 16 calls in flight allow 32 candidates a second. CPU per
candidate is the difference between a long and a short run, so that start-up does not count.

    python benchmarks/throughput.py [--busy]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.workload import run, unique_replies, verdict, write_campaign
from metasearch.testing.model_server import ModelServer

SHORT, LONG = 200, 800
RATE, CPU_MS, PSS_MB = 28.0, 22.0, 300.0


def main() -> int:
    """Measure and compare with the limits; the exit status says whether all are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", action="store_true", help="candidates work 10 ms, not sleep")
    busy = parser.parse_args().busy
    with (
        tempfile.TemporaryDirectory() as scratch,
        ModelServer(unique_replies(busy), latency=0.5, record=False) as server,
    ):
        costs = []
        for evaluations in (SHORT, LONG):
            folder = write_campaign(
                Path(scratch) / f"campaign{evaluations}",
                server,
                concurrency=16,
                evaluations=evaluations,
                busy=busy,
            )
            archive = Path(scratch) / f"archive{evaluations}.db"
            costs.append(run("run", str(folder), "--archive", str(archive)))
        short, long = costs
    done = long.settled()
    steady = done[len(done) // 5 : -len(done) // 10]
    rate = (len(steady) - 1) / (steady[-1] - steady[0])
    cpu = (long.cpu - short.cpu) / (LONG - SHORT) * 1e3
    print(
        f"candidates {'work' if busy else 'sleep'} 10 ms; {LONG} evaluations in {long.wall:.1f} s"
    )
    kept = [
        verdict("candidates/s, steady", rate, RATE, at_most=False),
        verdict("CPU ms per candidate, all processes", cpu, CPU_MS),
        verdict("peak PSS MB, all processes", long.peak_pss / 1e6, PSS_MB),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
