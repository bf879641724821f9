"""The live picture of a run on a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metasearch import quantities
from metasearch.campaign import Campaign
from metasearch.candidate import Candidate
from metasearch.cli import ideas
from metasearch.cli.observers import improvement, new_idea, opening, repeated
from metasearch.cli.plot import step_plot
from metasearch.cli.progress import Progress
from metasearch.facts import Idea, Recorded
from metasearch.printable import one_line

if TYPE_CHECKING:
    from metasearch.engine import Report

REFRESHES = 4
"""Per second."""

_NOTICES = 4
_PLOT_HEIGHT = 8

_COLOURS = {
    "scored": "green",
    "invalid": "yellow",
    "rejected": "bright_black",
}
"""Of outcomes; the others are red."""


@dataclass
class Picture:
    """What the dashboard knows; drawn anew at every refresh."""

    campaign: Campaign
    title: str = ""
    progress: Progress | None = None
    notices: tuple[str, ...] = ()
    """Replaced, never changed: another thread draws."""

    def add_notice(self, text: str) -> None:
        """Show a line; the oldest makes room."""
        self.notices = (*self.notices, text)[-_NOTICES:]

    def draw(self, width: int, height: int) -> RenderableType:
        """The picture for a terminal of this size."""
        if self.progress is None:
            return Text("checking model, evaluator and sandbox …", style="bright_black")
        report = self.progress.latest
        parts: list[RenderableType] = [
            Text(self.title, style="bold", no_wrap=True, overflow="ellipsis")
        ]
        rest = 10 + len(self.notices) + len(self.progress.limits())
        if report.curve and height - rest >= 3:
            parts.append(self._plot(report, width, min(_PLOT_HEIGHT, height - rest)))
        parts += [self._facts(report), *self._notices()]
        return Group(*parts)

    def _plot(self, report: Report, width: int, height: int) -> RenderableType:
        values = [quantities.score(value) for _, value in report.curve]
        margin = max(len(text) for text in values) + 1
        lines, high, low = step_plot(
            report.curve, report.evaluations, max(10, width - margin - 2), height
        )
        plot = Table.grid(padding=(0, 1))
        plot.add_column(justify="right", style="bright_black", min_width=margin - 1)
        plot.add_column(style="cyan", no_wrap=True)
        for index, line in enumerate(lines):
            at_top, at_bottom = index == 0, index == height - 1
            value = high if at_top else low if at_bottom and high != low else None
            plot.add_row("" if value is None else quantities.score(value), line)
        return plot

    def _facts(self, report: Report) -> RenderableType:
        assert self.progress is not None
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="bright_black", no_wrap=True)
        facts.add_column(overflow="fold")
        if report.ideas is not None:
            facts.add_row("best", ideas.best_text(report.ideas))
            facts.add_row("so far", ideas.counts_text(report.ideas))
        else:
            facts.add_row("best", self._best(report))
            facts.add_row("candidates", _outcomes(report.outcomes))
            facts.add_row("lanes", _lanes(report))
        usage = report.usage
        facts.add_row(
            "model",
            f"{report.asking} calls in flight, {quantities.count(usage.tokens)} tokens, "
            f"{quantities.usd(usage.usd)}",
        )
        facts.add_row("time", quantities.duration(self.progress.seconds()))
        for limit in self.progress.limits():
            row = Table.grid(padding=(0, 1))
            left = "" if limit.left is None else f"about {quantities.duration(limit.left)} left"
            bar = ProgressBar(total=1.0, completed=limit.share, width=30)
            row.add_row(bar, limit.text, Text(left, style="bright_black"))
            facts.add_row(limit.name, row)
        return facts

    def _best(self, report: Report) -> Text:
        if report.best is None:
            return Text("nothing scored yet")
        text = Text()
        for index, objective in enumerate(self.campaign.objectives):
            value = report.best.scores[objective.name]
            text.append(", " if index else "")
            text.append(f"{objective.name} {quantities.score(value)}", style="bold green")
        text.append(f"  #{report.best.number}")
        if report.best.number and report.curve:
            first = self.campaign.objectives[0].name
            gain = quantities.change(report.best.scores[first], report.curve[0][1])
            text.append(f"  {gain} over the seed", style="bright_black")
        if report.budget.target is not None:
            text.append(f"  target {quantities.score(report.budget.target)}", style="bright_black")
        return text

    def _notices(self) -> list[RenderableType]:
        return [
            Text(text, style="bright_black", no_wrap=True, overflow="ellipsis")
            for text in self.notices
        ]


class Dashboard:
    """An observer that keeps a :class:`Picture` on the terminal until it is left."""

    def __init__(self, campaign: Campaign, console: Console) -> None:
        self.picture = Picture(campaign)
        self._console = console
        self._campaign = campaign
        self._best: float | None = None
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=REFRESHES,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def started(self, report: Report, resumed: bool) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self.picture.title = one_line(opening(self._campaign, report, resumed))
        self.picture.progress = Progress.start(report)
        self._remember(report)
        if note := repeated(report):
            self.notice(note)

    def settled(self, candidate: Candidate, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if report.best is not None and report.best.number == candidate.number:
            self.notice(improvement(self._campaign, candidate, self._best))
        self._remember(report)
        self.progressed(report)

    def recorded(self, recorded: Recorded) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if isinstance(recorded.fact, Idea):
            self.notice(new_idea(recorded.number, recorded.fact))

    def progressed(self, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        if self.picture.progress is not None:
            self.picture.progress.update(report)

    def notice(self, text: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self.picture.add_notice(one_line(text, 500))

    def finished(self, report: Report, reason: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self.progressed(report)

    def _remember(self, report: Report) -> None:
        if report.best is not None:
            self._best = report.best.scores[self._campaign.objectives[0].name]

    def _draw(self) -> RenderableType:
        size = self._console.size
        return self.picture.draw(size.width, size.height)


def _lanes(report: Report) -> str:
    busy = min(report.evaluating, report.lanes)
    waiting = report.evaluating - busy
    return f"{busy} of {report.lanes} busy" + (f", {waiting} waiting" if waiting else "")


def _outcomes(counts: dict[str, int]) -> Text:
    text = Text()
    for name, number in counts.items():
        if number:
            text.append("  " if text else "")
            text.append(f"{name} {number}", style=_COLOURS.get(name, "red"))
    return text or Text("none yet")
