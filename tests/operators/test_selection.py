"""Parent choice: weights by standing and by how often a parent was tried."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.selection import parent_weights, pick, standings


def test_weights_of_a_small_population_by_hand() -> None:
    # median 2, MAD 1: sigmoid(1 * (s - 2)) / (1 + children)
    weights = parent_weights([1.0, 2.0, 3.0], [0, 0, 1], sharpness=1.0)
    assert weights == pytest.approx([0.268941, 0.5, 0.731059 / 2], abs=1e-6)


def test_equal_standing_leaves_only_the_number_of_children() -> None:
    assert parent_weights([5.0, 5.0], [0, 3], sharpness=10.0) == pytest.approx([0.5, 0.125])


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30), st.floats(0, 100))
def test_weights_are_positive_finite_and_ordered_by_standing(
    standing: list[float], sharpness: float
) -> None:
    weights = parent_weights(standing, [0] * len(standing), sharpness)
    assert all(0 < weight <= 1 for weight in weights)
    ranked = [weight for _, weight in sorted(zip(standing, weights, strict=True))]
    assert ranked == sorted(ranked)


def test_several_objectives_stand_by_dominance_never_by_a_sum() -> None:
    # The third is dominated by both others although its sum is above the first one's.
    assert standings([[0.0, 10.0], [9.0, 9.0], [8.0, 8.0]]) == [0.0, 1.0, -1.0]


def test_pick_follows_the_weights_and_the_generator() -> None:
    counts = Counter(pick("ab", [3.0, 1.0], random.Random(seed)) for seed in range(2_000))
    assert counts["a"] / 2_000 == pytest.approx(0.75, abs=0.03)
    assert pick("ab", [1.0, 1.0], random.Random(7)) == pick("ab", [1.0, 1.0], random.Random(7))
