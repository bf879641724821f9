"""A process that asks models until it is killed: ``asker.py ARCHIVE SERVER STEPS``.

Asks one question in each step, eight at once, prints the step of each reply, and takes up
after a killed one as the engine does.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from metasearch.archive import Archive
from metasearch.campaign import ModelSection
from metasearch.exchange import Message
from metasearch.models import Ledger, ModelClient


async def ask_all(file: Path, server: str, steps: int) -> None:
    settings = ModelSection(default="openai/test", api_base=server, max_tokens=100)
    with Archive.open(file) as archive:
        run = archive.campaign(archive.find("asked").id)
        run.mark_lost()
        held = run.held()
        ledger = Ledger(
            tokens=100_000, spent=run.usage(), held_usd=held.usd, held_tokens=held.tokens
        )
        unfinished = [step.number for step in run.unfinished_steps()]
        client = ModelClient(settings, run, ledger, seed=1, concurrency=8)

        async def one(step: int) -> None:
            question = [Message(role="user", content=f"question {step}")]
            await client.ask(step=step, call=0, role="propose", messages=question)
            run.end_step(step)

        async def lane() -> None:
            while unfinished:
                await one(unfinished.pop(0))
            while (step := run.open_step().number) < steps:
                await one(step)

        await asyncio.gather(*(lane() for _ in range(8)))
        await client.close()


if __name__ == "__main__":
    asyncio.run(ask_all(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
