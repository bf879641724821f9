"""The balance score by hand, and a controller that finds a known optimum."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.balance import (
    Child,
    Children,
    Controller,
    Setting,
    balance,
    probe,
)


def test_golden_scores() -> None:
    assert Children(useful=4, selected=5).score() == pytest.approx(0.40)
    assert Children(useful=10, selected=10).score() == 1.0
    assert Children(0, 0).score() == 0.0


def test_a_window_is_the_mean_of_its_parents() -> None:
    found = balance([Children(4, 5), Children(10, 10)])
    assert found.score == pytest.approx(0.7)
    assert found.exploration == 7
    assert found.exploitation == pytest.approx(14 / 15)
    assert balance([]).score == 0.0


@given(st.integers(0, 50), st.integers(0, 50))
def test_a_score_is_a_share_and_grows_with_what_is_useful(useful: int, others: int) -> None:
    low, high = Children(useful, useful + others), Children(useful + 1, useful + 1 + others)
    assert 0 <= low.score() < high.score() <= 1 or low.score() == high.score() == 1


def test_repetitions_and_failures_are_selected_but_not_useful() -> None:
    family = [
        Child(1, 0.5, "a"),
        Child(1, 0.5, "a"),
        Child(1, -0.2, "b"),
        Child(1, None, "c"),
        Child(2, 1.0, "d"),
    ]
    assert probe(family, -math.inf) == [Children(1, 4), Children(1, 1)]
    assert probe(family, 0.0) == [Children(1, 2), Children(1, 1)]
    assert probe(family, 0.7) == [Children(0, 0), Children(1, 1)]


def proposals(
    temperature: float, parent: int, rng: random.Random, samples: int = 32
) -> list[Child]:
    """More ways with heat, fewer of them right; equal ones are accepted only once."""
    modes = int(3 + 14 * temperature)
    right = 0.75 * math.exp(-0.9 * max(0.0, temperature - 0.2))
    drawn = {(rng.randrange(modes), rng.random() < right) for _ in range(samples)}
    return [Child(parent, 1.0 if good else -1.0, f"{mode}{good}") for mode, good in sorted(drawn)]


@pytest.mark.parametrize(("temperature", "score"), [(0.1, 0.27), (0.5, 0.53), (1.6, 0.23)])
def test_the_synthetic_generator_has_its_optimum_inside(temperature: float, score: float) -> None:
    rng = random.Random(0)
    found = [balance(probe(proposals(temperature, 0, rng), -math.inf)).score for _ in range(1_500)]
    assert statistics.mean(found) == pytest.approx(score, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_the_controller_lands_near_the_optimum(seed: int) -> None:
    rng = random.Random(seed)
    grid = [round(0.1 * i, 1) for i in range(1, 17)]
    controller = Controller(grid, probe_size=500, period=10)
    parent = 0
    while controller.probing:
        parent += 1
        temperature = controller.choose().temperature
        for child in proposals(temperature, parent, rng):
            controller.observe(temperature, child)
    assert controller.choose().temperature == pytest.approx(0.5, abs=0.2)


def test_after_a_period_it_probes_again_from_nothing() -> None:
    controller = Controller([0.2, 0.9], probe_size=2, period=3, wanted=2)
    tried = []
    for number in range(4):
        tried.append(controller.choose().temperature)
        good = controller.choose().temperature == 0.9
        controller.observe(tried[-1], Child(0, 1.0 if good else -1.0, str(number)))
    assert sorted(tried) == [0.2, 0.2, 0.9, 0.9]
    assert controller.choose() == Setting(0.9)
    for number in range(3):
        controller.observe(0.9, Child(0, 1.0, str(number)))
    for number in range(4):
        temperature = controller.choose().temperature
        controller.observe(temperature, Child(0, 1.0 if temperature == 0.2 else None, str(number)))
    assert controller.choose() == Setting(0.2)


def test_a_stricter_acceptance_is_chosen_when_it_leaves_what_is_useful() -> None:
    controller = Controller([0.5], acceptances=(-math.inf, 0.0), probe_size=4, wanted=2)
    assert controller.choose().acceptance == -math.inf
    for number, improvement in enumerate((1.0, 1.0, -1.0, None)):
        controller.observe(0.5, Child(0, improvement, str(number)))
    assert controller.choose() == Setting(0.5, 0.0)
