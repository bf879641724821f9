"""Objectives: direction, dominance and fronts; published network results as golden data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metasearch.objectives import Direction, Objective, dominates, front, gains

POINTS = {
    "A": (0.9252, 0.518),
    "B": (0.9334, 0.518),
    "C": (0.9316, 0.295),
    "D": (0.8883, 0.119),
    "E": (0.8745, 0.039),
    "F": (0.91, 0.4),
    "G": (0.88, 0.3),
    "H": (0.90, 0.119),
}
ACCURACY = Objective(name="accuracy")
PARAMETERS = Objective(name="parameters", direction=Direction.MINIMIZE)


def test_first_front_of_the_published_networks() -> None:
    vectors = [
        gains((ACCURACY, PARAMETERS), {"accuracy": a, "parameters": p}) for a, p in POINTS.values()
    ]
    assert {list(POINTS)[i] for i in front(vectors)} == {"B", "C", "E", "H"}


def test_reached_respects_the_direction() -> None:
    assert ACCURACY.reached(0.9, 0.9)
    assert not ACCURACY.reached(0.8, 0.9)
    assert PARAMETERS.reached(0.2, 0.3)
    assert not PARAMETERS.reached(0.4, 0.3)


vectors = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


@given(vectors)
def test_nothing_on_the_front_is_dominated_and_everything_else_is(
    points: list[tuple[int, int]],
) -> None:
    chosen = set(front(points))
    for i, point in enumerate(points):
        dominated = any(dominates(other, point) for other in points)
        assert (i in chosen) is not dominated
