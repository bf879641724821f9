"""Iterative deepening keeps its three bounds for every task."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from metasearch.operators.deepening import MOST_TURNS, Deepening, Repairs, repair_turns


def test_the_computed_example() -> None:
    budgets = Deepening(start=1, growth=2).needed(5)
    assert budgets == [1, 2, 4, 8]
    assert len(budgets) - 1 == 3
    assert sum(budgets) == 15 <= 2 / (2 - 1) * budgets[-1] == 16
    assert sum(budgets) / 5 == 3 <= 2**2 / (2 - 1) == 4


@given(st.floats(0.1, 10), st.floats(1.1, 4), st.floats(1, 1e4))
def test_total_cost_and_triggers_are_bounded(start: float, growth: float, factor: float) -> None:
    steps = math.log(factor, growth)
    assume(factor == 1 or abs(steps - round(steps)) > 1e-9)  # rounding may take either side
    needed = start * factor
    budgets = Deepening(start, growth).needed(needed)
    assert budgets[-1] >= needed
    assert sum(budgets) <= growth / (growth - 1) * budgets[-1] * (1 + 1e-9)
    assert sum(budgets) / needed <= growth**2 / (growth - 1) * (1 + 1e-9)
    triggers = math.ceil(math.log(factor, growth) - 1e-9)
    assert len(budgets) - 1 == pytest.approx(triggers, abs=1e-6)


def test_the_limit_ends_it() -> None:
    assert list(Deepening(1, 2, limit=10).budgets()) == [1, 2, 4]
    assert Deepening(1, 2, limit=10).needed(100) == [1, 2, 4]
    assert list(Deepening(5, 2, limit=3).budgets()) == [5]
    assert list(itertools.islice(Deepening(1, 3).budgets(), 4)) == [1, 3, 9, 27]


@pytest.mark.parametrize(("start", "growth"), [(0, 2), (-1, 2), (1, 1), (1, math.nan)])
def test_budgets_that_do_not_grow_are_refused(start: float, growth: float) -> None:
    with pytest.raises(ValueError, match="grow by more than 1"):
        Deepening(start, growth)


def test_turns_of_growing_budgets_re_examine_at_the_beginning_of_each_but_the_first() -> None:
    assert Deepening(1, 2, limit=7).turns() == [False, True, False, True, False, False, False]
    assert Deepening(2, 1.5, limit=5).turns() == [False, False, True, False, False]
    assert len(Deepening(1, 2).turns()) == MOST_TURNS
    assert repair_turns(3) == [False] * 3
    assert repair_turns(0) == []


@pytest.mark.parametrize(
    "wrong", [11, -1, {"start": 0}, {"start": 1, "growth": 1}, {"start": 1, "rounds": 3}, "many"]
)
def test_wrong_repairs_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Repairs).validate_python(wrong)
