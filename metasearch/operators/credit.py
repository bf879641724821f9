"""What an operator has earned: credit for progress, and a choice by it.

Repairs are credited as in SCoRe (*Training Language Models to Self-Correct via Reinforcement
Learning*, arXiv 2409.12917): for what they changed, not only for where they ended. The choice
is UCB1 (Auer, Cesa-Bianchi and Fischer 2002).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Repair:
    """One attempt to mend or refine a program."""

    before: float
    """Reward of the program that was to be repaired, 0 to 1; 0 if it failed."""
    after: float
    changed: bool = True
    """False for an edit that left the program as it was, whatever was measured then."""

    @property
    def progress(self) -> float:
        """What the repair changed; nothing if it changed nothing."""
        return self.after - self.before if self.changed else 0.0

    def credit(self, weight: float = 1.0) -> float:
        """``r(after) + a (r(after) - r(before))``; below 0 for breaking what worked.

        Args:
            weight: a, how much progress counts beside the end state.
        """
        return (self.after if self.changed else self.before) + weight * self.progress


@dataclass
class Credits:
    """Rewards by operator; a fold."""

    pulls: dict[str, int] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)

    def observe(self, operator: str, reward: float) -> None:
        """Fold in one use of an operator."""
        self.pulls[operator] = self.pulls.get(operator, 0) + 1
        self.totals[operator] = self.totals.get(operator, 0.0) + reward

    def mean(self, operator: str) -> float:
        """Mean reward; 0 for one that was never used."""
        pulls = self.pulls.get(operator, 0)
        return self.totals[operator] / pulls if pulls else 0.0

    def index(self, operator: str, exploration: float = 1.0) -> float:
        """``mean + e sqrt(2 ln n / n_k)``; infinite for one that was never used.

        Args:
            operator: Which one.
            exploration: e, the range of rewards; 1 for those from 0 to 1.
        """
        pulls = self.pulls.get(operator, 0)
        if not pulls:
            return math.inf
        n = sum(self.pulls.values())
        return self.mean(operator) + exploration * math.sqrt(2 * math.log(n) / pulls)

    def choose(self, operators: Sequence[str], exploration: float = 1.0) -> str:
        """The operator of the largest index; the first of them on ties."""
        return max(operators, key=lambda operator: self.index(operator, exploration))
