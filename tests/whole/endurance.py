"""Long campaigns of every strategy, killed in the middle and continued.

    python -m tests.whole.endurance [--strategies mcts ...] [--examples circle_packing ...]
        [--model offline informed] [--evaluations 300]

Too long for the gate; test_strategies.py runs the same with few evaluations. Prints a line for
each campaign: evaluations, best score, answered calls, seconds, and what is wrong with its archive.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from metasearch.strategies.registry import BUILT_IN
from metasearch.testing.model_server import ModelServer
from tests.whole.informed import InformedModel, TrueScores
from tests.whole.interrupting import copy_of, left_in, run_to_the_end, run_until_killed

EXAMPLES = Path(__file__).parents[2] / "examples"
OFFLINE, INFORMED = "offline", "informed"


def main() -> int:
    """Run the grid; 1 if an archive has a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategies", nargs="+", default=list(BUILT_IN))
    parser.add_argument("--examples", nargs="+", default=["circle_packing", "online_bin_packing"])
    parser.add_argument("--model", nargs="+", choices=(OFFLINE, INFORMED), default=[OFFLINE])
    parser.add_argument("--evaluations", type=int, default=300)
    chosen = parser.parse_args()
    failed = False
    for model, example, strategy in product(chosen.model, chosen.examples, chosen.strategies):
        with tempfile.TemporaryDirectory() as scratch:
            problems = endure(Path(scratch), strategy, example, model, chosen.evaluations)
        failed |= bool(problems)
    return int(failed)


def endure(scratch: Path, strategy: str, example: str, model: str, evaluations: int) -> list[str]:
    """One campaign, killed at half its evaluations and continued; what is wrong with it."""
    folder, archive = scratch / "campaign", scratch / "archive.db"
    words = ["--evaluations", str(evaluations), "--seed", "3"]
    began = time.monotonic()
    with ExitStack() as stack:
        models = ""
        if model == INFORMED:
            worth = stack.enter_context(TrueScores(EXAMPLES / example))
            server = stack.enter_context(ModelServer(InformedModel(worth), record=False))
            models = f'default = "openai/informed"\napi_base = "{server.url}"\n'
        else:
            words += ["--model", "offline/evolve"]
        copy_of(EXAMPLES / example, folder, strategy, models=models)
        run_until_killed(folder, archive, *words, candidates=evaluations // 2)
        finished = run_to_the_end(folder, archive, *words)
    left = left_in(archive)
    problems = [*left.problems]
    if (finished["reason"], left.evaluations) != ("evaluations", evaluations):
        problems.append(f"ended by {finished['reason']} after {left.evaluations} evaluations")
    if not left.no_worse_than_the_seed:
        problems.append(f"best {left.best} is worse than the seed's {left.seed}")
    print(
        f"{model:8} {example:18} {strategy:18} {left.evaluations} evaluations, "
        f"best {left.best:.4f}, {left.answered} calls, {time.monotonic() - began:.0f} s: "
        + ("; ".join(problems) or "nothing lost, nothing twice"),
        flush=True,
    )
    return problems


if __name__ == "__main__":
    sys.exit(main())
