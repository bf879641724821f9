"""The command ``cost``: a campaign's bill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.table import Table

from metasearch import quantities
from metasearch.archive import CampaignArchive, Cost, Grouping
from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.exchange import Usage
from metasearch.printable import one_line

_TITLES = (
    *("calls", "in vain", "refused", "tokens in", "from cache", "to cache", "tokens out"),
    *("thinking", "USD", "time"),
)
_GROUPINGS: tuple[Grouping, ...] = ("model", "role", "operator")
"""Those that are shown unless one is asked for: the others may have many lines."""


def cost(file: Path | None, campaign: str, by: str | None, *, as_json: bool) -> None:
    """The whole bill, and its parts: in one grouping, or in the short ones."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        wanted = _GROUPINGS if by is None else [g for g in get_args(Grouping) if g == by]
        parts = {name: run.costs(name) for name in wanted}
        usage, held, saved = run.usage(), run.held(), saved_by_caches(run)
    if as_json:
        print_json(
            {
                "campaign": run.id,
                "usage": usage.model_dump(mode="json"),
                "held_usd": held.usd,
                "held_tokens": held.tokens,
                "saved_by_caches_usd": saved,
                **{f"by_{name}": [_record(line) for line in parts[name]] for name in parts},
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
    if usage.cached_tokens or usage.cache_write_tokens:
        out.print(_caching(usage, saved), soft_wrap=True)
    for name, lines in parts.items():
        out.print(_table(name, lines))


def saved_by_caches(run: CampaignArchive) -> float | None:
    """USD that providers' caches took off a campaign's bill; ``None`` if a price is unknown."""
    from metasearch.models.prices import FREE, saved

    prices, total = run.resolved().settings.models.prices, 0.0
    for model, usage in run.cached_calls():
        price = FREE if model.startswith("offline/") else prices.get(model)
        took_off = saved(price, usage)
        if took_off is None:
            return None
        total += took_off
    return total


def _caching(usage: Usage, saved: float | None) -> str:
    share = usage.cached_tokens / usage.input_tokens if usage.input_tokens else 0.0
    text = f"Caches of providers gave {share:.0%} of the input tokens"
    if saved is None:
        return f"{text}; what that saved is unknown, because a price is."
    if saved < 0:
        return f"{text}, but what was put into them cost {quantities.usd(-saved)} more than that."
    return f"{text} and saved {quantities.usd(saved)}."


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
            quantities.count(usage.cache_write_tokens),
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
