"""The tree of a campaign's candidates, laid out: which are drawn, where, and what is folded away.

Above some thousands nobody can read a tree of all. Drawn is a skeleton: those that matter and
all their ancestors. Everything else is a count on the nearest ancestor that is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


def lay_out(
    numbers: Sequence[int],
    parents: Sequence[int],
    gains: Sequence[float | None],
    keep: Iterable[int],
) -> Tree:
    """Choose what is drawn, count what is not, and give each a lane.

    The child with the largest drawn subtree keeps its parent's lane, the others open new ones.

    Args:
        numbers: All candidates.
        parents: The main one of each; :data:`NONE` without. One that is not older than its
            child, or not among the numbers, counts as none.
        gains: Of each, larger is better; ``None`` without a score.
        keep: Numbers that must be drawn, with all their ancestors.
    """
    order = sorted(range(len(numbers)), key=lambda place: numbers[place])
    known = set(numbers)
    above = {
        numbers[place]: parents[place]
        if parents[place] < numbers[place] and parents[place] in known
        else NONE
        for place in order
    }
    gain = {numbers[place]: gains[place] for place in order}
    drawn = _with_ancestors(above, keep)
    counts, bests = _fold(above, gain, drawn)
    shown = [number for number in above if number in drawn]
    lanes = _lanes({number: above[number] for number in shown})
    nodes = tuple(
        Node(number, above[number], lanes[number], counts.get(number, 0), bests.get(number))
        for number in shown
    )
    return Tree(nodes, max(lanes.values(), default=-1) + 1)


def _with_ancestors(above: dict[int, int], keep: Iterable[int]) -> set[int]:
    drawn: set[int] = set()
    for number in keep:
        while number in above and number not in drawn:
            drawn.add(number)
            number = above[number]
    return drawn


def _fold(
    above: dict[int, int], gain: dict[int, float | None], drawn: set[int]
) -> tuple[dict[int, int], dict[int, float]]:
    """Numbers and best gains of what hangs folded on each candidate."""
    counts: dict[int, int] = {}
    bests: dict[int, float] = {}
    for number in reversed(above):
        parent = above[number]
        if number in drawn or parent == NONE:
            continue
        counts[parent] = counts.get(parent, 0) + counts.get(number, 0) + 1
        known = [
            found
            for found in (gain[number], bests.get(number), bests.get(parent))
            if found is not None
        ]
        if known:
            bests[parent] = max(known)
    return counts, bests


def _lanes(above: dict[int, int]) -> dict[int, int]:
    """Depth first, from the oldest root on; ``above`` goes by number."""
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
