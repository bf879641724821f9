"""Many calls at once against a budget in USD: how much more than the budget is spent.

    python -m benchmarks.overshoot [--runs 200] [--calls 64]

Each run draws its budget, prices, reply lengths, limits, latency and faults anew, asks over
real HTTP, and compares the server's own bill with the budget.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable

from benchmarks.faults import FAULTS
from benchmarks.workload import verdict
from metasearch.campaign import ModelSection, Price
from metasearch.errors import BudgetExhausted, ModelError
from metasearch.exchange import Message
from metasearch.models import Backoff, Ledger, MemoryJournal, ModelClient
from metasearch.testing.model_server import Break, Fault, ModelServer

QUICK_FAULTS = tuple(f for f in FAULTS if f.kind not in (Break.STALL, Break.DRIP))


async def one_run(seed: int, calls: int) -> tuple[float, float, Counter[str]]:
    """What the server billed beyond the budget, the budget's used share, and how calls ended."""
    rng = random.Random(seed)
    price = Price(input=rng.uniform(0.1, 20.0), output=rng.uniform(0.1, 80.0))
    limit = rng.randint(20, 400)
    # From less than one call's worth to more than all of them need.
    usd = 10 ** rng.uniform(-0.5, 2) * (300 * price.input + limit * price.output) / 1e6
    share = rng.choice([0.0, 0.2])
    replies = ["x" * rng.randint(1, 4 * limit) for _ in range(calls)]
    faults = _faults(rng.random(), share)
    outcomes: Counter[str] = Counter()
    journal, ledger = MemoryJournal(), Ledger(usd=usd)
    with ModelServer(replies, latency=rng.uniform(0, 0.02), faults=faults, record=False) as server:
        settings = ModelSection(
            default="openai/test",
            api_base=server.url,
            max_tokens=limit,
            retries=3,
            prices={"openai/test": price},
        )
        waits = Backoff(first=0.01, longest=0.05, longest_asked=0.05)
        client = ModelClient(settings, journal, ledger, seed, calls, backoff=waits)

        async def ask(step: int) -> None:
            prompt = [Message(role="user", content="y" * random.Random(step).randint(1, 800))]
            try:
                await client.ask(step=step, call=0, role="propose", messages=prompt)
                outcomes["answered"] += 1
            except BudgetExhausted:
                outcomes["no budget left"] += 1
            except ModelError:
                outcomes["failed"] += 1

        async with client:
            await asyncio.gather(*(ask(step) for step in range(calls)))
        counts = server.counts
        billed = (counts.input_tokens * price.input + counts.output_tokens * price.output) / 1e6
    spent = journal.usage().usd or 0.0
    if ledger.reserved_tokens or spent < billed - 1e-9:
        raise SystemExit(f"run {seed}: {spent} USD on record, {billed} by the server")
    return max(0.0, spent - usd, billed - usd), spent / usd, outcomes


def _faults(seed: float, share: float) -> Callable[[int], Fault | None]:
    def fault(number: int) -> Fault | None:
        rng = random.Random(f"{seed}/{number}")
        return rng.choice(QUICK_FAULTS) if rng.random() < share else None

    return fault


def main() -> int:
    """Run them all; the exit status says whether no budget was overrun."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--calls", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    worst, full, endings = 0.0, 0, Counter[str]()
    for seed in range(chosen.seed, chosen.seed + chosen.runs):
        over, share, outcomes = asyncio.run(one_run(seed, chosen.calls))
        worst = max(worst, over)
        full += outcomes["no budget left"] > 0 and share > 0.5
        endings += outcomes
    print(f"{chosen.runs} runs of {chosen.calls} calls: {dict(endings)}")
    print(f"{full} runs ended for want of budget with more than half of it spent")
    # Sums of floats: a millionth of a cent is nothing.
    return 0 if verdict("USD beyond the budget, at worst", worst, 1e-8) else 1


if __name__ == "__main__":
    sys.exit(main())
