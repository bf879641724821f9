"""The tree of a campaign's candidates, laid out: which are drawn, where, and what is folded away.

Above some thousands nobody can read a tree of all. Drawn is a skeleton: those that matter and
all their ancestors. Everything else is a count on the nearest ancestor that is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.integer]
Real = npt.NDArray[np.floating]

NONE = -1
"""In place of a parent: it has none."""


class Node(NamedTuple):
    """A candidate that is drawn."""

    number: int
    parent: int
    """Its main one, or :data:`NONE`."""
    lane: int
    folded: int
    """Descendants that are not drawn and have no nearer drawn ancestor."""
    folded_best: float | None
    """The largest gain among those."""


class Tree(NamedTuple):
    """A skeleton in lanes."""

    nodes: tuple[Node, ...]
    """By number."""
    lanes: int


def lay_out(numbers: Whole, parents: Whole, gains: Real, keep: Iterable[int]) -> Tree:
    """Choose what is drawn, count what is not, and give each a lane.

    The child with the largest drawn subtree keeps its parent's lane, the others open new ones.

    Args:
        numbers: All candidates.
        parents: The main one of each; :data:`NONE` without. One that is not older than its
            child, or not among the numbers, counts as none.
        gains: Of each, larger is better; NaN without a score.
        keep: Numbers that must be drawn, with all their ancestors.
    """
    if not len(numbers):
        return Tree((), 0)
    order = np.argsort(numbers)
    ordered, gain = numbers[order], gains[order]
    above = _places_of_parents(ordered, parents[order])
    drawn = _with_ancestors(above, np.searchsorted(ordered, list(keep)))
    counts, bests = _fold(above, gain, drawn)
    shown = np.flatnonzero(drawn).tolist()
    lanes = _lanes({place: int(above[place]) for place in shown})
    nodes = tuple(
        Node(
            number=int(ordered[place]),
            parent=NONE if above[place] == NONE else int(ordered[above[place]]),
            lane=lanes[place],
            folded=int(counts[place]),
            folded_best=None if np.isnan(bests[place]) else float(bests[place]),
        )
        for place in shown
    )
    return Tree(nodes, max(lanes.values(), default=-1) + 1)


def _places_of_parents(ordered: Whole, parents: Whole) -> Whole:
    """Where each one's parent stands among all; :data:`NONE` without."""
    places = np.minimum(np.searchsorted(ordered, parents), len(ordered) - 1)
    known = (ordered[places] == parents) & (parents < ordered)
    return np.where(known, places, NONE)


def _with_ancestors(above: Whole, keep: Whole) -> npt.NDArray[np.bool_]:
    drawn = np.zeros(len(above), bool)
    for start in keep:
        place = start
        while place != NONE and not drawn[place]:
            drawn[place] = True
            place = above[place]
    return drawn


def _fold(above: Whole, gain: Real, drawn: npt.NDArray[np.bool_]) -> tuple[Whole, Real]:
    """How many hang folded on each one that is drawn, and the best gain among those."""
    home = np.where(drawn | (above == NONE), np.arange(len(above)), above)
    while not np.array_equal(further := home[home], home):
        home = further  # twice as far up each time
    folded = ~drawn & drawn[home]
    counts = np.bincount(home[folded], minlength=len(above))
    bests = np.full(len(above), np.nan)
    np.fmax.at(bests, home[folded], gain[folded])
    return counts, bests


def _lanes(above: dict[int, int]) -> dict[int, int]:
    """Depth first, from the oldest root on; ``above`` goes from old to young."""
    sizes = dict.fromkeys(above, 1)
    children: dict[int, list[int]] = {}
    for number in reversed(above):
        parent = above[number]
        if parent != NONE:
            sizes[parent] += sizes[number]
        children.setdefault(parent, []).append(number)
    lanes: dict[int, int] = {}
    opened = 0
    waiting: list[int] = []
    # The latest child comes first in these lists; taken from the end, the oldest is laid first.
    roots = children.get(NONE, [])
    waiting.extend(roots)
    while waiting:
        number = waiting.pop()
        lane = opened
        opened += 1
        line: int | None = number
        while line is not None:
            lanes[line] = lane
            below = children.get(line, [])
            heir = max(below, key=lambda child: (sizes[child], -child), default=None)
            waiting.extend(child for child in below if child != heir)
            line = heir
    return lanes
