"""Small pictures for ``candidate.attach``: curves and tables of counts, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP = 420, 240, 56, 28
_CELL = 34
_COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#475569")
_TEXT = 'font-family="sans-serif" font-size="11" fill="#475569"'


def curves(title: str, series: Mapping[str, Sequence[float]], across: str) -> str:
    """Lines over one axis of steps 1, 2, 3, ..., with a legend.

    Args:
        title: Stands above the picture.
        series: Name -> values, one for each step; those that are not finite are left out.
        across: What a step is, such as ``epoch``.
    """
    finite = [value for values in series.values() for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    steps = max(map(len, series.values()), default=1)
    parts = [_words(_LEFT, 16, title)]
    parts += [_words(4, _TOP + 8, f"{high:.4g}"), _words(4, _HEIGHT - 32, f"{low:.4g}")]
    parts += [_words(_LEFT, _HEIGHT - 12, f"{across} 1"), _words(_WIDTH - 24, _HEIGHT - 12, steps)]
    parts.append(
        f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - 28}H{_WIDTH - 12}" fill="none" stroke="#94a3b8"/>'
    )
    for place, (name, values) in enumerate(series.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        points = " ".join(
            f"{_across(step, steps):.1f},{_down(value, low, high):.1f}"
            for step, value in enumerate(values)
            if math.isfinite(value)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(_words(_WIDTH - 90, _TOP + 14 * place + 8, name, colour))
    return _picture(_WIDTH, _HEIGHT, parts)


def counts(title: str, table: Sequence[Sequence[int]], rows: str, columns: str) -> str:
    """A square table of counts, such as a confusion matrix; larger ones are darker.

    Args:
        title: Stands above the picture.
        table: A row of counts for each class.
        rows: What the rows are.
        columns: What the columns are.
    """
    size = len(table)
    most = max((count for row in table for count in row), default=0) or 1
    parts = [_words(4, 16, title), _words(4, 34, f"rows: {rows}, columns: {columns}")]
    for i in range(size):
        parts.append(_words(_CELL * (i + 1) + 10, 54, i))
        parts.append(_words(10, 60 + _CELL * i + 22, i))
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            x, y = _CELL * (j + 1), 60 + _CELL * i
            shade = 0.08 + 0.92 * count / most if count else 0
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" '
                f'fill="#2563eb" fill-opacity="{shade:.2f}" stroke="#cbd5e1"/>'
            )
            if count:
                colour = "#ffffff" if shade > 0.5 else "#334155"
                parts.append(_words(x + 7, y + 21, count, colour))
    return _picture(_CELL * (size + 1) + 4, 64 + _CELL * size, parts)


def _across(step: int, steps: int) -> float:
    return _LEFT + (_WIDTH - 12 - _LEFT) * (step / (steps - 1) if steps > 1 else 0.5)


def _down(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return _HEIGHT - 28 - (_HEIGHT - 28 - _TOP) * share


def _words(x: float, y: float, text: object, colour: str = "#475569") -> str:
    shown = "".join(c if c.isprintable() else "?" for c in str(text)[:200])
    style = _TEXT.replace("#475569", colour)
    return f'<text x="{x}" y="{y}" {style}>{escape(shown)}</text>'


def _picture(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><rect width="100%" height="100%" fill="#ffffff"/>'
        f"{''.join(parts)}</svg>\n"
    )
