"""Make an archive with a large campaign, through the archive's own interface.

    python benchmarks/large_archive.py FILE [--candidates 100000]

What is in it: a search that gets better ever more slowly, parents among the better ones, four
operators, three models, failures of every kind, and a model call for each candidate.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, CampaignFile
from metasearch.candidate import Artifact, EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.program import Program

OPERATORS = ("diff", "rewrite", "crossover", "repair")
MODELS = ("lab/small", "lab/large", "lab/thinking")
FAILURES = (Outcome.INVALID, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"><rect width="80"/></svg>'


def main() -> None:
    """Make it and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--candidates", type=int, default=100_000)
    arguments = parser.parse_args()
    started = time.monotonic()
    with Archive.open(arguments.file, create=True) as archive:
        run = archive.create(campaign())
        with run.hold():
            fill(run, range(arguments.candidates), arguments.candidates)
            run.finish("evaluations")
    print(f"made {arguments.candidates} candidates in {time.monotonic() - started:.0f} s")


def campaign() -> Campaign:
    """With two objectives and three models."""
    raw = {
        "task": "Pack circles so that the sum of their radii is large.",
        "objectives": {"score": "maximize", "seconds": "minimize"},
        "evaluator": {"metrics": ["density"]},
        "budget": {"evaluations": 1_000_000, "usd": 5000.0},
        "models": {"default": list(MODELS)},
    }
    return Campaign(
        name="large",
        folder=Path("/campaigns/large"),
        settings=CampaignFile.model_validate(raw),
        seed_program=Program(files={"program.py": "x = 0\n"}),
        evaluator_files={"evaluator.py": "def evaluate(candidate): ...\n"},
    )


def fill(run: CampaignArchive, numbers: range, count: int) -> None:
    """Add candidates with these numbers to a campaign that will have so many."""
    rng = random.Random(numbers.start)
    elite = [(each.scores["score"], each.number) for each in run.best(40)]
    for number in numbers:
        step = run.open_step().number
        parents: tuple[int, ...] = ()
        if elite:
            parents = (rng.choice(elite)[1],)
            model = rng.choice(MODELS)
            prompt = Message(role="user", content=f"Improve candidate #{parents[0]}.")
            run.begin_exchange(step, 0, role="propose", model=model, messages=[prompt])
            usage = Usage(input_tokens=900, output_tokens=300, usd=0.004, seconds=1.5)
            run.answer_exchange(step, 0, reply=f"I change number {number}.", usage=usage)
        candidate = run.queue_candidate(
            step,
            0,
            Program(files={"program.py": f"x = {number}\n" + "y = 1\n" * (number % 40)}),
            parents=parents,
            operator=rng.choice(OPERATORS) if elite else "seed",
            name=f"idea {number}",
            thought=f"Arrange {number % 97} of them in a hexagon, and move the rest outwards.",
            island=number % 5,
        )
        score = 2.6 * (1 - math.exp(-number / (count / 4))) + rng.gauss(0, 0.2)
        if number and rng.random() < 0.3:
            outcome = rng.choice(FAILURES)
            result = EvaluationResult(outcome=outcome, error=f"{outcome} in line 3", seconds=0.2)
        else:
            result = _scored(score, rng, picture=number % 50 == 0)
            elite = sorted([*elite, (score, candidate.number)], reverse=True)[:40]
        run.settle(candidate.number, result)
        run.end_step(step)


def _scored(score: float, rng: random.Random, *, picture: bool) -> EvaluationResult:
    values = {"score": score, "seconds": rng.uniform(1, 9), "density": rng.random()}
    scores = {name: Score(value=value, low=value, high=value) for name, value in values.items()}
    stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.5)
    drawn = (Artifact(name="packing.svg", media_type="image/svg+xml", content=PICTURE),)
    return EvaluationResult(
        outcome=Outcome.SCORED, stages=(stage,), seconds=0.6, artifacts=drawn if picture else ()
    )


if __name__ == "__main__":
    main()
