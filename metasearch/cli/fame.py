"""The command ``fame``: the best candidates of a campaign, and its front."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from metasearch import quantities
from metasearch.cli import ideas, records
from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.errors import UsageError
from metasearch.operators.hall_of_fame import HallOfFame
from metasearch.printable import one_line


def fame(file: Path | None, campaign: str, size: int, *, as_json: bool) -> None:
    """The hall of fame and the front, without what a person has vetoed."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        name = run.id
        if ideas.alone(run.summary()):
            raise UsageError(
                f"{name} has ideas and no candidates; 'metasearch best {name}' has the best."
            )
        objectives = run.resolved().objectives
        hall = HallOfFame(objectives, size)
        vetoed = run.marks().vetoes
        for candidate in run.candidates():
            if candidate.scored and candidate.number not in vetoed:
                hall.add(candidate)
    if not hall.best:
        raise UsageError(f"{name} has no scored candidate yet.")
    names = [objective.name for objective in objectives]
    front = {candidate.number for candidate in hall.front}
    if as_json:
        best = [
            {**(records.best_of(c, names) or {}), "front": c.number in front} for c in hall.best
        ]
        print_json({"campaign": name, "best": best, "front": sorted(front)})
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("candidate", *(one_line(name, 40) for name in names)):
        table.add_column(title, justify="right")
    for title in ("front", "operator", "name"):
        table.add_column(title)
    for candidate in hall.best:
        table.add_row(
            f"#{candidate.number}",
            *(quantities.score(candidate.scores[name]) for name in names),
            "front" if candidate.number in front else "",
            one_line(candidate.operator, 40),
            one_line(candidate.name, 60),
        )
    out = console()
    out.print(table)
    more = len(front - {candidate.number for candidate in hall.best})
    if more:
        out.print(f"\n{more} more of the front are further down: give a larger --size.")
