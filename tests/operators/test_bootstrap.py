"""Fitness lines as the published archives of ADAS have them, and the bootstrap by question."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.evaluation.statistics import of_examples
from metasearch.operators.bootstrap import fitness_line, of_questions, percent_line, plain_line


def scores(n: int, right: int) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


@pytest.mark.parametrize(
    ("n", "right", "interval", "median"),
    [
        (128, 83, "(56.2%, 72.7%)", "64.8%"),
        (128, 101, "(71.9%, 85.9%)", "78.9%"),
        (128, 39, "(22.7%, 38.3%)", "30.5%"),
        (160, 62, "(31.2%, 46.2%)", "38.8%"),
        (100, 3, "(0.0%, 7.0%)", "3.0%"),
        (100, 13, "(7.0%, 20.0%)", "13.0%"),
        (300, 41, "(10.0%, 17.7%)", "13.7%"),
        (800, 523, "(62.0%, 68.6%)", "65.4%"),
        (800, 427, "(49.9%, 56.9%)", "53.4%"),
    ],
)
def test_lines_of_the_published_archives(n: int, right: int, interval: str, median: str) -> None:
    line = percent_line(of_examples(scores(n, right), seed=0))
    assert line == f"95% Bootstrap Confidence Interval: {interval}, Median: {median}"


def test_a_fitness_line_is_in_per_cent_for_shares_only() -> None:
    assert fitness_line(scores(128, 83)) == percent_line(of_examples(scores(128, 83), seed=0))
    plain = fitness_line([5.0, 7.0, 5.0])
    low, high, median = map(float, re.findall(r"[\d.]+(?=[,)]|$)", plain))
    assert 5 <= low <= median <= high <= 7


def test_an_interval_on_another_scale_is_no_percentage() -> None:
    radii = of_examples([2.61, 2.62, 2.6359], seed=0)
    with pytest.raises(ValueError, match="plain_line"):
        percent_line(radii)
    assert plain_line(radii).endswith("(2.61, 2.6359), Median: 2.62197")


def test_repeats_of_a_question_are_no_new_evidence() -> None:
    once = [[float(i % 3 == 0)] for i in range(60)]
    five_times = [answers * 5 for answers in once]
    pooled = of_examples([score for answers in five_times for score in answers], seed=1)
    by_question = of_questions(five_times, seed=1)
    assert by_question == of_questions(once, seed=1)
    assert pooled.high - pooled.low < 0.6 * (by_question.high - by_question.low)


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=4), min_size=1, max_size=20))
def test_the_median_lies_in_its_interval_and_the_seed_decides(repeats: list[list[float]]) -> None:
    estimate = of_questions(repeats, seed=3)
    assert estimate.low <= estimate.median <= estimate.high
    assert percent_line(estimate) == percent_line(of_questions(repeats, seed=3))


def test_equal_scores_give_an_interval_without_width() -> None:
    line = percent_line(of_examples([0.5] * 9, seed=0))
    assert line == "95% Bootstrap Confidence Interval: (50.0%, 50.0%), Median: 50.0%"
