"""What the search finds with the offline model: strategies against baselines, several seeds.

    python benchmarks/search_quality.py examples/circle_packing
        [--strategies map_elites best_of_n] [--evaluations 1000] [--seeds 1 2 3 4 5]

Prints the best score of every run, the median and the spread, and the test score where the
example has a test split. Runs two campaigns at a time, each strictly sequential.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def main() -> int:
    """Run the grid and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", type=Path)
    parser.add_argument("--strategies", nargs="+", default=["map_elites", "best_of_n"])
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--at-once", type=int, default=2)
    chosen = parser.parse_args()
    grid = [(strategy, seed) for strategy in chosen.strategies for seed in chosen.seeds]
    with tempfile.TemporaryDirectory() as scratch:

        def one(job: tuple[str, int]) -> dict[str, Any]:
            strategy, seed = job
            return _run(chosen.campaign, strategy, seed, chosen.evaluations, Path(scratch))

        with ThreadPoolExecutor(chosen.at_once) as pool:
            results = list(pool.map(one, grid))
    for strategy in chosen.strategies:
        runs = [r for (name, _), r in zip(grid, results, strict=True) if name == strategy]
        _print(strategy, runs)
    return 0


def _run(
    campaign: Path, strategy: str, seed: int, evaluations: int, scratch: Path
) -> dict[str, Any]:
    command = [sys.executable, "-m", "metasearch", "run", str(campaign), "--json"]
    command += ["--strategy", strategy, "--seed", str(seed), "--evaluations", str(evaluations)]
    command += ["--model", "offline/evolve", "--concurrency", "1"]
    command += ["--archive", str(scratch / f"{strategy}-{seed}.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    finished: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{strategy} seed {seed}: {finished['best']['scores']} in {finished['seconds']:.0f} s")
    return finished


def _print(strategy: str, runs: list[dict[str, Any]]) -> None:
    for part in ("best", "test"):
        found = [run[part] for run in runs if run.get(part)]
        rows = [row.get("scores", row) for row in found]
        for name in rows[0] if rows else ():
            values = [row[name] for row in rows]
            listed = " ".join(f"{value:.4f}" for value in values)
            print(
                f"{strategy:18} {part} {name}: median {statistics.median(values):.4f} "
                f"({min(values):.4f} to {max(values):.4f}); {listed}"
            )


if __name__ == "__main__":
    sys.exit(main())
