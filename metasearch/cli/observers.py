"""What a run prints while it goes on where there is no terminal: plain lines, or JSON lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from metasearch import quantities
from metasearch.campaign import Campaign
from metasearch.candidate import Candidate
from metasearch.cli import ideas, records
from metasearch.cli.console import print_json
from metasearch.cli.progress import Progress
from metasearch.facts import Idea, Recorded
from metasearch.printable import one_line

if TYPE_CHECKING:
    from metasearch.engine import Report
    from metasearch.operators.idea_board import IdeaCounts

PROGRESS_SECONDS = 5.0
"""Between two progress lines."""


def opening(campaign: Campaign, report: Report, resumed: bool) -> str:
    """The run's first line."""
    settings = campaign.settings
    model = ", ".join(settings.models.models_for("propose"))
    if report.ideas is not None:
        how = f"continues after {report.ideas.ideas} ideas" if resumed else "starts with its goal"
    else:
        done = f"continues after {report.evaluations} evaluations"
        how = done if resumed else "starts with its seed"
    return f"{report.campaign} {how}: {settings.strategy.name}, {model}"


def improvement(campaign: Campaign, candidate: Candidate, previous: float | None) -> str:
    """That a candidate is the best so far."""
    objective = campaign.objectives[0]
    value = candidate.scores[objective.name]
    gain = "" if previous is None else f" ({quantities.change(value, previous)})"
    named = f" {candidate.name}" if candidate.name else ""
    text = f"#{candidate.number}{named}: {objective.name} {quantities.score(value)}{gain}"
    return one_line(text)


def new_idea(number: int, idea: Idea) -> str:
    """That there is another idea."""
    return one_line(f"idea {number} ({idea.operator}): {idea.title}", 200)


def repeated(report: Report) -> str | None:
    """What a killed engine's calls in flight cost, if there were any."""
    if not report.repeated_calls:
        return None
    return (
        f"{report.repeated_calls} model calls were in flight when the last run died and are "
        "asked again; the provider may have billed them"
    )


class PlainLines:
    """One line for each improvement, and one every few seconds on where the run stands."""

    def __init__(self, campaign: Campaign, write: Callable[[str], None]) -> None:
        self._campaign = campaign
        self._write = write
        self._progress: Progress | None = None
        self._best: float | None = None
        self._due = 0.0

    def started(self, report: Report, resumed: bool) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._progress = Progress.start(report)
        self._due = time.monotonic() + PROGRESS_SECONDS
        self._remember(report)
        self._write(opening(self._campaign, report, resumed))
        if note := repeated(report):
            self._write(note)

    def settled(self, candidate: Candidate, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if report.best is not None and report.best.number == candidate.number:
            self._write(improvement(self._campaign, candidate, self._best))
        elif report.best is not None and self._best is None:
            self._write(f"so far {improvement(self._campaign, report.best, None)}")
        self._remember(report)
        self.progressed(report)

    def recorded(self, recorded: Recorded) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if isinstance(recorded.fact, Idea):
            self._write(new_idea(recorded.number, recorded.fact))

    def progressed(self, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if self._progress is None:
            return
        self._progress.update(report)
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PROGRESS_SECONDS
            self._write(self._line(report))

    def notice(self, text: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._write(one_line(text, 2_000))

    def finished(self, report: Report, reason: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if self._progress is not None:
            self._progress.update(report)
            self._write(self._line(report))

    def _remember(self, report: Report) -> None:
        if report.best is not None:
            self._best = report.best.scores[self._campaign.objectives[0].name]

    def _line(self, report: Report) -> str:
        assert self._progress is not None
        left = self._progress.left()
        parts = [
            *(self._measured(report) if report.ideas is None else _thought(report, report.ideas)),
            f"{quantities.count(report.usage.tokens)} tokens, {quantities.usd(report.usage.usd)}",
            quantities.duration(report.seconds),
        ]
        if left:
            parts.append(f"about {quantities.duration(left)} left")
        return "; ".join(parts)

    def _measured(self, report: Report) -> list[str]:
        best = "nothing scored"
        if report.best is not None:
            value = report.best.scores[self._campaign.objectives[0].name]
            best = f"best {quantities.score(value)} (#{report.best.number})"
        return [
            f"{_of(report.evaluations, report.budget.evaluations)} evaluations",
            best,
            quantities.outcomes(report.outcomes),
            f"{report.asking} calls and {report.evaluating} evaluations in flight",
        ]


def _thought(report: Report, counts: IdeaCounts) -> list[str]:
    return [
        f"{_of(counts.ideas, report.budget.ideas)} ideas ({counts.discarded} discarded)",
        f"best {ideas.best_text(counts)}",
        f"{counts.reviews} reviews, {counts.matches} matches",
        f"{report.asking} calls in flight",
    ]


def _of(done: int, budget: int | None) -> str:
    return f"{done}" if budget is None else f"{done}/{budget}"


class JsonLines:
    """One JSON object for each event on stdout; the command itself prints the last one."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign

    def started(self, report: Report, resumed: bool) -> None:
        """See :class:`metasearch.engine.Observer`."""
        settings = self._campaign.settings
        print_json(
            {
                "event": "started",
                "campaign": report.campaign,
                "resumed": resumed,
                "evaluations": report.evaluations,
                "strategy": settings.strategy.name,
                "model": ", ".join(settings.models.models_for("propose")),
                "objectives": dict(settings.objectives),
                "budget": report.budget.model_dump(mode="json"),
                "lanes": report.lanes,
                "repeated_calls": report.repeated_calls,
            }
        )

    def settled(self, candidate: Candidate, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        print_json(records.candidate_event(candidate, report))

    def recorded(self, recorded: Recorded) -> None:
        """See :class:`metasearch.engine.Observer`."""
        print_json({"event": "fact", **recorded.model_dump(mode="json")})

    def progressed(self, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""

    def notice(self, text: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        print_json({"event": "notice", "text": text})

    def finished(self, report: Report, reason: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
