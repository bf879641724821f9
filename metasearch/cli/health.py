"""The command ``health``: whether a search still explores, gains and stays diverse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.errors import UsageError
from metasearch.objectives import Objective
from metasearch.operators.health import HealthMonitor, Window
from metasearch.operators.panel import Panel, panel
from metasearch.operators.uct import rank_values

_MEANING = """\
balance    B-STaR: share of useful children, up to eight a parent; falls when the search is too \
cold or too hot
better     share of accepted children that are different and better than their parent
depth      edits between the seed and the deepest scored candidate
ancestor   share of scored candidates that descend from one older candidate: 1 is a takeover
unlike     Vendi score: how many really different programs the window amounts to
nodes      mean size of the programs' syntax trees"""


@dataclass(frozen=True)
class Row:
    """One window: what the fold says, and what the programs themselves do."""

    window: Window
    panel: Panel


def health(file: Path | None, campaign: str, size: int, last: int, *, as_json: bool) -> None:
    """A row for each window of settled candidates, the latest at the end."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        name = run.id
        if not run.resolved().measures:
            raise UsageError(f"{name} has ideas and no candidates, so nothing to tell here.")
        rows = list(_rows(run, size, last))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    out = console()
    if not rows:
        out.print(f"{name} has fewer than {size} settled candidates: choose a smaller --window.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("candidates", "scored", "balance", "better", "depth", "ancestor", "unlike"):
        table.add_column(title, justify="right")
    table.add_column("nodes", justify="right")
    for row in rows:
        w = row.window
        table.add_row(
            f"#{w.first}-{w.last}",
            f"{w.scored:.0%}",
            f"{w.balance.score:.2f}",
            f"{w.balance.exploitation:.0%}",
            str(w.depth),
            f"{w.takeover.share:.0%}",
            f"{row.panel.vendi:.1f} of {row.panel.count}",
            "-" if row.panel.nodes is None else f"{row.panel.nodes:.0f}",
        )
    out.print(table)
    out.print(f"\n{_MEANING}", style="bright_black")


def _rows(run: CampaignArchive, size: int, last: int) -> Iterator[Row]:
    objectives = run.resolved().objectives
    monitor = HealthMonitor(objectives, size=size)
    scored: list[Candidate] = []
    members: list[list[Candidate]] = [[]]
    for candidate in run.candidates():
        monitor.observe(candidate)
        if candidate.scored:
            scored.append(candidate)
        members[-1].append(candidate)
        if len(members[-1]) == size:
            members.append([])
    quality = _qualities(scored, objectives[0])
    shown = list(zip(monitor.windows, members, strict=False))[-last:]
    for window, candidates in shown:
        there = [c for c in candidates if c.digest is not None]
        texts = ["\n".join(run.program(c).files.values()) for c in there]
        yield Row(window, panel(texts, [quality.get(c.number) for c in there]))


def _qualities(scored: Sequence[Candidate], objective: Objective) -> dict[int, float]:
    """Each scored candidate's rank over the whole campaign, from 0 to 1."""
    values = rank_values([objective.gain(c.scores[objective.name]) for c in scored])
    return {c.number: value for c, value in zip(scored, values, strict=True)}
