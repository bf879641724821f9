"""The command ``insights``: what a campaign remembers of what it has learnt."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from metasearch.archive import CampaignArchive
from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.operators.experience import Experience, experience_of
from metasearch.printable import one_line


def insights(file: Path | None, campaign: str, *, as_json: bool) -> None:
    """The memory as it is now, the most useful insights first."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        name = run.id
        experience = remembered(run)
    entries = experience.memory.entries
    order = sorted(entries, key=lambda number: (-entries[number].utility, number))
    if as_json:
        print_json(
            [
                {
                    "fact": number,
                    "text": entries[number].text,
                    "wins": entries[number].wins,
                    "trials": entries[number].trials,
                    "utility": round(entries[number].utility, 6),
                    "evidence": list(experience.learnt[number].evidence),
                    "source": experience.learnt[number].source,
                    "shortcut": experience.learnt[number].shortcut is not None,
                }
                for number in order
            ]
        )
        return
    out = console()
    if not order:
        out.print(f"{name} remembers no insight.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("fact", justify="right")
    table.add_column("wins", justify="right")
    for title in ("from", "what"):
        table.add_column(title)
    for number in order:
        entry, insight = entries[number], experience.learnt[number]
        shown = ", ".join(f"#{candidate}" for candidate in insight.evidence[:3])
        table.add_row(
            str(number),
            f"{entry.wins} of {entry.trials}",
            one_line(insight.source or shown),
            one_line(entry.text, 600),
        )
    out.print(table)
    forgotten = len(experience.learnt) - len(entries)
    if forgotten:
        out.print(f"\n{forgotten} more were replaced, or forgotten because they did not help.")


def remembered(run: CampaignArchive) -> Experience:
    """What a campaign has learnt, folded from its archive."""
    return experience_of(run.resolved().objectives, run.history())


def summary(run: CampaignArchive) -> str:
    """The memory in a line; empty if the campaign has recorded no insight."""
    if not run.facts("insight", 1):
        return ""
    experience = remembered(run)
    entries = experience.memory.entries.values()
    trials = sum(entry.trials for entry in entries)
    return (
        f"{len(entries)} remembered of {len(experience.learnt)} learnt, tried {trials} times "
        f"('metasearch insights {run.id}')"
    )
