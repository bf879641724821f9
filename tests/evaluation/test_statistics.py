"""Intervals: the published figures, and what must hold for any numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.evaluation import statistics


# Published by ADAS with 100,000 resamples; in per cent, rounded to one decimal.
@pytest.mark.parametrize(
    ("n", "successes", "low", "median", "high"),
    [
        (128, 83, 56.2, 64.8, 72.7),
        (128, 101, 71.9, 78.9, 85.9),
        (128, 39, 22.7, 30.5, 38.3),
        (160, 62, 31.2, 38.8, 46.2),
        (100, 3, 0.0, 3.0, 7.0),
        (100, 13, 7.0, 13.0, 20.0),
        (300, 41, 10.0, 13.7, 17.7),
        (800, 523, 62.0, 65.4, 68.6),
        (800, 427, 49.9, 53.4, 56.9),
    ],
)
def test_binary_scores_give_the_published_intervals(
    n: int, successes: int, low: float, median: float, high: float
) -> None:
    estimate = statistics.of_examples([1.0] * successes + [0.0] * (n - successes), seed=0)
    shown = [f"{100 * x:.1f}" for x in (estimate.low, estimate.median, estimate.high)]
    assert shown == [f"{x:.1f}" for x in (low, median, high)]
    assert estimate.value == pytest.approx(successes / n)
    assert estimate.samples == n


def test_the_bootstrap_agrees_with_its_exact_limit() -> None:
    # 0 and 2 instead of 0 and 1: the same distribution, but resampled.
    drawn = statistics.of_examples([2.0] * 83 + [0.0] * 45, seed=1)
    exact = statistics.of_examples([1.0] * 83 + [0.0] * 45, seed=1)
    assert drawn.low / 2 == pytest.approx(exact.low, abs=0.01)
    assert drawn.high / 2 == pytest.approx(exact.high, abs=0.01)
    assert drawn.median / 2 == pytest.approx(exact.median, abs=0.01)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.1, 0.4, 0.35, 0.8, 0.2]
    assert statistics.of_examples(values, 7) == statistics.of_examples(values, 7)
    assert statistics.of_examples(values, 7) != statistics.of_examples(values, 8)


def test_many_examples_are_bounded_work() -> None:
    values = [float(i % 97) for i in range(200_000)]
    estimate = statistics.of_examples(values, 0)
    assert estimate.high - estimate.low == pytest.approx(
        2 * 1.96 * 28 / math.sqrt(200_000), rel=0.01
    )
    assert estimate.examples == ()
    assert statistics.of_examples(values[:9_999], 0).examples == tuple(values[:9_999])


def test_repeats_give_the_t_interval() -> None:
    # Textbook: n = 4, mean 5, s = 1.8257, t = 3.1824.
    estimate = statistics.of_repeats([3.0, 7.0, 4.0, 6.0])
    assert estimate.value == 5.0
    assert estimate.high - 5.0 == pytest.approx(3.1824 * 1.8257 / 2, abs=1e-3)
    assert 5.0 - estimate.low == pytest.approx(estimate.high - 5.0)


def test_one_measurement_is_its_own_interval() -> None:
    for estimate in (statistics.of_repeats([0.3]), statistics.of_examples([0.3], 0)):
        assert (estimate.value, estimate.low, estimate.high, estimate.samples) == (0.3, 0.3, 0.3, 1)


finite = st.floats(allow_nan=False, allow_infinity=False)
vectors = st.one_of(
    st.lists(finite, min_size=1, max_size=12),
    st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40),
)


@given(vectors)
def test_an_interval_is_finite_and_holds_its_mean(values: list[float]) -> None:
    for estimate in (statistics.of_examples(values, 0), statistics.of_repeats(values)):
        assert min(values) <= estimate.value <= max(values)
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low <= estimate.median <= estimate.high
        assert math.isfinite(estimate.low)
        assert math.isfinite(estimate.high)


@given(finite, st.integers(1, 30))
def test_equal_values_have_no_width(value: float, n: int) -> None:
    for estimate in (statistics.of_examples([value] * n, 0), statistics.of_repeats([value] * n)):
        assert (estimate.low, estimate.value, estimate.high) == (value, value, value)
