"""Where the bandits spend: a simulated pair of models of known quality and price.

Each proposal improves with its model's probability and costs its price, 30 % more or less.
A share is what the model with more improvements per USD got of the money. For each pair it
is taken over the first 200 proposals and over the 200 after them; printed are the median and
the 10 % quantile over the seeds. ``fading`` halves all probabilities every 200 proposals, as
a search does that comes to its end. ``fewest`` is how often the worse model was asked in the
last half of 2,000 proposals, at least: it must never be given up for good.

    python -m benchmarks.bandit [--seeds 200]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metasearch.exchange import Usage
from metasearch.models.bandit import Arm, History, Pull, thompson, ucb

LIMIT = 0.8
"""Of the spending after 200 proposals, at the median."""

Chooser = Callable[[History, Sequence[Arm], float, random.Random], Arm]
CHOOSERS: dict[str, Chooser] = {"ucb": ucb, "thompson": thompson}


@dataclass(frozen=True)
class Pair:
    """Two models; the better value first."""

    name: str
    better: tuple[float, float]
    """Probability of an improvement, and price in USD."""
    worse: tuple[float, float]
    fading: bool = False


PAIRS = (
    Pair("twice as likely at 5 times the price", (0.1, 0.01), (0.2, 0.05)),
    Pair("the same, rare improvements", (0.05, 0.01), (0.1, 0.05)),
    Pair("the reverse: 5 times as likely at twice the price", (0.25, 0.02), (0.05, 0.01)),
    Pair("the same, frequent improvements", (0.5, 0.02), (0.1, 0.01)),
    Pair("twice as likely at a fifth of the price", (0.1, 0.01), (0.05, 0.05)),
    Pair("fading: twice as likely at 5 times the price", (0.2, 0.01), (0.4, 0.05), True),
    Pair("fading: 5 times as likely at twice the price", (0.5, 0.02), (0.1, 0.01), True),
)


def spending(
    pair: Pair, choose: Chooser, seed: int, proposals: int, in_flight: int = 1
) -> list[tuple[bool, float]]:
    """Of each proposal: whether it went to the better model, and its cost."""
    rng = random.Random(seed)
    arms = {Arm("better"): pair.better, Arm("worse"): pair.worse}
    history = History(memory=500)
    spent: list[tuple[bool, float]] = []
    under_way: deque[Pull] = deque()
    for number in range(proposals):
        arm = choose(history, list(arms), 0.25, rng)
        likely, price = arms[arm]
        if pair.fading:
            likely *= 0.5 ** (number / 200)
        usage = Usage(usd=price * rng.uniform(0.7, 1.3))
        under_way.append(Pull(arm, rng.random() < likely, usage))
        spent.append((arm.model == "better", usage.usd or 0.0))
        if len(under_way) == in_flight:
            history = history.after(under_way.popleft())
    return spent


def share(spent: Sequence[tuple[bool, float]]) -> float:
    """What the better model got of the money."""
    return sum(usd for better, usd in spent if better) / sum(usd for _, usd in spent)


def main() -> int:
    """Simulate all pairs and compare with the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--in-flight", type=int, default=1)
    chosen = parser.parse_args()
    good = True
    print(f"{'':52}{'':10}{'first 200':>16}{'201 to 400':>16}{'fewest':>8}")
    for pair in PAIRS:
        for name, choose in CHOOSERS.items():
            runs = [
                spending(pair, choose, seed, 400, chosen.in_flight) for seed in range(chosen.seeds)
            ]
            early = sorted(share(run[:200]) for run in runs)
            late = sorted(share(run[200:]) for run in runs)
            long = (spending(pair, choose, seed, 2000) for seed in range(chosen.seeds // 10))
            fewest = min(sum(not better for better, _ in run[1000:]) for run in long)
            good &= fewest > 0 and (pair.fading or statistics.median(late) >= LIMIT)
            print(f"{pair.name:52}{name:10}{_spread(early):>16}{_spread(late):>16}{fewest:>8}")
    return 0 if good else 1


def _spread(shares: Sequence[float]) -> str:
    return f"{statistics.median(shares):.0%} / {shares[len(shares) // 10]:.0%}"


if __name__ == "__main__":
    sys.exit(main())
