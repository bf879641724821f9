"""Credit for repairs: what one is worth to the bandit that chooses among operators.

As in SCoRe (*Training Language Models to Self-Correct via Reinforcement Learning*, arXiv
2409.12917), a repair is credited for what it changed, not only for where it ended.
"""

from __future__ import annotations

from dataclasses import dataclass


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

    def share(self, weight: float = 1.0) -> float:
        """The credit as a reward from 0 to 1: as a share of the most there is, 0 if negative.

        Args:
            weight: As for :meth:`credit`.
        """
        return max(0.0, self.credit(weight)) / (1 + weight)
