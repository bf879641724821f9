"""Judges that know nothing are found out; ratings count as far as measurements bear them out."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.calibration import (
    HIDDEN,
    Blend,
    JudgeCheck,
    Prospect,
    Scale,
    masked,
    telling_pair,
)


def checked(rho: float, seed: int, items: int = 40, calls: int = 100) -> JudgeCheck:
    """A judge of slope 1.3 whose opinion correlates with fitness by rho."""
    rng = random.Random(seed)
    quality = [rng.gauss(0, 1) for _ in range(items)]
    fitness = {i: rho * q + math.sqrt(1 - rho**2) * rng.gauss(0, 1) for i, q in enumerate(quality)}
    check, asked = JudgeCheck(calls), set[frozenset[int]]()
    for _ in range(calls):
        pair = telling_pair(fitness, asked, rng)
        assert pair is not None
        a, b = pair
        asked.add(frozenset(pair))
        won = rng.random() < 1 / (1 + math.exp(-1.3 * (quality[a] - quality[b])))
        check.add(float(won), fitness[a] - fitness[b])
    return check


@pytest.mark.slow
def test_an_uninformed_judge_is_throttled_and_an_informed_one_is_not() -> None:
    """Simulated before, 40 items and 100 calls: fires in 80 % at rho 0, in 6 % at rho 0.5."""
    fired = {
        rho: statistics.fmean(checked(rho, seed).matches_wanted(4, 2) == 1 for seed in range(80))
        for rho in (0.0, 0.5)
    }
    assert fired[0.0] >= 0.7
    assert fired[0.5] <= 0.15


def test_a_judge_is_asked_more_only_once_it_has_been_checked() -> None:
    check = JudgeCheck(calls=4)
    assert check.matches_wanted(4, 2) == 2
    for share in (0.9, 0.8, None, 0.1):
        check.add(share, 1.0)
    assert check.total == 4
    assert check.agreement.judged == 3
    assert check.agreement.share == pytest.approx(2 / 3)
    assert check.matches_wanted(4, 2) == 4
    check.add(0.2, 1.0)
    check.add(0.2, 1.0)  # the oldest verdict no longer counts
    assert check.agreement.share == 0.25
    assert check.matches_wanted(4, 2) == 1


def test_garbage_alone_is_no_agreement() -> None:
    check = JudgeCheck(calls=3)
    for _ in range(3):
        check.add(None, 2.0)
    assert check.matches_wanted(4, 2) == 1


def test_telling_pairs_differ_by_more_than_a_standard_deviation() -> None:
    gains = {7: 0.0, 3: 1.0, 5: 10.0}
    rng = random.Random(0)
    asked: set[frozenset[int]] = set()
    while (pair := telling_pair(gains, asked, rng)) is not None:
        asked.add(frozenset(pair))
    assert asked == {frozenset((7, 5)), frozenset((3, 5))}
    assert telling_pair({1: 2.0, 2: 2.0}, set(), rng) is None
    assert telling_pair({1: 2.0}, set(), rng) is None
    orders = {telling_pair({1: 0.0, 2: 9.0, 3: 0.0}, {frozenset((2, 3))}, rng) for _ in range(50)}
    assert orders == {(1, 2), (2, 1)}


@pytest.mark.parametrize(
    ("text", "scores", "expected"),
    [
        ("It reached 2.6358, from 2.5.", [2.635811], f"It reached {HIDDEN}, from 2.5."),
        ("It reached 2.636!", [2.635811], f"It reached {HIDDEN}!"),
        ("It reached 2.63.", [2.635811], f"It reached {HIDDEN}."),  # cut, not rounded
        ("26 circles, step 0.01, 3 rounds", [26.0, 3.0], "26 circles, step 0.01, 3 rounds"),
        ("about 1.23e-4 or 0.00012", [0.0001234], f"about {HIDDEN} or 0.00012"),
        ("a gain of -412.5", [412.5], f"a gain of {HIDDEN}"),
        ("version v2.635 and x2635", [2.635, 2635.0], "version v2.635 and x2635"),
        ("1000 samples", [999.0], f"{HIDDEN} samples"),
        ("1000 samples", [900.0], "1000 samples"),
    ],
)
def test_scores_are_masked(text: str, scores: list[float], expected: str) -> None:
    assert masked(text, scores) == expected


@given(st.floats(-1e9, 1e9, allow_nan=False), st.integers(4, 12))
def test_no_rounding_of_a_score_survives(score: float, digits: int) -> None:
    text = f"{score:.{digits}g}"
    significant = text.partition("e")[0].replace("-", "").replace(".", "").strip("0")
    if len(significant) >= 3:
        assert HIDDEN in masked(f"It scored {text} then", [score])


def test_before_any_measurement_a_rating_counts_by_the_prior_alone() -> None:
    blend = Blend([])
    assert blend.coefficients == pytest.approx([0, 0.2, 0, 0])
    high, low = (blend.forecast(Prospect(rating, 0, 0)) for rating in (1.0, -1.0))
    assert high.mean - low.mean == pytest.approx(0.4)
    assert high.error == pytest.approx(math.sqrt(1 + 1 + 0.04))
    unsure = blend.forecast(Prospect(1.0, 0, 0), rating_error=2.0)
    assert unsure.error == pytest.approx(math.sqrt(1 + 1 + 0.04 + 0.16))
    assert unsure.optimistic() > high.optimistic()
    assert unsure.optimistic(0) == high.mean


@pytest.mark.parametrize(("slope", "low", "high"), [(0.6, 0.45, 0.7), (0.0, -0.1, 0.1)])
def test_measurements_teach_what_a_rating_is_worth(slope: float, low: float, high: float) -> None:
    rng = random.Random(5)
    measured = []
    for _ in range(200):
        prospect = Prospect(rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1))
        noise = math.sqrt(1 - slope**2 - 0.09) * rng.gauss(0, 1)
        measured.append((prospect, slope * prospect.rating + 0.3 * prospect.parent + noise))
    blend = Blend(measured)
    assert low < blend.coefficients[1] < high
    assert blend.coefficients[2] == pytest.approx(0.3, abs=0.15)


def test_a_blend_is_the_ridge_regression_in_closed_form() -> None:
    """With residual variance 1 and these four points, against the normal equations."""
    rows = np.array([[1, 1, 0, 0], [1, -1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], dtype=float)
    fitness = np.array([1.0, -1.0, 0.5, 0.0])
    blend = Blend([(Prospect(*row[1:]), f) for row, f in zip(rows, fitness, strict=True)])
    precision = np.diag([1.0, 25.0, 4.0, 25.0])
    mean = np.array([0.0, 0.2, 0.0, 0.0])
    variance = 1.0
    for _ in range(3):
        solved = np.linalg.solve(
            precision + rows.T @ rows / variance, precision @ mean + rows.T @ fitness / variance
        )
        variance = (4 + float(np.sum((fitness - rows @ solved) ** 2))) / 8
    assert blend.coefficients == pytest.approx(solved)


def test_a_scale_of_equals_makes_everything_average() -> None:
    assert Scale.of([]).standardised(3.0) == 0.0
    assert Scale.of([2.0, 2.0]).standardised(5.0) == 0.0
    assert Scale.of([1.0, 3.0]).standardised(4.0) == 2.0
