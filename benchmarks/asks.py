"""What it costs to ask through the sandbox: an ask's way beside the same call made directly.

    python -m benchmarks.asks [--count 200]

A candidate in a bubblewrap sandbox asks a local HTTP server that answers at once, by way of
worker, engine, journal and litellm; then this process asks the same server by the model
client alone. The difference is what the broker adds to an ask.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from metasearch.archive import Archive
from metasearch.campaign import AgentSection, Campaign, CampaignFile, ModelSection
from metasearch.engine.broker import Broker
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.exchange import Message
from metasearch.models import Ledger, ModelClient
from metasearch.program import Program
from metasearch.testing.model_server import ModelServer

LIMIT = 0.005
"""Seconds that the broker may add to an ask, by the median."""

PROGRAM = """
import time
import metasearch_runner

def main(count):
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        metasearch_runner.ask(f"question {number}")
        seconds.append(time.perf_counter() - began)
    return seconds
"""

EVALUATOR = """
async def evaluate(candidate):
    candidate.feedback(" ".join(map(str, await candidate.call("main", COUNT))))
    return {"score": 1.0}
"""


async def measure(count: int, folder: Path, server: ModelServer) -> tuple[list[float], list[float]]:
    """Seconds of each ask from inside, and of each direct call."""
    sources = {"evaluator.py": EVALUATOR.replace("COUNT", str(count))}
    seed = Program(files={"program.py": PROGRAM})
    campaign = Campaign(
        name="asks",
        folder=folder,
        settings=CampaignFile.model_validate({"task": "t", "objectives": {"score": "maximize"}}),
        seed_program=seed,
        evaluator_files=sources,
    )
    settings = ModelSection(default="openai/test", api_base=server.url)
    with Archive.open(folder / "archive.db", create=True) as archive:
        run = archive.create(campaign)
        run.open_step()
        run.queue_candidate(0, 0, seed, operator="seed")
        spec = EvaluationSpec(
            objectives={"score": "maximize"},
            file="evaluator.py",
            sources=sources,
            asks_at_once=1,
        )
        client = ModelClient(settings, run, Ledger(), seed=0, concurrency=1)
        caps = AgentSection(calls=count, tokens=None)
        async with client, Broker(client, caps) as broker, EvaluationPool(spec, 1) as pool:
            await client.check(["agent"])
            direct = []
            for number in range(count):
                question = [Message(role="user", content=f"direct {number}")]
                began = time.perf_counter()
                await client.ask(step=0, call=number, role="agent", messages=question)
                direct.append(time.perf_counter() - began)
            request = EvaluationRequest(number=0, files=seed.files)
            result = await pool.evaluate(request, lambda: broker.attend(0, 0))
            if result.error:
                raise RuntimeError(result.error)
            return [float(word) for word in result.feedback.split()], direct


def main() -> None:
    """Measure and compare with the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    count = parser.parse_args().count
    with TemporaryDirectory() as folder, ModelServer("yes", record=False) as server:
        inside, direct = asyncio.run(measure(count, Path(folder), server))
    # The first ones open connections.
    asked, called = (statistics.median(times[10:]) for times in (inside, direct))
    print(f"{count} asks: median {asked * 1e3:.2f} ms from inside a sandbox")
    print(f"  {called * 1e3:.2f} ms by the model client alone")
    print(f"  the broker adds {(asked - called) * 1e3:.2f} ms (limit {LIMIT * 1e3:.0f} ms)")
    sys.exit(asked - called > LIMIT)


if __name__ == "__main__":
    main()
