"""Processor time of a model call in our own layer: journal, budget, redaction, routing, retries.

    python -m benchmarks.calls [--count 1000]

A provider that answers at once stands in the place of litellm and the network; the archive is a
real one, on a disk. Prompts have about 8,000 characters and replies 2,000.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.workload import verdict
from metasearch.archive import Archive
from metasearch.campaign import Campaign, CampaignFile, ModelSection
from metasearch.exchange import Message, Usage
from metasearch.models import Ledger, ModelClient, loading
from metasearch.models.attempt import Completion, Sampling, Target
from metasearch.models.provider import Provider
from metasearch.program import Program

LIMIT_MS = 2.0
WARM_UP = 50


class Instant(Provider):
    """Answers at once, another text each time."""

    def __init__(self) -> None:
        super().__init__(litellm=None)
        self.answered = 0

    def target(self, model: str, api_base: str | None) -> Target:
        """Any name will do."""
        return Target(model, "instant", api_base, None)

    def price_entry(self, model: str) -> Mapping[str, Any] | None:
        """USD per token."""
        return {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        timeout: float,  # noqa: ASYNC109 - as the real one
        stall: float | None = None,
    ) -> Completion:
        """A reply of 2,000 characters."""
        self.answered += 1
        text = f"{self.answered} ".ljust(2000, "x")
        return Completion(text, "stop", Usage(input_tokens=2000, output_tokens=500))

    async def close(self) -> None:
        """Nothing is open."""


async def measure(count: int, folder: Path, instant: Instant) -> float:
    """Seconds of processor time that a call takes."""
    loading._loaded = instant  # where litellm would be, once loaded
    campaign = Campaign(
        name="calls",
        folder=folder,
        settings=CampaignFile.model_validate({"task": "t", "objectives": {"score": "maximize"}}),
        seed_program=Program(files={"program.py": ""}),
        evaluator_files={},
    )
    with Archive.open(folder / "archive.db", create=True) as archive:
        run = archive.create(campaign)
        models = ModelClient(
            ModelSection(default="instant/test", fallback={"default": "instant/other"}),
            run,
            Ledger(usd=1e6),
            seed=0,
            concurrency=1,
        )
        async with models:
            began = 0.0
            for number in range(WARM_UP + count):
                if number == WARM_UP:
                    began = time.process_time()
                step = run.open_step().number
                prompt = [
                    Message(role="system", content="You improve programs. " * 90),
                    Message(role="user", content=f"{number} ".ljust(6000, "y")),
                ]
                await models.ask(step=step, call=0, role="propose", messages=prompt)
            return (time.process_time() - began) / count


def main() -> int:
    """Measure and compare with the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    instant = Instant()
    with TemporaryDirectory() as folder:
        seconds = asyncio.run(measure(count, Path(folder), instant))
    if instant.answered != WARM_UP + count:
        raise SystemExit(f"{instant.answered} answers for {WARM_UP + count} calls")
    return 0 if verdict("CPU ms per call, our own layer", seconds * 1e3, LIMIT_MS) else 1


if __name__ == "__main__":
    sys.exit(main())
