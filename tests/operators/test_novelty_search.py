"""Novelty by hand, and the trap that fitness never leaves and novelty always does."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.novelty_search import (
    NoveltyArchive,
    blend,
    novelty,
    stagnation_weight,
)

Point = tuple[float, float]


def test_mean_distance_to_the_nearest_by_hand() -> None:
    assert novelty([(0.0,), (1.0,)], [(3.0,), (9.0,)], 2) == pytest.approx([2.0, 1.5])
    assert novelty([(0.0,), (1.0,)], [(3.0,)], 50) == pytest.approx([2.0, 1.5])
    assert novelty([(2.0, 2.0)], [(2.0, 2.0)]) == [0.0]


def test_who_is_alone_is_infinitely_novel() -> None:
    assert novelty([(1.0, 2.0)], []) == [math.inf]
    assert novelty([], [(1.0,)]) == []


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        novelty([(math.nan,)], [])


@given(
    st.lists(
        st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6)),
        min_size=2,
        max_size=12,
    ),
    st.integers(1, 12),
)
def test_novelty_is_the_mean_over_sorted_distances(points: list[Point], k: int) -> None:
    found = novelty(points[:2], points[2:], k)
    for i, value in enumerate(found):
        others = sorted(math.dist(points[i], p) for j, p in enumerate(points) if j != i)[:k]
        assert value == pytest.approx(math.fsum(others) / len(others))


def test_huge_behaviours_do_not_overflow() -> None:
    assert novelty([(1e300, 0.0), (-3e300, 3e300)], []) == pytest.approx([5e300, 5e300])


def test_the_archive_remembers_a_random_share() -> None:
    archive = NoveltyArchive(probability=0.05)
    rng = random.Random(3)
    kept = [archive.offer((float(i),), rng) for i in range(4_000)]
    assert sum(kept) == len(archive.behaviours) == pytest.approx(200, abs=50)


def test_the_archive_stays_bounded_and_up_to_date() -> None:
    archive = NoveltyArchive(probability=1.0, capacity=50)
    rng = random.Random(4)
    for i in range(1_000):
        archive.offer((float(i),), rng)
    assert len(archive.behaviours) == 50
    assert max(behaviour[0] for behaviour in archive.behaviours) == 999.0


def test_blend_moves_from_fitness_to_novelty() -> None:
    gains, novelties = [1.0, 2.0, 3.0], [9.0, 5.0, math.inf]
    assert blend(gains, novelties, 0.0) == [0.0, 0.5, 1.0]
    assert blend(gains, novelties, 1.0) == [0.5, 0.0, 1.0]
    assert blend(gains, novelties, 0.5) == pytest.approx([0.25, 0.25, 1.0])


def test_stagnation_raises_the_weight_up_to_1() -> None:
    weights = [stagnation_weight(stagnant, 10, base=0.2) for stagnant in (0, 5, 10, 99)]
    assert weights == pytest.approx([0.2, 0.6, 1.0, 1.0])


GOAL = (0.8, 0.0)
WALLS = [((0.3, -0.5), (0.3, 0.5)), ((-0.5, 0.5), (0.3, 0.5)), ((-0.5, -0.5), (0.3, -0.5))]


def side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def walk(a: Point, rng: random.Random) -> Point:
    """A random step inside the square; a wall stops it where it began."""
    b = tuple(max(-1.0, min(1.0, v + rng.gauss(0, 0.08))) for v in a)
    step = (b[0], b[1])
    blocked = any(
        side(a, step, p) * side(a, step, q) <= 0 and side(p, q, a) * side(p, q, step) <= 0
        for p, q in WALLS
    )
    return a if blocked else step


def leaves_the_trap(seed: int, *, by_novelty: bool) -> bool:
    """Whether 20 walkers that start in a U reach the goal behind its closed end."""
    rng = random.Random(seed)
    population: list[Point] = [(0.0, 0.0)] * 20
    archive = NoveltyArchive(probability=0.05)
    for _ in range(200):
        children = [walk(parent, rng) for parent in population for _ in range(2)]
        if any(math.dist(child, GOAL) <= 0.1 for child in children):
            return True
        everyone = [*population, *children]
        if by_novelty:
            scores = novelty(everyone, archive.behaviours, 10)
        else:
            scores = [-math.dist(point, GOAL) for point in everyone]
        for child in children:
            archive.offer(child, rng)
        order = sorted(range(len(everyone)), key=lambda i: -scores[i])
        population = [everyone[i] for i in order[:20]]
    return False


@pytest.mark.slow
def test_novelty_leaves_the_trap_in_every_run_and_fitness_in_none() -> None:
    assert sum(leaves_the_trap(seed, by_novelty=False) for seed in range(20)) == 0
    assert sum(leaves_the_trap(seed, by_novelty=True) for seed in range(20)) == 20
