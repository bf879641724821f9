"""Bandits: what they learn from pulls, what they spend, and that they give nothing up."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Sequence

import pytest

from benchmarks.bandit import CHOOSERS, PAIRS, Chooser, Pair, share, spending
from metasearch.exchange import Usage
from metasearch.models.bandit import Arm, History, Pull, Tally, ucb, upper_bound, value

A, B = Arm("a"), Arm("b")

EACH = pytest.mark.parametrize("choose", CHOOSERS.values(), ids=CHOOSERS.keys())


def pull(arm: Arm, improved: bool = False, **usage: float | int | None) -> Pull:
    return Pull(arm, improved, Usage.model_validate({"usd": 0.01, **usage}))


def history_of(pulls: Sequence[Pull], memory: int = 500) -> History:
    history = History(memory)
    for one in pulls:
        history = history.after(one)
    return history


def chosen(
    choose: Chooser, history: History, arms: Sequence[Arm], draws: int = 400
) -> Counter[Arm]:
    return Counter(choose(history, arms, 0.25, random.Random(seed)) for seed in range(draws))


@EACH
def test_the_first_pull_is_spread_over_all_arms(choose: Chooser) -> None:
    counts = chosen(choose, History(500), [A, B])
    assert min(counts[A], counts[B]) > 150


@EACH
def test_an_arm_never_tried_comes_soon_but_is_never_certain(choose: Chooser) -> None:
    """A model that refuses every prompt never settles a proposal, and must not end the search."""
    history = history_of([pull(A)] * 10)
    counts = chosen(choose, history, [A, B])
    assert 100 < counts[B] < 300


@EACH
def test_of_two_alike_the_cheaper_one_is_asked(choose: Chooser) -> None:
    pulls = [
        pull(arm, n % 3 == 0, usd=usd) for n in range(60) for arm, usd in ((A, 0.01), (B, 0.1))
    ]
    counts = chosen(choose, history_of(pulls), [A, B])
    assert counts[A] > 0.9 * counts.total()


@EACH
def test_of_two_at_one_price_the_better_one_is_asked(choose: Chooser) -> None:
    pulls = [pull(arm, n % rare == 0) for n in range(60) for arm, rare in ((A, 20), (B, 2))]
    counts = chosen(choose, history_of(pulls), [A, B])
    assert counts[B] > 0.9 * counts.total()


@EACH
def test_what_once_was_good_is_forgotten(choose: Chooser) -> None:
    then = [pull(arm, arm is A and n % 2 == 0) for n in range(100) for arm in (A, B)]
    since = [pull(arm, arm is B and n % 2 == 0) for n in range(100) for arm in (A, B)]
    history = history_of(then + since, memory=50)
    assert chosen(choose, history, [A, B])[B] > 350
    assert history.total[A].improvements == history.total[B].improvements == 50


@EACH
def test_a_choice_is_the_same_for_the_same_generator(choose: Chooser) -> None:
    history = history_of([pull(arm, n % 4 == 0) for n in range(30) for arm in (A, B)])
    picks = [choose(history, [A, B], 0.25, random.Random(seed)) for seed in range(50)]
    assert picks == [choose(history, [A, B], 0.25, random.Random(seed)) for seed in range(50)]


@EACH
def test_an_operator_left_open_is_known_by_all_of_them(choose: Chooser) -> None:
    good, bad = Arm("a", None, "evolve"), Arm("b", None, "crossover")
    history = history_of(
        [pull(arm, arm is good and n % 2 == 0) for n in range(60) for arm in (good, bad)]
    )
    assert history.of(Arm("a")).pulls == history.of(good).pulls > 0
    assert history.of(Arm("a", None, "crossover")).pulls == 0
    assert chosen(choose, history, [A, B])[A] > 350


def test_cost_is_counted_in_what_is_known_of_all_pulls() -> None:
    assert history_of([pull(A), pull(B, usd=0.0)]).unit == "usd"
    assert history_of([pull(A), pull(B, usd=None, input_tokens=5)]).unit == "tokens"
    assert history_of([pull(A, usd=0.0, output_tokens=5)]).unit == "tokens"
    assert history_of([pull(A, usd=None, seconds=2.0)]).unit == "seconds"


@EACH
def test_a_free_model_is_no_division_by_zero_and_not_beyond_comparison(choose: Chooser) -> None:
    useless = [
        pull(arm, arm is B, usd=usd) for _ in range(200) for arm, usd in ((A, 0.0), (B, 0.1))
    ]
    counts = chosen(choose, history_of(useless), [A, B])
    assert counts[A] > 0
    nothing_costs = [pull(arm, arm is B, usd=0.0) for _ in range(50) for arm in (A, B)]
    assert chosen(choose, history_of(nothing_costs), [A, B])[B] > 350


def test_the_bound_is_that_of_kl_ucb() -> None:
    """n kl(p, q) = width at the bound: 20 * kl(0.1, q) = 2 gives q = 0.28238."""
    bound = upper_bound(0.1, 20, 2.0)
    assert bound == pytest.approx(0.28238, abs=1e-5)
    assert upper_bound(0.0, 10, 1.0) == pytest.approx(1 - 2.718281828**-0.1, abs=1e-6)
    assert upper_bound(1.0, 10, 1.0) == 1.0
    assert upper_bound(1 - 2**-53, 1e-9, 5.0) <= 1.0


def test_the_value_is_improvements_per_cost_with_wilsons_interval() -> None:
    """5 of 20 for 0.5 USD; scipy's binomtest(5, 20) has Wilson's interval 0.1119 to 0.4687."""
    found = value(Tally(pulls=20, improvements=5, usd=0.5), "usd")
    assert found is not None
    assert found.mean == pytest.approx(10.0)
    assert found.low == pytest.approx(0.1119 * 40, rel=1e-3)
    assert found.high == pytest.approx(0.4687 * 40, rel=1e-3)
    assert value(Tally(pulls=3), "usd") is None


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_most_is_spent_on_the_better_value(pair: Pair, choose: Chooser) -> None:
    """The benchmark has the figures of 200 seeds."""
    shares = [share(spending(pair, choose, seed, 400)[200:]) for seed in range(15)]
    assert statistics.median(shares) >= 0.8


@pytest.mark.slow
@EACH
def test_no_model_is_starved_for_good(choose: Chooser) -> None:
    """In each of ever longer stretches, even where it is dear and has never helped."""
    hopeless = Pair("hopeless", better=(0.3, 0.01), worse=(0.0, 0.05))
    for seed in range(3):
        asked = [not better for better, _ in spending(hopeless, choose, seed, 6400)]
        assert all(sum(stretch) > 0 for stretch in (asked[:100], asked[100:1600], asked[1600:]))


def test_a_worse_model_that_becomes_the_better_one_is_found_out() -> None:
    history, rng, late = History(memory=200), random.Random(1), []
    for number in range(1500):
        arm = ucb(history, [A, B], 0.25, rng)
        likely = {A: 0.3, B: 0.03}[arm] if number < 500 else {A: 0.03, B: 0.3}[arm]
        history = history.after(pull(arm, rng.random() < likely))
        late.append(arm)
    assert late[300:500].count(A) > 150
    assert late[1300:].count(B) > 150
