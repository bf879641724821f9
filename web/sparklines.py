"""Tiny pictures that the server draws, as points for an SVG polyline."""

from __future__ import annotations

from collections.abc import Sequence

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
