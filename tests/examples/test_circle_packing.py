from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import CandidateFailure, Outcome

ROOT = Path(__file__).parents[2] / "examples"

Packing = list[tuple[Any, Any, Any]]


def grid(radius: float = 1 / 12) -> Packing:
    """26 equal circles on a 6 x 6 grid: neighbours touch when the radius is 1/12."""
    spots = [((2 * i + 1) / 12, (2 * j + 1) / 12) for i in range(6) for j in range(6)]
    return [(x, y, radius) for x, y in spots[:26]]


async def score(circle: ModuleType, candidate: Any, packing: Any) -> tuple[float, Any]:
    one = candidate(pack=lambda n: packing)
    scores = await circle.evaluate(one)
    return scores["sum_radii"], one


async def refusal(circle: ModuleType, candidate: Any, packing: Any) -> str:
    with pytest.raises(CandidateFailure) as caught:
        await score(circle, candidate, packing)
    assert caught.value.outcome is Outcome.INVALID
    return caught.value.message


def test_campaign_file_is_valid() -> None:
    campaign = load_campaign(ROOT / "circle_packing")
    assert [o.name for o in campaign.objectives] == ["sum_radii"]


async def test_the_seed_is_a_ring_packing_of_about_one(
    circle: ModuleType, circle_seed: ModuleType, candidate: Any
) -> None:
    value, one = await score(circle, candidate, circle_seed.pack(26))
    assert 0.95 <= value <= 1.05
    assert f"{value:.6f}" in one.said
    assert one.calls == [("pack", 26)]


async def test_touching_circles_are_valid_and_cost_the_shrink(
    circle: ModuleType, candidate: Any
) -> None:
    value, _ = await score(circle, candidate, grid())
    assert value == pytest.approx(26 * (1 / 12 - 2**-30), abs=1e-14)


async def test_an_overlap_beyond_the_shrink_is_invalid(circle: ModuleType, candidate: Any) -> None:
    assert "overlap" in await refusal(circle, candidate, grid(1 / 12 + 1e-8))


async def test_no_inflation_within_the_shrink_scores_above_the_true_packing(
    circle: ModuleType, candidate: Any
) -> None:
    for inflation in (0, 1e-16, 1e-12, 2**-31, 0.99 * 2**-30):
        value, _ = await score(circle, candidate, grid(1 / 12 + inflation))
        assert value <= 26 / 12


async def test_leaving_the_square_is_invalid(circle: ModuleType, candidate: Any) -> None:
    packing = grid(0.01)
    packing[3] = (0.999, 0.5, 0.01)
    assert "circle 3 leaves the square" in await refusal(circle, candidate, packing)


async def test_a_point_inside_another_circle_is_invalid(circle: ModuleType, candidate: Any) -> None:
    packing = grid()
    packing[1] = (packing[0][0], packing[0][1], 0.0)
    assert "overlap" in await refusal(circle, candidate, packing)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-0.01, "-0.01"),
        (10**400, "integer outside"),
        (True, "bool"),
        ("0.1", "str"),
        (None, "NoneType"),
        (0.1 + 0j, "complex"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_what_is_no_number_within_the_square_is_invalid(
    circle: ModuleType, candidate: Any, value: Any, reason: str, place: int
) -> None:
    packing: list[Any] = [list(entry) for entry in grid(0.01)]
    packing[7][place] = value
    message = await refusal(circle, candidate, packing)
    assert "circle 7" in message
    assert reason in message


@pytest.mark.parametrize(
    "packing",
    [None, 3.0, {"sum": 4.01}, [], grid()[:25], [*grid(), (0.9, 0.9, 0.0)], [(0.1, 0.1)] * 26],
)
async def test_other_shapes_are_invalid(
    circle: ModuleType, candidate: Any, packing: object
) -> None:
    await refusal(circle, candidate, packing)


async def test_arrays_are_accepted(circle: ModuleType, candidate: Any) -> None:
    as_list, _ = await score(circle, candidate, grid())
    as_array, _ = await score(circle, candidate, np.array(grid()))
    rows, _ = await score(circle, candidate, [np.array(entry) for entry in grid()])
    assert as_list == as_array == rows


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(1e-9, 0.05))
def test_two_circles_are_judged_as_by_hand(
    circle: ModuleType, x: float, y: float, r: float
) -> None:
    first = circle.read([(0.5, 0.5, 0.2), (x, y, r)] + [(0.0, 0.0, 0.0)] * 24)[:2]
    apart = math.hypot(x - 0.5, y - 0.5)
    if abs(apart - 0.2 - r) > 1e-8:
        assert (circle.find_fault(first) is None) == (apart > 0.2 + r)


async def test_the_drawing_is_well_formed(circle: ModuleType, candidate: Any) -> None:
    _, one = await score(circle, candidate, grid())
    drawing = ElementTree.fromstring(one.attached["packing.svg"])
    assert sum(part.tag.endswith("circle") for part in drawing) == 26


def test_feedback_names_circles_with_room(
    circle: ModuleType, circle_seed: ModuleType, load_packing: Callable[[Packing], Any]
) -> None:
    packing = grid()
    packing[25] = (packing[25][0], packing[25][1], 0.01)
    assert "could grow where they are: #25" in circle.describe(load_packing(packing))


@pytest.fixture
def load_packing(circle: ModuleType) -> Callable[[Packing], Any]:
    return lambda packing: circle.read(packing)
