"""How numbers are written for people: short, and never as if an unknown were a zero."""

from __future__ import annotations

from collections.abc import Mapping

from metasearch.candidate import Score


def score(value: float) -> str:
    """Seven digits: neighbouring candidates often differ late."""
    return f"{value:.7g}"


def change(value: float, since: float) -> str:
    """A signed difference."""
    return f"{value - since:+.4g}"


def interval(found: Score) -> str:
    """A score with its 95 % interval, if it is a mean of several."""
    if found.samples == 1:
        return score(found.value)
    return (
        f"{score(found.value)}  (95 % interval {score(found.low)} to {score(found.high)}, "
        f"n = {found.samples})"
    )


def count(number: int) -> str:
    """``950``, ``12.3k``, ``4.56M``."""
    if number < 10_000:
        return str(number)
    return f"{number / 1e6:.4g}M" if number >= 999_500 else f"{number / 1e3:.3g}k"


def usd(amount: float | None) -> str:
    """Dollars; an unknown price stays unknown."""
    if amount is None:
        return "USD unknown"
    return f"${amount:.2f}" if amount >= 1 or amount == 0 else f"${amount:.2g}"


def duration(seconds: float) -> str:
    """``4.2s``, ``2m31s``, ``3h05m``, ``2d04h``."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def size(number: float) -> str:
    """Bytes as ``512 MB`` or ``23.4 GB``, in powers of 1000."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if number >= 0.9995 * 1000**power:
            return f"{number / 1000**power:.3g} {unit}"
    return f"{number:.0f} B"


def outcomes(counts: Mapping[str, int]) -> str:
    """``scored 12, invalid 3``: those that occurred, in the order given."""
    return ", ".join(f"{name} {number}" for name, number in counts.items() if number) or "none yet"
