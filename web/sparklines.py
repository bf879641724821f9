"""Tiny pictures that the server draws, as points for an SVG polyline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT, MARGIN = 60, 16, 1.5
"""Pixels."""


def step_line(points: Sequence[tuple[int, float]], end: int) -> str:
    """The best so far as a step line, for ``<polyline points="...">``.

    Args:
        points: Evaluations and score at each improvement, in their order.
        end: Evaluations up to now: the last score holds until then.
    """
    if not points:
        return ""
    first, last = points[0][0], max(end, points[-1][0])
    scores = [score for _, score in points]
    low, high = min(scores), max(scores)
    places = []
    before: float | None = None
    for evaluations, score in [*points, (last, scores[-1])]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (evaluations - first) / max(1, last - first)
        share = (score - low) / (high - low) if high > low else 0.5
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share
        if before is not None and before != y:
            places.append(f"{x:.1f},{before:.1f}")
        places.append(f"{x:.1f},{y:.1f}")
        before = y
    return " ".join(places)


class SmallChart(NamedTuple):
    """A curve without axes, and what stands at its ends."""

    points: str
    """For ``<polyline points="...">`` in a box of :data:`BOX`."""
    low: float
    high: float


BOX = (240, 72)
"""Width and height that small charts are drawn in."""


def curve(
    xs: Sequence[float],
    ys: Sequence[float],
    end: float,
    *,
    steps: bool,
    low: float | None = None,
    high: float | None = None,
) -> SmallChart:
    """A curve over 0 to ``end``, as wide and high as its box.

    Args:
        xs: Rising.
        ys: As many.
        end: Of the x axis: steps go on until there.
        steps: Whether a value holds until the next one, or the points are joined.
        low: Of the y axis, for charts that are compared; by default the smallest value.
        high: Likewise, the largest.
    """
    low = min(ys) if low is None else low
    high = max(ys) if high is None else high
    width, height = BOX[0] - 4, BOX[1] - 8

    def spot(x: float, y: float) -> str:
        share = (y - low) / (high - low) if high > low else 0.5
        return f"{2 + width * min(1.0, x / (end or 1)):.1f},{4 + height * (1 - share):.1f}"

    places = [spot(xs[0], ys[0])]
    for before, x, y in zip(ys, xs[1:], ys[1:], strict=False):
        if steps:
            places.append(spot(x, before))
        places.append(spot(x, y))
    if steps:
        places.append(spot(end, ys[-1]))
    return SmallChart(" ".join(places), low, high)


def ticks(xs: Sequence[float], end: float) -> str:
    """Marks at the lower edge of a small chart, for ``<path d="...">``: one a pixel at most."""
    width, height = BOX
    places = sorted({round(2 + (width - 4) * min(1.0, x / (end or 1))) for x in xs})
    return " ".join(f"M{place} {height - 10}V{height}" for place in places)
