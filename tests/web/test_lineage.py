"""The laid out tree: properties that hold for any campaign."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metasearch.web.lineage import NONE, Tree, lay_out


def laid(
    numbers: Sequence[int],
    parents: Sequence[int],
    gains: Sequence[float | None],
    keep: Sequence[int],
) -> Tree:
    known = [float("nan") if gain is None else gain for gain in gains]
    return lay_out(
        np.array(numbers, np.int64), np.array(parents, np.int64), np.array(known, float), keep
    )


@st.composite
def families(draw: st.DrawFn) -> tuple[list[int], list[int], list[float | None], list[int]]:
    numbers = draw(st.lists(st.integers(0, 200), unique=True, max_size=60))
    parents = [draw(st.sampled_from([NONE, *numbers, 999])) for _ in numbers]
    gains = [draw(st.none() | st.floats(-5, 5)) for _ in numbers]
    keep = draw(st.lists(st.sampled_from(numbers), max_size=8)) if numbers else []
    return numbers, parents, gains, keep


@given(families())
def test_all_that_must_be_is_drawn_with_its_ancestors(
    family: tuple[list[int], list[int], list[float | None], list[int]],
) -> None:
    tree = laid(*family)
    drawn = {node.number for node in tree.nodes}
    assert set(family[3]) <= drawn
    assert all(node.parent == NONE or node.parent in drawn for node in tree.nodes)
    assert all(node.parent < node.number for node in tree.nodes)


@given(families())
def test_nothing_is_counted_twice_or_lost(
    family: tuple[list[int], list[int], list[float | None], list[int]],
) -> None:
    numbers, parents, _, _ = family
    tree = laid(*family)
    drawn = {node.number for node in tree.nodes}
    above = {
        n: p if p < n and p in set(numbers) else NONE for n, p in zip(numbers, parents, strict=True)
    }

    def home(number: int) -> int:
        while number != NONE and number not in drawn:
            number = above[number]
        return number

    folded = [home(number) for number in numbers if number not in drawn]
    for node in tree.nodes:
        assert node.folded == folded.count(node.number)


@given(families())
def test_a_lane_is_one_line_of_descent(
    family: tuple[list[int], list[int], list[float | None], list[int]],
) -> None:
    tree = laid(*family)
    by_lane: dict[int, list[int]] = {}
    parents = {node.number: node.parent for node in tree.nodes}
    for node in tree.nodes:
        by_lane.setdefault(node.lane, []).append(node.number)
    assert sorted(by_lane) == list(range(tree.lanes))
    for line in by_lane.values():
        assert all(parents[child] == parent for parent, child in itertools.pairwise(line))


def test_the_largest_family_keeps_the_lane() -> None:
    tree = laid([0, 1, 2, 3, 4], [NONE, 0, 0, 2, 3], [1.0, 2.0, None, 3.0, 4.0], [1, 4])
    lanes = {node.number: node.lane for node in tree.nodes}
    assert lanes == {0: 0, 2: 0, 3: 0, 4: 0, 1: 1}


def test_what_is_folded_tells_its_best() -> None:
    tree = laid([0, 1, 2, 3], [NONE, 0, 1, 0], [1.0, None, 7.0, 3.0], [0])
    (node,) = tree.nodes
    assert (node.folded, node.folded_best) == (3, 7.0)


def test_a_long_line_needs_no_deep_stack() -> None:
    count = 50_000
    tree = laid(range(count), range(-1, count - 1), [1.0] * count, [count - 1])
    assert (len(tree.nodes), tree.lanes) == (count, 1)
