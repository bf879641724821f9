"""Measures a priority function for online bin packing by the bins it uses.

The candidate's placements are made inside the sandbox, by ``harness.py``; here they are
checked against the streams of items, which the candidate never holds, and counted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from metasearch.evaluation import Candidate, CandidateFailure, Outcome, Split

CAPACITY = 100
BATCH = 25
"""Items that a call carries per stream, and so the most that a candidate could see ahead."""
STREAMS = {Split.VALIDATION: (range(1000, 1005), 1000), Split.TEST: (range(2000, 2005), 5000)}
"""Seeds of the streams, and items per stream."""


async def evaluate(candidate: Candidate) -> dict[str, list[float]]:
    """The excess of each stream in per cent; their mean is the score."""
    split = Split(candidate.split)
    items = streams(split)
    placed: list[list[int]] = [[] for _ in items]
    for start in range(0, len(items[0]), BATCH):
        batches = [stream[start : start + BATCH] for stream in items]
        answer = await candidate.call("harness:place", batches, CAPACITY)
        _collect(answer, batches, placed)
    rooms = [leftover(stream, bins) for stream, bins in zip(items, placed, strict=True)]
    excesses = [excess(stream, len(left)) for stream, left in zip(items, rooms, strict=True)]
    candidate.feedback(describe(excesses, rooms, split))
    return {"excess": excesses}


@lru_cache
def streams(split: Split) -> list[list[int]]:
    """The streams of a split: fixed, and different in every split."""
    seeds, length = STREAMS[split]
    return [weibull_items(seed, length) for seed in seeds]


def weibull_items(seed: int, length: int) -> list[int]:
    """Sizes of shape 3 and scale 45, rounded and clipped to 1..100."""
    rng = random.Random(seed)
    return [min(max(round(rng.weibullvariate(45, 3)), 1), CAPACITY) for _ in range(length)]


def lower_bound(items: Sequence[int]) -> int:
    """No packing uses fewer bins than this."""
    return -(-sum(items) // CAPACITY)


def excess(items: Sequence[int], bins: int) -> float:
    """Bins beyond the lower bound, in per cent of it."""
    bound = lower_bound(items)
    return 100 * (bins - bound) / bound


def _collect(answer: object, batches: list[list[int]], placed: list[list[int]]) -> None:
    """Add a call's answer to the placements, if it has the right form."""
    if not isinstance(answer, list) or len(answer) != len(batches):
        raise _invalid("the placements do not have one list per stream")
    for bins, batch, so_far in zip(answer, batches, placed, strict=True):
        if not isinstance(bins, list) or len(bins) != len(batch):
            raise _invalid("the placements do not have one bin per item")
        if not all(type(number) is int for number in bins):
            raise _invalid("the placements are not whole numbers")
        so_far.extend(bins)


def leftover(items: Sequence[int], bins: Sequence[int]) -> list[int]:
    """Room left in each bin that a placement uses.

    Raises:
        CandidateFailure: If a bin holds more than its capacity.
    """
    rooms: dict[int, int] = {}
    for size, number in zip(items, bins, strict=True):
        rooms[number] = rooms.get(number, CAPACITY) - size
    if min(rooms.values()) < 0:
        raise _invalid(f"a bin holds more than {CAPACITY}")
    return list(rooms.values())


def describe(excesses: Sequence[float], rooms: Sequence[Sequence[int]], split: Split) -> str:
    """The result beside the reference lines, and where room is wasted."""
    lefts = [left for stream in rooms for left in stream]
    parts = [(0, 0), (1, 5), (6, 15), (16, 30), (31, CAPACITY)]
    shares = [sum(low <= left <= high for left in lefts) / len(lefts) for low, high in parts]
    named = [
        f"{low}-{high}: {share:.1%}" if high else f"none: {share:.1%}"
        for (low, high), share in zip(parts, shares, strict=True)
    ]
    best, first = reference(split)
    return (
        f"Mean excess {sum(excesses) / len(excesses):.3f} % of the lower bound; on the same "
        f"streams best fit has {best:.3f} % and first fit {first:.3f} %.\n"
        f"Share of bins by the room left in them at the end: {', '.join(named)}."
    )


@lru_cache
def reference(split: Split) -> tuple[float, float]:
    """Mean excess of best fit and of first fit on a split's streams."""
    items = streams(split)
    best = [excess(stream, best_fit(stream)) for stream in items]
    first = [excess(stream, first_fit(stream)) for stream in items]
    return sum(best) / len(best), sum(first) / len(first)


def best_fit(items: Sequence[int]) -> int:
    """Bins used when each item goes where it leaves the least room."""
    bins_with = [0] * (CAPACITY + 1)  # how many bins have this much room
    for size in items:
        room = next((r for r in range(size, CAPACITY) if bins_with[r]), None)
        if room is None:
            room = CAPACITY
            bins_with[CAPACITY] += 1
        bins_with[room] -= 1
        bins_with[room - size] += 1
    return sum(bins_with)


def first_fit(items: Sequence[int]) -> int:
    """Bins used when each item goes into the oldest bin that can take it."""
    rooms = np.full(len(items), CAPACITY)
    for size in items:
        rooms[np.argmax(rooms >= size)] -= size
    return int(np.count_nonzero(rooms < CAPACITY))


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)
