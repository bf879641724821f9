import sys

from hypothesis import given
from hypothesis import strategies as st

from metasearch.cli.plot import step_plot

FLOATS = st.floats(-sys.float_info.max, sys.float_info.max)


def test_rising_curve_fills_from_the_left_low_to_the_right_high() -> None:
    lines, high, low = step_plot([(0, 1.0), (5, 2.0), (10, 3.0)], 20, 21, 4)
    assert (high, low) == (3.0, 1.0)
    assert lines[0] == " " * 10 + "█" * 11
    assert lines[-1] == "▁" * 5 + "█" * 16


def test_falling_curve_falls() -> None:
    lines, _, _ = step_plot([(0, 9.0), (1, 1.0)], 1, 2, 2)
    assert [line[0] for line in lines] == ["█", "█"]
    assert [line[1] for line in lines] == [" ", "▁"]


@given(
    st.lists(st.tuples(st.integers(0, 10**9), FLOATS), min_size=1, max_size=20),
    st.integers(0, 10**9),
    st.integers(1, 80),
    st.integers(1, 9),
)
def test_any_curve_fits_its_space(
    points: list[tuple[int, float]], end: int, width: int, height: int
) -> None:
    lines, _, _ = step_plot(sorted(points), end, width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}
