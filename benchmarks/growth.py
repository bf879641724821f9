"""Cost of a step, and of resuming, in a small and in a large archive.

Archives of 500 and of 50,000 candidates are made through the archive's own interface; then
the real engine adds candidates to both. CPU per candidate is the difference between adding
many and adding few, so that start-up and resume do not count in it.

    python benchmarks/growth.py [--large 50000]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.workload import program, run, unique_replies, verdict, write_campaign
from metasearch.archive import Archive
from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.engine.novelty import IDENTITY
from metasearch.exchange import Message, Usage
from metasearch.operators.identity import identity
from metasearch.program import Program
from metasearch.testing.model_server import ModelServer

SMALL, FEW, MANY = 500, 100, 700
RATIO, RESUME_SECONDS = 1.2, 3.0


def main() -> int:
    """Measure and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=50_000)
    large = parser.parse_args().large
    costs, resumes = {}, {}
    with (
        tempfile.TemporaryDirectory() as scratch,
        ModelServer(unique_replies(), latency=0.05, record=False) as server,
    ):
        for size in (SMALL, large):
            folder = write_campaign(
                Path(scratch) / f"campaign{size}", server, concurrency=16, evaluations=size
            )
            archive = Path(scratch) / f"archive{size}.db"
            started = time.monotonic()
            fill(folder, archive, size)
            print(f"made an archive of {size} candidates in {time.monotonic() - started:.1f} s")
            few = run(*_run(folder, archive, size + FEW))
            many = run(*_run(folder, archive, size + FEW + MANY))
            costs[size] = (many.cpu - few.cpu) / (MANY - FEW) * 1e3
            resumes[size] = many.settled()[0]
            print(
                f"{size}: {costs[size]:.2f} ms CPU per candidate; first one {resumes[size]:.2f} s"
            )
    kept = [
        verdict(f"CPU ratio, {large} to {SMALL} candidates", costs[large] / costs[SMALL], RATIO),
        verdict(
            f"seconds that resuming {large} candidates adds to the start",
            resumes[large] - resumes[SMALL],
            RESUME_SECONDS,
        ),
    ]
    print(
        f"     seconds from the command to its first new candidate: {resumes[SMALL]:.2f} with "
        f"{SMALL} candidates, {resumes[large]:.2f} with {large} (most of it loads litellm)"
    )
    return 0 if all(kept) else 1


def _run(folder: Path, archive: Path, evaluations: int) -> list[str]:
    return ["run", str(folder), "--archive", str(archive), "--evaluations", str(evaluations)]


def fill(folder: Path, path: Path, size: int) -> None:
    """An archive with the facts that a run of ``size`` evaluations would have left."""
    rng = random.Random(0)
    campaign = load_campaign(folder)
    task = Message(role="system", content="Return a number close to 1. " * 40)
    with Archive.open(path, create=True) as archive:
        engine = archive.create(campaign)
        with engine.hold():
            for number in range(size):
                step = engine.open_step().number
                value = 2.0 if number == 0 else 2.0 + rng.random()
                text = program(value + number)
                if number == 0:
                    text = campaign.seed_program.source
                else:
                    prompt = [task, Message(role="user", content=f"Current program:\n{text}")]
                    usage = Usage(input_tokens=900, output_tokens=120, usd=0.0)
                    engine.begin_exchange(step, 0, role="propose", model="m", messages=prompt)
                    engine.answer_exchange(
                        step, 0, reply=f"```python\n{text}```", finish_reason="stop", usage=usage
                    )
                proposal = Program(files={"program.py": text})
                candidate = engine.queue_candidate(
                    step,
                    0,
                    proposal,
                    parents=[rng.randrange(number)] if number else [],
                    operator="evolve" if number else "seed",
                    island=number % 4 if number else None,
                )
                engine.add_fingerprint(candidate.number, IDENTITY, [identity(proposal)])
                engine.settle(candidate.number, _result(rng, number))
                engine.end_step(step)


def _result(rng: random.Random, number: int) -> EvaluationResult:
    if number and rng.random() < 0.1:
        return EvaluationResult(outcome=Outcome.CRASHED, error="ZeroDivisionError")
    value = -1.0 - rng.random()
    score = Score(value=value, low=value, high=value)
    stage = StageResult(stage="evaluate", scores={"score": score}, passed=True, seconds=0.01)
    return EvaluationResult(outcome=Outcome.SCORED, stages=(stage,), seconds=0.01)


if __name__ == "__main__":
    sys.exit(main())
