"""Schedules stretch with the budget, and a learned one beats every constant."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.schedule import Progress, explore_probability, learn_exponent


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_a_longer_budget_stretches_the_schedule(share: float) -> None:
    short, long = Progress.of(50 * share, 50), Progress.of(500 * share, 500)
    probability = explore_probability(short, 0.8, 1.5)
    assert probability == pytest.approx(explore_probability(long, 0.8, 1.5))
    assert probability == pytest.approx(0.8 * (1 - share) ** 1.5)
    assert (short.scale, long.scale) == (math.log(50), math.log(500))


@given(st.floats(0, 2), st.floats(0, 1), st.floats(0, 10))
def test_probabilities_fall_from_the_base(spent: float, base: float, exponent: float) -> None:
    now = explore_probability(Progress.of(spent, 1), base, exponent)
    later = explore_probability(Progress.of(spent + 0.1, 1), base, exponent)
    assert 0 <= later <= now <= base
    assert explore_probability(Progress.of(spent, 1), base, 0) == base


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Progress.of(0, 0)


def two_phases(base: float, exponent: float, budget: int, rng: random.Random) -> float:
    """Mean reward of a bandit: a random arm while exploring, else the best one known."""
    means = [rng.gauss(0, 1) for _ in range(20)]
    totals, pulls = [0.0] * 20, [0] * 20
    rewards = []
    for done in range(budget):
        if not done or rng.random() < explore_probability(
            Progress.of(done, budget), base, exponent
        ):
            arm = rng.randrange(20)
        else:
            arm = max((a for a in range(20) if pulls[a]), key=lambda a: totals[a] / pulls[a])
        rewards.append(means[arm] + rng.gauss(0, 1))
        totals[arm] += rewards[-1]
        pulls[arm] += 1
    return statistics.mean(rewards)


@pytest.mark.slow
def test_the_learned_exponent_beats_every_constant() -> None:
    def campaigns(base: float, exponent: float, rng: random.Random, runs: int) -> float:
        budgets = [(50, 200)[run % 2] for run in range(runs)]
        return statistics.mean(two_phases(base, exponent, budget, rng) for budget in budgets)

    learned = learn_exponent(
        lambda c, rng: campaigns(1.0, c, rng, 10), random.Random(0), generations=15, pairs=4
    )
    reached = campaigns(1.0, learned, random.Random(1), 400)
    constants = {p: campaigns(p, 0, random.Random(1), 400) for p in (0.05, 0.1, 0.2, 0.4, 0.7)}
    assert reached > max(constants.values()) + 0.02


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e9])
def test_evolution_strategies_find_a_known_exponent_whatever_the_unit(unit: float) -> None:
    found = learn_exponent(lambda c, _: -unit * (math.log(c) - math.log(4)) ** 2, random.Random(0))
    assert found == pytest.approx(4.0, rel=0.15)
