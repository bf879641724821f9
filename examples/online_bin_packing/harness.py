"""Runs the candidate's priority function, beside it inside the sandbox.

Items come in small batches and the bins are kept between the calls, so that what has not
arrived yet is not in this process either. All that is returned is the bin of each item; the
evaluator, outside, checks and counts.
"""

from __future__ import annotations

import numpy as np
from program import priority  # type: ignore[import-not-found]  # it lies beside, inside

_rooms: dict[int, np.ndarray] = {}
"""Room left in each bin of each stream; the last bin is always a new, empty one."""


def place(batches: list[list[int]], capacity: int) -> list[list[int]]:
    """Place the next items of every stream; returns the number of the bin of each item."""
    with np.errstate(all="ignore"):
        return [_place(stream, items, capacity) for stream, items in enumerate(batches)]


def _place(stream: int, items: list[int], capacity: int) -> list[int]:
    before = _rooms.get(stream, np.empty(0))
    # At most one bin is opened per item, and one empty bin is always on offer.
    rooms = np.concatenate([before, np.full(len(items) + 1, float(capacity))])
    used = max(len(before) - 1, 0)
    chosen = []
    for item in items:
        (fitting,) = (rooms[: used + 1] >= item).nonzero()
        scores = np.asarray(priority(float(item), rooms[fitting]))
        if scores.shape != fitting.shape:
            raise ValueError(
                f"priority returned shape {scores.shape} for {len(fitting)} bins; "
                "it must return one number per bin"
            )
        best = scores.argmax()
        if np.isnan(scores[best]):  # argmax takes the first NaN, if there is one
            raise ValueError("priority returned NaN")
        place = int(fitting[best])
        rooms[place] -= item
        used = max(used, place + 1)
        chosen.append(place)
    _rooms[stream] = rooms[: used + 1].copy()
    return chosen
