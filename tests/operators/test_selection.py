"""Parent choice: weights by standing and by how often a parent was tried, tournaments, mates."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.selection import (
    boltzmann_weights,
    ideal_mate,
    parent_weights,
    pick,
    score_child_weights,
    standings,
    tournament,
)


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


def test_score_child_weights_of_the_darwin_goedel_machine() -> None:
    # The initial agent and A, B, C, as the reference implementation weighs them.
    weights = score_child_weights([0.2, 0.3, 0.5, 0.4], [2, 0, 1, 0])
    assert weights == pytest.approx([0.015809, 0.119203, 0.25, 0.268941], abs=1e-6)
    shares = [weight / sum(weights) for weight in weights]
    assert shares == pytest.approx([0.024174, 0.182281, 0.382290, 0.411255], abs=1e-6)


def test_who_has_nothing_left_to_solve_is_no_parent() -> None:
    weights = score_child_weights([1.0, 0.1], [0, 5])
    assert {pick("ab", weights, random.Random(seed)) for seed in range(50)} == {"b"}
    assert score_child_weights([1.0], [0]) == [0.0]
    assert score_child_weights([], []) == []


@pytest.mark.parametrize("accuracy", [-0.1, 1.5, math.nan])
def test_an_accuracy_is_a_share(accuracy: float) -> None:
    with pytest.raises(ValueError, match="share from 0 to 1"):
        score_child_weights([accuracy], [0])


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.floats(1e-3, 1e9))
def test_boltzmann_weights_are_ordered_and_the_best_has_one(
    standing: list[float], temperature: float
) -> None:
    weights = boltzmann_weights(standing, temperature)
    assert max(weights) == 1
    assert min(weights) >= 0
    ranked = [weight for _, weight in sorted(zip(standing, weights, strict=True))]
    assert ranked == sorted(ranked)


def test_boltzmann_by_hand() -> None:
    assert boltzmann_weights([0.0, 1.0], 0.5) == pytest.approx([math.exp(-2), 1.0])
    assert boltzmann_weights([0.0, 1.0], 1e12) == pytest.approx([1.0, 1.0])
    with pytest.raises(ValueError, match="above 0"):
        boltzmann_weights([1.0], 0.0)


def test_a_larger_tournament_presses_harder() -> None:
    standing = [float(i) for i in range(10)]

    def mean_winner(size: int) -> float:
        rng = random.Random(5)
        return statistics.mean(tournament(standing, size, rng) for _ in range(2_000))

    # E[max of k uniform draws from 0..9]: 4.5, 6.15, 7.79 for k = 1, 2, 5.
    assert mean_winner(1) == pytest.approx(4.5, abs=0.2)
    assert mean_winner(2) == pytest.approx(6.15, abs=0.2)
    assert mean_winner(5) == pytest.approx(7.79, abs=0.2)


def test_the_mate_is_the_closest_of_those_met() -> None:
    places = [[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]]
    rng = random.Random(0)
    assert ideal_mate([4.0, 4.0], places, 9, rng) == 2
    met = Counter(ideal_mate([4.0, 4.0], places, 1, rng) for _ in range(300))
    assert all(60 < met[i] < 140 for i in range(3))


Mating = Literal["fitness", "random", "ideal"]


def spread_after_mating(mating: Mating, rng: random.Random) -> tuple[float, float]:
    """Mean pairwise distance and best fitness after 60 generations on a function of many hills."""

    def fitness(x: list[float]) -> float:
        return sum(math.cos(3 * math.pi * v) - 0.05 * v * v for v in x)

    def uniform() -> list[float]:
        return [rng.uniform(-3, 3), rng.uniform(-3, 3)]

    def cross(a: list[float], b: list[float]) -> list[float]:
        return [u if rng.random() < 0.5 else v for u, v in zip(a, b, strict=True)]

    def mutate(x: list[float], deviation: float) -> list[float]:
        return [v + rng.gauss(0, deviation) if rng.random() < 0.3 else v for v in x]

    places, ideals = [uniform() for _ in range(60)], [uniform() for _ in range(60)]
    for _ in range(60):
        standing = [fitness(x) for x in places]
        pairs = []
        for _ in range(60):
            first = tournament(standing, 5, rng)
            if mating == "fitness":
                second = tournament(standing, 5, rng)
            elif mating == "random":
                second = rng.randrange(60)
            else:
                second = ideal_mate(ideals[first], places, 5, rng)
            pairs.append((first, second))
        places, ideals = (
            [mutate(cross(places[a], places[b]), 0.03) for a, b in pairs],
            [mutate(cross(ideals[a], ideals[b]), 0.3) for a, b in pairs],
        )
    apart = [math.dist(a, b) for i, a in enumerate(places) for b in places[:i]]
    return statistics.mean(apart), max(map(fitness, places))


@pytest.mark.slow
def test_ideal_mates_keep_diversity_at_no_cost_of_fitness() -> None:
    def average(mating: Mating) -> tuple[float, float]:
        runs = [spread_after_mating(mating, random.Random(seed)) for seed in range(30)]
        return statistics.mean(r[0] for r in runs), statistics.mean(r[1] for r in runs)

    ideal, by_chance, by_fitness = average("ideal"), average("random"), average("fitness")
    assert ideal[0] > 5 * by_chance[0] > 5 * by_fitness[0]
    assert max(ideal[1], by_chance[1], by_fitness[1]) - ideal[1] < 0.04
