"""The command ``cost``: a campaign's bill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.table import Table

from metasearch.archive import Cost, Grouping
from metasearch.cli import quantities
from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.cli.terminal_text import one_line

_TITLES = (
    "calls",
    "in vain",
    "refused",
    "tokens in",
    "cached",
    "tokens out",
    "thinking",
    "USD",
    "time",
)


def cost(file: Path | None, campaign: str, *, as_json: bool) -> None:
    """The whole bill, and its parts by model, role and operator."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        parts = {by: run.costs(by) for by in get_args(Grouping)}
        usage, held = run.usage(), run.held()
    if as_json:
        print_json(
            {
                "campaign": run.id,
                "usage": usage.model_dump(mode="json"),
                "held_usd": held.usd,
                "held_tokens": held.tokens,
                **{f"by_{by}": [_record(line) for line in lines] for by, lines in parts.items()},
            }
        )
        return
    out = console()
    total = f"{quantities.usd(usage.usd)}, {quantities.count(usage.tokens)} tokens"
    if held.tokens:
        total += (
            f"; perhaps {quantities.usd(held.usd)} and {quantities.count(held.tokens)} tokens more "
            "for calls that were lost with an engine"
        )
    out.print(f"{one_line(run.id)} has cost {total}.", soft_wrap=True)
    for by, lines in parts.items():
        out.print(_table(by, lines))


def _table(by: str, lines: Sequence[Cost]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(by)
    for title in _TITLES:
        table.add_column(title, justify="right")
    for line in lines:
        usage = line.usage
        table.add_row(
            one_line(line.name),
            str(line.calls),
            str(line.vain),
            str(line.refused),
            quantities.count(usage.input_tokens),
            quantities.count(usage.cached_tokens),
            quantities.count(usage.output_tokens),
            quantities.count(usage.reasoning_tokens),
            quantities.usd(usage.usd),
            quantities.duration(usage.seconds),
        )
    return table


def _record(line: Cost) -> dict[str, object]:
    return {
        "name": line.name,
        "calls": line.calls,
        "vain": line.vain,
        "refused": line.refused,
        **line.usage.model_dump(mode="json"),
        "held_usd": line.held_usd,
    }
