"""The front of two objectives, its hypervolume and its knee."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch import objectives
from metasearch.web.front import front, hypervolume, knee

GAIN = st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0, 7.0])


@given(st.lists(st.tuples(GAIN, GAIN), max_size=25))
def test_it_is_the_front_of_the_search_without_repeats(points: list[tuple[float, float]]) -> None:
    first, second = np.array(points, float).reshape(-1, 2).T
    found = [points[place] for place in front(first, second)]
    assert found == sorted({points[place] for place in objectives.front(points)}, reverse=True)


def test_what_has_no_score_is_not_on_it() -> None:
    assert front(np.array([np.nan, 1.0, 9.0]), np.array([9.0, 1.0, np.nan])) == [1]
    assert front(np.array([]), np.array([])) == []


def test_the_hypervolume_is_the_area_of_the_steps() -> None:
    assert hypervolume([4.0, 3.0, 1.0], [0.0, 2.0, 5.0]) == pytest.approx(2 * 2)
    assert hypervolume([], []) == 0.0


def test_the_knee_lies_farthest_out() -> None:
    assert knee([10.0, 9.0, 5.0, 0.0], [0.0, 8.0, 9.0, 10.0]) == 1
    assert knee([2.0, 1.0, 0.0], [0.0, 1.0, 2.0]) is None  # a straight line bends nowhere
