"""Fronts, crowding, NSGA-II, SPEA2 and tournament-DCD, on a small population known by hand.

The golden numbers are for accuracy (larger is better) and millions of parameters (smaller
is better), computed with DEAP's selectors and corrected for their defects.
"""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.objectives import dominates, front
from metasearch.operators.pareto import (
    crowding,
    nsga2,
    ranks,
    raw_fitness,
    spea2,
    strengths,
    tournament_dcd,
)

NAMES = "ABCDEFGH"
GAINS = [
    (0.9252, -0.518),
    (0.9334, -0.518),
    (0.9316, -0.295),
    (0.8883, -0.119),
    (0.8745, -0.039),
    (0.91, -0.4),
    (0.88, -0.3),
    (0.90, -0.119),
]

tables = st.integers(1, 3).flatmap(
    lambda m: st.lists(
        st.lists(st.one_of(st.integers(0, 3).map(float), st.floats(-1e300, 1e300)),
                 min_size=m, max_size=m),
        min_size=1,
        max_size=12,
    )
)  # fmt: skip


def named(positions: list[int]) -> str:
    return "".join(sorted(NAMES[i] for i in positions))


def in_front(level: int) -> list[int]:
    return [i for i, rank in enumerate(ranks(GAINS)) if rank == level]


def test_golden_fronts() -> None:
    assert [named(in_front(level)) for level in range(3)] == ["BCEH", "ADF", "G"]


def test_golden_crowding() -> None:
    first = dict(zip("BCEH", crowding([GAINS[i] for i in in_front(0)]), strict=True))
    assert first["B"] == first["E"] == math.inf
    assert first["C"] == pytest.approx(1.40005, abs=1e-5)
    assert first["H"] == pytest.approx(1.50389, abs=1e-5)
    second = dict(zip("ADF", crowding([GAINS[i] for i in in_front(1)]), strict=True))
    assert second == {"A": math.inf, "D": math.inf, "F": pytest.approx(2.0)}


def test_golden_nsga2() -> None:
    assert named(nsga2(GAINS, 5)) == "ABCEH"


def test_golden_spea2() -> None:
    assert dict(zip(NAMES, strengths(GAINS), strict=True)) == {
        "A": 0, "B": 1, "C": 3, "D": 1, "E": 0, "F": 0, "G": 0, "H": 2,
    }  # fmt: skip
    assert dict(zip(NAMES, raw_fitness(GAINS), strict=True)) == {
        "A": 4, "B": 0, "C": 0, "D": 2, "E": 0, "F": 3, "G": 6, "H": 0,
    }  # fmt: skip
    picks = {count: named(spea2(GAINS, count)) for count in (3, 4, 5, 6, 44)}
    assert picks == {3: "BCE", 4: "BCEH", 5: "BCDEH", 6: "BCDEFH", 44: NAMES}


def test_tournaments_give_any_number_of_winners() -> None:
    rng = random.Random(1)
    assert len(tournament_dcd(GAINS[:7], 8, rng)) == 8
    assert len(tournament_dcd(GAINS, 6, rng)) == 6
    assert tournament_dcd(GAINS[:1], 3, rng) == [0, 0, 0]
    assert tournament_dcd([], 0, rng) == []
    with pytest.raises(ValueError, match="at least one row"):
        tournament_dcd([], 1, rng)


def test_a_tournament_is_won_by_dominance_then_room() -> None:
    for seed in range(20):
        assert set(tournament_dcd([(0.0, 0.0), (1.0, 0.0)], 5, random.Random(seed))) == {1}
    wins = Counter(i for seed in range(400) for i in tournament_dcd(GAINS, 8, random.Random(seed)))
    crowded, roomy = wins[NAMES.index("H")], wins[NAMES.index("E")]
    assert crowded < 0.8 * roomy  # both of the first front, E at its end


def test_equal_rows_meet_a_fair_coin() -> None:
    wins = Counter(
        i for seed in range(400) for i in tournament_dcd([(1.0, 2.0)] * 2, 1, random.Random(seed))
    )
    assert 160 <= wins[0] <= 240


def test_equal_rows_and_a_constant_objective_do_not_distort() -> None:
    assert ranks([(1.0, 1.0), (1.0, 1.0)]) == [0, 0]
    assert crowding([(0.0, 5.0), (1.0, 5.0), (3.0, 5.0)]) == [math.inf, 1.0, math.inf]
    assert crowding([(1.0, 2.0)] * 4) == [0.0] * 4
    assert crowding([]) == ranks([]) == nsga2([], 3) == spea2([], 3) == []


def test_spea2_is_not_decided_by_the_scale_of_an_objective() -> None:
    in_units = [(accuracy, 1e6 * millions) for accuracy, millions in GAINS]
    assert [spea2(in_units, k) for k in range(1, 9)] == [spea2(GAINS, k) for k in range(1, 9)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_has_no_finite_score_may_not_compete(value: float) -> None:
    table = [(1.0, 2.0), (value, 0.0)]
    for select in (ranks, crowding, lambda t: nsga2(t, 1), lambda t: spea2(t, 1)):
        with pytest.raises(ValueError, match="row 1"):
            select(table)


@given(tables)
def test_the_first_front_is_what_nothing_dominates(table: list[list[float]]) -> None:
    rank = ranks(table)
    assert [i for i, r in enumerate(rank) if r == 0] == front(table)
    for i, a in enumerate(table):
        above = [rank[j] for j, b in enumerate(table) if dominates(b, a)]
        assert rank[i] == (max(above) + 1 if above else 0)


@given(tables, st.integers(0, 15), st.randoms(use_true_random=False))
def test_selectors_return_as_many_as_there_are(
    table: list[list[float]], count: int, rng: random.Random
) -> None:
    assert len(tournament_dcd(table, count, rng)) == count
    for chosen in (nsga2(table, count), spea2(table, count)):
        assert len(set(chosen)) == len(chosen) == min(count, len(table))
        first = set(front(table))
        assert first <= set(chosen) or set(chosen) <= first
    assert nsga2(table, count) == nsga2(table, len(table))[:count]


@given(tables)
def test_room_is_never_negative_or_undefined(table: list[list[float]]) -> None:
    assert all(distance >= 0 for distance in crowding(table))
