"""What a campaign's ensembles have brought so far, for ``status``."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table

from metasearch import quantities
from metasearch.archive import CampaignArchive
from metasearch.printable import one_line

_SHOWN_PER = {"usd": ("USD", 1.0), "tokens": ("M tokens", 1e6), "seconds": ("hour", 3600.0)}


class Line(NamedTuple):
    """One arm of one role; its fields are the keys of ``status --json``."""

    role: str
    model: str
    temperature: float | None
    operator: str | None
    pulls: int
    """Settled proposals that came of it."""
    improvements: int
    usd: float | None
    """Of all calls that led to these."""
    unit: str
    """What share and value count: ``usd``, or ``tokens`` or ``seconds`` without prices."""
    share: float
    """Of the role's spending."""
    value: float | None
    """Improvements per unit."""
    value_low: float | None
    """Lower end of the 95 % interval."""
    value_high: float | None


def lines_of(run: CampaignArchive) -> list[Line]:
    """One for each arm that any proposal came of, role by role, the largest share first."""
    if not run.summary().settings.models.ensembles:
        return []
    from metasearch.models.bandit import value
    from metasearch.models.ensemble import learned

    lines = []
    for role, history in learned(run).histories.items():
        unit = history.unit
        spent = sum(tally.cost(unit) for tally in history.total.values())
        for arm, tally in history.total.items():
            worth = value(tally, unit) or (None, None, None)
            line = Line(
                role,
                arm.model,
                arm.temperature,
                arm.operator,
                round(tally.pulls),
                round(tally.improvements),
                None if tally.unpriced else tally.usd,
                unit,
                tally.cost(unit) / spent if spent else 0.0,
                *worth,
            )
            lines.append(line)
    return sorted(lines, key=lambda line: (line.role, -line.share))


def table_of(lines: list[Line]) -> Table:
    """The same for people."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("role", "model", "temperature", "operator"):
        table.add_column(title)
    for title in ("proposals", "improved", "USD", "spent", "improvements for the cost (95 %)"):
        table.add_column(title, justify="right")
    for line in lines:
        table.add_row(
            line.role,
            one_line(line.model, 40),
            "" if line.temperature is None else f"{line.temperature:g}",
            one_line(line.operator or "", 40),
            str(line.pulls),
            str(line.improvements),
            quantities.usd(line.usd),
            f"{line.share:.0%}",
            _value(line),
        )
    return table


def _value(line: Line) -> str:
    if line.value is None or line.value_low is None or line.value_high is None:
        return ""
    unit, factor = _SHOWN_PER[line.unit]
    mean, low, high = (factor * v for v in (line.value, line.value_low, line.value_high))
    return f"{mean:.3g} per {unit} ({low:.3g} to {high:.3g})"
