"""What the engine tells while it runs: a snapshot for displays, and a call per happening."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from metasearch.campaign import Budget
from metasearch.candidate import Candidate
from metasearch.exchange import Usage
from metasearch.facts import Recorded

if TYPE_CHECKING:
    from metasearch.operators.idea_board import IdeaCounts


@dataclass(frozen=True)
class Report:
    """Where a running campaign stands. Taken from the archive's facts and live counters."""

    campaign: str
    """The campaign's id."""
    budget: Budget
    evaluations: int
    outcomes: dict[str, int]
    best: Candidate | None
    usage: Usage
    seconds: float
    """Engine time of all runs together."""
    asking: int
    """Model calls in flight."""
    evaluating: int
    """Evaluations running or waiting for a lane."""
    lanes: int
    repeated_calls: int = 0
    """Calls that were in flight when an engine died and had to be asked again."""
    curve: tuple[tuple[int, float], ...] = field(default=())
    """(evaluations, first objective) at each improvement of this run."""
    ideas: IdeaCounts | None = None
    """In a campaign of ideas alone, which has no candidates to tell of."""


class Observer(Protocol):
    """Listens to an engine. Called in the engine's loop: must be quick and never raise."""

    def started(self, report: Report, resumed: bool) -> None:
        """The campaign is open; nothing has been asked or evaluated in this run yet."""

    def settled(self, candidate: Candidate, report: Report) -> None:
        """A candidate's outcome is in the archive."""

    def recorded(self, recorded: Recorded) -> None:
        """In a campaign of ideas alone, a fact is in the archive."""

    def progressed(self, report: Report) -> None:
        """Time has passed: told a few times a second."""

    def notice(self, text: str) -> None:
        """Something a person should know, in one line."""

    def finished(self, report: Report, reason: str) -> None:
        """The run has ended and all is stored."""


class Silent:
    """An observer that does not listen."""

    def started(self, report: Report, resumed: bool) -> None:
        """Ignore."""

    def settled(self, candidate: Candidate, report: Report) -> None:
        """Ignore."""

    def recorded(self, recorded: Recorded) -> None:
        """Ignore."""

    def progressed(self, report: Report) -> None:
        """Ignore."""

    def notice(self, text: str) -> None:
        """Ignore."""

    def finished(self, report: Report, reason: str) -> None:
        """Ignore."""
