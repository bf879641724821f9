"""Credit for repairs, and a choice that finds out which of them repair."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bandit import Chooser
from metasearch.exchange import Usage
from metasearch.models.bandit import Arm, History, Pull, thompson, ucb
from metasearch.models.credit import Repair

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


@given(rewards, rewards, st.floats(0, 5))
def test_as_a_reward_it_is_a_share(before: float, after: float, weight: float) -> None:
    share = Repair(before, after).share(weight)
    assert 0 <= share <= 1
    assert Repair(0.0, after).share(weight) == pytest.approx(after)


@pytest.mark.parametrize("choose", [ucb, thompson])
@pytest.mark.parametrize("seed", range(10))
def test_the_bandit_moves_from_the_no_op_to_the_real_fixer(choose: Chooser, seed: int) -> None:
    """Golden: within 50 pulls."""
    rng, world = random.Random(seed), random.Random(f"world {seed}")
    no_op, fixer = Arm("model", operator="no_op"), Arm("model", operator="fixer")
    history = History(memory=500)
    chosen = []
    for _ in range(50):
        arm = choose(history, [no_op, fixer], 0.25, rng)
        chosen.append(arm)
        before = world.choice((0.0, 0.3))
        if arm is no_op:
            repair = Repair(before, before, changed=False)
        else:
            repair = Repair(before, 1.0 if world.random() < 0.6 else 0.0)
        history = history.after(Pull(arm, repair.share(), Usage(usd=0.01)))
    assert chosen[-20:].count(fixer) >= 12
    assert chosen.count(fixer) > 30
