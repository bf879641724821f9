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
from metasearch.operators.price import Price
from metasearch.operators.rankers import TAKEN, RankerMonitor, Ranking
from metasearch.operators.text_similarity import Transmission, transmission
from metasearch.operators.uct import rank_values

WINDOW = 50
"""Candidates in a row, if nothing else is said."""

_MEANING = f"""\
balance    B-STaR: share of useful children, up to eight a parent; falls when the search is too \
cold or too hot
better     share of accepted children that are different and better than their parent
depth      edits between the seed and the deepest scored candidate
ancestor   share of scored candidates that descend from one older candidate: 1 is a takeover
unlike     Vendi score: how many really different programs the window amounts to
nodes      mean size of the programs' syntax trees
change     of the mean of the first objective, from the parents there were to their children:
islands      because some islands had more children,
parents      because some parents inside the islands had more,
edits        by the edits themselves, whatever was selected (Price equation)
ranker     share of parents for which the ranker's first {TAKEN} of their children hold a better \
one, and what chance and a perfect ranker would reach
within     how alike the explanations of the window's edits are, in their words, from 0 to 1;
before     and how alike to those of the window before, and of the first one shown"""


@dataclass(frozen=True)
class Row:
    """One window: what the fold says, what the programs themselves do, what the ranker did."""

    window: Window
    panel: Panel
    ranking: Ranking | None
    thoughts: Transmission
    """How alike the words are in which the window's edits were explained."""


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
    table = _table("candidates", "scored", "balance", "better", "depth", "ancestor", "unlike")
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
    table = _table("candidates", "change", "islands", "parents", "edits", "ranker")
    for title in ("within", "before", "first"):
        table.add_column(title, justify="right")
    for row in rows:
        w = row.window
        alike = row.thoughts.within, row.thoughts.previous, row.thoughts.first
        shares = (f"{share:.2f}" for share in alike)
        table.add_row(f"#{w.first}-{w.last}", *_parts(w.price), _reached(row.ranking), *shares)
    out.print()
    out.print(table)
    out.print(f"\n{_MEANING}", style="bright_black")


@dataclass(frozen=True)
class Latest:
    """The latest full window, for ``status``."""

    window: Window
    ranking: Ranking | None

    def __str__(self) -> str:
        w = self.window
        ranked = "" if self.ranking is None else f", ranker {_reached(self.ranking)}"
        return (
            f"#{w.first}-{w.last}: {w.scored:.0%} scored, {w.balance.exploitation:.0%} better than "
            f"their parent, balance {w.balance.score:.2f}, depth {w.depth}, "
            f"{w.takeover.share:.0%} from one ancestor{ranked}"
        )


def latest(run: CampaignArchive, size: int = WINDOW) -> Latest | None:
    """How the search fares now; ``None`` before the first window is full."""
    monitor, rankers = _monitors(run, size)
    for fact in run.history():
        if isinstance(fact, Candidate):
            monitor.observe(fact)
            rankers.observe(fact)
        else:
            rankers.learn(fact)
    if not monitor.windows:
        return None
    return Latest(monitor.windows[-1], rankers.rankings()[-1])


def _monitors(run: CampaignArchive, size: int) -> tuple[HealthMonitor, RankerMonitor]:
    objectives = run.resolved().objectives
    return HealthMonitor(objectives, size=size), RankerMonitor(objectives, size=size)


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, justify="right")
    return table


def _parts(price: Price | None) -> list[str]:
    if price is None:
        return ["-"] * 4
    parts = (price.change, price.between, price.within, price.bias)
    return [f"{part:+.3g}" for part in parts]


def _reached(ranking: Ranking | None) -> str:
    if ranking is None:
        return "-"
    return f"{ranking.reached:.0%} ({ranking.by_chance:.0%} to {ranking.at_best:.0%})"


def _rows(run: CampaignArchive, size: int, last: int) -> Iterator[Row]:
    objectives = run.resolved().objectives
    monitor, rankers = _monitors(run, size)
    scored: list[Candidate] = []
    members: list[list[Candidate]] = [[]]
    for candidate in run.history():
        if not isinstance(candidate, Candidate):
            rankers.learn(candidate)
            continue
        monitor.observe(candidate)
        rankers.observe(candidate)
        if candidate.scored:
            scored.append(candidate)
        members[-1].append(candidate)
        if len(members[-1]) == size:
            members.append([])
    quality = _qualities(scored, objectives[0])
    shown = list(zip(monitor.windows, members, rankers.rankings(), strict=False))[-last:]
    thoughts = transmission([[c.thought for c in found if c.thought] for _, found, _ in shown])
    for (window, candidates, ranking), said in zip(shown, thoughts, strict=True):
        there = [c for c in candidates if c.digest is not None]
        texts = ["\n".join(run.program(c).files.values()) for c in there]
        told = panel(texts, [quality.get(c.number) for c in there])
        yield Row(window, told, ranking, said)


def _qualities(scored: Sequence[Candidate], objective: Objective) -> dict[int, float]:
    """Each scored candidate's rank over the whole campaign, from 0 to 1."""
    values = rank_values([objective.gain(c.scores[objective.name]) for c in scored])
    return {c.number: value for c, value in zip(scored, values, strict=True)}
