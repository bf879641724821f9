"""What the search finds with the offline model: strategies against baselines, several seeds.

    python -m benchmarks.search_quality examples/circle_packing benchmarks/trap
        [--strategies map_elites best_of_n] [--at 100 300 1000] [--seeds 1 2 3 4 5] [--keep FILE]

Prints for each strategy the best score after so many evaluations: the median over the seeds, and
the lowest and the highest of them; at the end also on the test split, where the example has one.
Runs two campaigns at a time, each strictly sequential. All of it takes hours: with ``--keep`` each
run is written down when it ends, and not made again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

STRATEGIES = (
    *("map_elites", "meta_agent_search", "guided_evolution", "co_scientist", "mcts"),
    *("darwin_godel", "novelty_search", "best_of_n", "iterative_repair", "random_parent"),
)


@dataclass(frozen=True)
class Job:
    """One run."""

    campaign: Path
    strategy: str
    seed: int


@dataclass(frozen=True)
class Found:
    """What it found."""

    best: Mapping[int, float]
    """Evaluations -> the best score of the first objective up to then."""
    test: Mapping[str, float]
    seconds: float


def main() -> int:
    """Run the grid and print a table for each campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", type=Path, nargs="+")
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES)
    parser.add_argument("--at", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="runs that have ended, a line of JSON for each")
    chosen = parser.parse_args()
    grid = [Job(*j) for j in product(chosen.campaigns, chosen.strategies, chosen.seeds)]
    known = _kept(chosen.keep) if chosen.keep and chosen.keep.exists() else {}

    def found_by(job: Job) -> Found:
        found = known.get(_name(job))
        if found is None or set(chosen.at) - set(found.best):
            found = _run(job, chosen.at, Path(scratch))
            if chosen.keep:
                with chosen.keep.open("a") as file:
                    file.write(json.dumps({"name": _name(job), **asdict(found)}) + "\n")
        return found

    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(chosen.at_once) as pool:
        results = list(pool.map(found_by, grid))
    for campaign in chosen.campaigns:
        print(f"\n{campaign.name}: median (lowest to highest) of {len(chosen.seeds)} seeds")
        for strategy in chosen.strategies:
            runs = [
                found
                for job, found in zip(grid, results, strict=True)
                if (job.campaign, job.strategy) == (campaign, strategy)
            ]
            _print(strategy, runs, chosen.at)
    return 0


def _name(job: Job) -> str:
    return f"{job.campaign.name}-{job.strategy}-{job.seed}"


def _kept(file: Path) -> dict[str, Found]:
    runs = [json.loads(line) for line in file.read_text().splitlines()]
    return {
        run["name"]: Found(
            {int(limit): score for limit, score in run["best"].items()}, run["test"], run["seconds"]
        )
        for run in runs
    }


def _run(job: Job, at: Sequence[int], scratch: Path) -> Found:
    name = _name(job)
    command = [sys.executable, "-m", "metasearch", "run", str(job.campaign), "--json"]
    command += ["--strategy", job.strategy, "--seed", str(job.seed)]
    command += ["--evaluations", str(max(at)), "--model", "offline/evolve", "--concurrency", "1"]
    command += ["--archive", str(scratch / f"{name}.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    scores: dict[int, float] = {}
    best: dict[int, float] = {}
    for event in events:
        if event["event"] != "candidate":
            continue
        if event["scores"]:
            scores[event["candidate"]] = next(iter(event["scores"].values()))
        for limit in at:
            if event["evaluations"] <= limit:
                best[limit] = scores[event["best"]]
    finished = events[-1]
    print(f"{name}: {best} in {finished['seconds']:.0f} s ({finished['reason']})", flush=True)
    return Found(best, finished.get("test") or {}, finished["seconds"])


def _print(strategy: str, runs: Sequence[Found], at: Sequence[int]) -> None:
    cells = [f"{limit}: {_spread([run.best[limit] for run in runs])}" for limit in at]
    cells += [
        f"test {metric}: {_spread([run.test[metric] for run in runs if metric in run.test])}"
        for metric in (runs[0].test if runs else ())
    ]
    print(f"{strategy:18} " + "   ".join(cells))


def _spread(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:.4f} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    sys.exit(main())
