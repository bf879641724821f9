"""The command ``facts``: what strategies have recorded besides candidates."""

from __future__ import annotations

import difflib
from pathlib import Path

from rich.table import Table

from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.errors import UsageError
from metasearch.facts import KINDS
from metasearch.printable import one_line


def facts(file: Path | None, campaign: str, kind: str | None, *, as_json: bool) -> None:
    """All recorded facts, or those of one kind, oldest first."""
    if kind is not None and kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(KINDS)}."
        raise UsageError(f"There is no kind of fact {kind!r}; {hint}")
    with opened(file) as archive:
        run = archive.campaign(campaign)
        found = [r for r in run.all_facts() if kind in (None, r.fact.kind)]
    if as_json:
        print_json([recorded.model_dump(mode="json") for recorded in found])
        return
    if not found:
        console().print(f"{run.id} has recorded no {kind or 'fact'} besides its candidates.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("fact", "step", "kind", "what"):
        table.add_column(title)
    for recorded in found:
        table.add_row(
            str(recorded.number),
            str(recorded.step),
            recorded.fact.kind,
            one_line(str(recorded.fact), 100),
        )
    console().print(table)
