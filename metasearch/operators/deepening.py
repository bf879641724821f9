"""Budgets that grow geometrically until the work is done: iterative deepening.

After *Iterative Deepening Sampling for Large Language Models*. Nobody knows
beforehand what a task needs (tokens, repair rounds, fidelity). Growing budgets cost at most
``g^2 / (g - 1)`` times what one would spend who knew. Between two budgets the model is asked
to look for its mistake, and goes on from what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

MOST_TURNS = 30
"""Repair turns of one proposal, whatever the limit."""


@dataclass(frozen=True)
class Deepening:
    """The budgets ``b_k = start * growth^k``, as long as their sum stays within the limit."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    start: float
    """Above 0, in any unit."""
    growth: float = 2.0
    """Above 1."""
    limit: float = float("inf")
    """Of all budgets together."""

    def __post_init__(self) -> None:
        if not self.start > 0 or not self.growth > 1:
            raise ValueError(
                f"budgets begin above 0 and grow by more than 1, not from {self.start} "
                f"by {self.growth}"
            )

    def budgets(self) -> Iterator[float]:
        """One after the other; the first one comes even if it is over the limit."""
        budget, spent = self.start, 0.0
        while not spent or spent + budget <= self.limit:
            yield budget
            spent += budget
            budget *= self.growth

    def needed(self, budget: float) -> list[float]:
        """The budgets spent on a task that needs so much, the last of them enough for it.

        Between them the model was asked ``len - 1`` times to find its mistake. If the limit
        comes first, the last one is not enough.
        """
        spent = []
        for given in self.budgets():
            spent.append(given)
            if given >= budget:
                break
        return spent

    def turns(self) -> list[bool]:
        """The repair turns that the budgets allow, each with whether the work is re-examined in it.

        That is the first turn of each budget but the first one. A budget of so many turns is
        rounded down, but is at least one.
        """
        found: list[bool] = []
        for number, budget in enumerate(self.budgets()):
            if len(found) >= MOST_TURNS:
                break
            found += [number > 0, *[False] * (max(1, int(budget)) - 1)]
        return found[:MOST_TURNS]


Repairs = Annotated[int, Field(ge=0, le=10)] | Deepening
"""Repair turns of a proposal: so many to correct an edit that cannot be used; or growing budgets
of turns until the program works."""


def repair_turns(repairs: Repairs) -> list[bool]:
    """For each repair turn whether the work is re-examined in it."""
    return repairs.turns() if isinstance(repairs, Deepening) else [False] * repairs
