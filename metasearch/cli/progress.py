"""How far a run is: what its budget allows, what is spent, and how long the rest will take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metasearch import quantities

if TYPE_CHECKING:
    from metasearch.engine import Report


class Limit(NamedTuple):
    """One limit of the budget."""

    name: str
    spent: float
    limit: float
    text: str
    """``120/300``."""
    left: float | None
    """Seconds until it is reached at this run's pace; ``None`` if that cannot be told."""

    @property
    def share(self) -> float:
        """Of the limit, in [0, 1]."""
        return min(1.0, self.spent / self.limit) if self.limit else 1.0


@dataclass
class Progress:
    """The latest report of a run, and the first one, from which its pace is told."""

    first: Report
    latest: Report
    began: float
    """When the first report came, by the monotonic clock."""
    heard: float
    """When the latest came."""

    @classmethod
    def start(cls, report: Report) -> Progress:
        """From the report at the beginning of a run."""
        now = time.monotonic()
        return cls(report, report, now, now)

    def update(self, report: Report) -> None:
        """Take a newer report."""
        self.latest, self.heard = report, time.monotonic()

    def seconds(self) -> float:
        """Engine time of all runs together, now."""
        return self.latest.seconds + time.monotonic() - self.heard

    def limits(self) -> list[Limit]:
        """The limits that the budget sets, except for the target."""
        budget, first, latest = self.latest.budget, self.first, self.latest
        limits = []
        if latest.ideas is not None and budget.ideas is not None:
            begun = first.ideas.ideas if first.ideas else 0
            text = f"{latest.ideas.ideas}/{budget.ideas}"
            limits.append(self._limit("ideas", begun, latest.ideas.ideas, budget.ideas, text))
        if latest.ideas is None and budget.evaluations is not None:
            text = f"{latest.evaluations}/{budget.evaluations}"
            limits.append(
                self._limit(
                    "evaluations", first.evaluations, latest.evaluations, budget.evaluations, text
                )
            )
        if budget.usd is not None:
            spent = latest.usage.usd or 0.0
            text = f"{quantities.usd(latest.usage.usd)} of {quantities.usd(budget.usd)}"
            limits.append(self._limit("usd", first.usage.usd or 0.0, spent, budget.usd, text))
        if budget.tokens is not None:
            text = f"{quantities.count(latest.usage.tokens)}/{quantities.count(budget.tokens)}"
            limits.append(
                self._limit("tokens", first.usage.tokens, latest.usage.tokens, budget.tokens, text)
            )
        if budget.minutes is not None:
            end, now = budget.minutes * 60, self.seconds()
            text = f"{quantities.duration(now)} of {quantities.duration(end)}"
            limits.append(Limit("time", now, end, text, max(0.0, end - now)))
        return limits

    def left(self) -> float | None:
        """Seconds until the first limit is reached, as far as that can be told."""
        return min((x.left for x in self.limits() if x.left is not None), default=None)

    def _limit(self, name: str, first: float, spent: float, limit: float, text: str) -> Limit:
        passed, gained = time.monotonic() - self.began, spent - first
        left = None
        if gained > 0 and passed >= 1.0:
            left = max(0.0, (limit - spent) * passed / gained)
        return Limit(name, spent, limit, text, left)
