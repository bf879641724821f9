"""A small step plot of the best score so far, in block characters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"


def step_plot(
    curve: Sequence[tuple[int, float]], end: int, width: int, height: int
) -> tuple[list[str], float, float]:
    """Lines of a filled plot, highest first, and the values of its top and bottom.

    Args:
        curve: (position, value) of each change, in order; at least one.
        end: Position of the right edge.
        width: Columns.
        height: Lines.
    """
    positions = [position for position, _ in curve]
    start, end = positions[0], max(end, positions[-1])
    samples = [
        curve[max(0, bisect_right(positions, _at(column, width, start, end)) - 1)][1]
        for column in range(width)
    ]
    values = [value for _, value in curve]
    low, high = min(values), max(values)
    levels = [_level(value, low, high, height * 8) for value in samples]
    lines = [
        "".join(_BLOCKS[min(8, max(0, level - 8 * row))] for level in levels)
        for row in reversed(range(height))
    ]
    return lines, high, low


def _at(column: int, width: int, start: int, end: int) -> int:
    """The position that a column stands for; the last column is the right edge."""
    return start + (end - start) * column // max(1, width - 1)


def _level(value: float, low: float, high: float, levels: int) -> int:
    """Eighths of a line; the lowest value still shows."""
    if high <= low:
        return levels // 2
    # Halves, so that the span of two huge values does not overflow.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return 1 + round(share * (levels - 1))
