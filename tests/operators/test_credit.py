"""Credit for repairs, and a choice that finds out which of them repair."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.credit import Credits, Repair

rewards = st.floats(0, 1)


def test_a_repair_that_changes_nothing_has_no_bonus() -> None:
    assert Repair(0.4, 0.4).credit(2.0) == 0.4
    # Measured anew it may look better; it is still the same program.
    assert Repair(0.4, 0.9, changed=False).credit(2.0) == 0.4
    assert Repair(0.4, 0.9, changed=False).progress == 0.0


def test_breaking_what_worked_costs() -> None:
    assert Repair(1.0, 0.0).credit(1.0) == -1.0
    assert Repair(0.0, 1.0).credit(1.0) == 2.0


@given(rewards, rewards, rewards, st.floats(0, 5))
def test_more_progress_is_never_credited_less(
    before: float, after: float, better: float, weight: float
) -> None:
    low, high = sorted((after, better))
    assert Repair(before, low).credit(weight) <= Repair(before, high).credit(weight)


@pytest.mark.parametrize("seed", range(10))
def test_the_choice_moves_from_the_no_op_to_the_real_fixer(seed: int) -> None:
    rng = random.Random(seed)
    earned = Credits()
    chosen = []
    for _ in range(50):
        operator = earned.choose(["no_op", "fixer"])
        chosen.append(operator)
        before = rng.choice((0.0, 0.3))
        if operator == "no_op":
            repair = Repair(before, before, changed=False)
        else:
            repair = Repair(before, 1.0 if rng.random() < 0.6 else 0.0)
        earned.observe(operator, repair.credit())
    assert chosen[0] == "no_op"
    assert chosen[-20:].count("fixer") >= 14
    assert earned.mean("fixer") > earned.mean("no_op")


def test_the_index_by_hand() -> None:
    earned = Credits()
    assert earned.index("a") == math.inf
    for reward in (1.0, 0.0, 1.0):
        earned.observe("a", reward)
    earned.observe("b", 0.5)
    assert earned.index("a") == pytest.approx(2 / 3 + math.sqrt(2 * math.log(4) / 3))
    assert earned.index("b", exploration=2) == pytest.approx(0.5 + 2 * math.sqrt(2 * math.log(4)))
    assert earned.choose(["a", "b", "never"]) == "never"
    assert earned.mean("never") == 0.0
