"""The Price equation: an identity, and each of its terms alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.price import Individual, price

individuals = st.builds(
    Individual,
    island=st.integers(0, 4),
    trait=st.floats(-1, 1),
    offspring=st.integers(0, 6),
    offspring_trait=st.floats(-1, 1),
)


def measured_change(members: list[Individual]) -> float:
    births = sum(one.offspring for one in members)
    children = sum(one.offspring * one.offspring_trait for one in members) / births
    return children - sum(one.trait for one in members) / len(members)


@given(st.lists(individuals, min_size=1, max_size=40).filter(lambda m: any(i.offspring for i in m)))
def test_the_terms_add_up_to_the_change(members: list[Individual]) -> None:
    assert price(members).change == pytest.approx(measured_change(members), abs=1e-12)


def test_five_islands_of_forty() -> None:
    rng = random.Random(0)
    members = []
    for island in range(5):
        for _ in range(40):
            trait = rng.gauss(0, 0.5)
            births = sum(rng.random() < 0.5 + 0.3 * trait for _ in range(3))
            members.append(Individual(island, trait, births, trait + rng.gauss(0.01, 0.05)))
    found = price(members)
    assert found.change == pytest.approx(measured_change(members), abs=1e-12)
    assert found.within > 5 * abs(found.between)
    assert found.within > 5 * abs(found.bias)


def test_each_term_alone() -> None:
    same = [Individual(0, 1.0, 2, 1.5), Individual(1, 1.0, 2, 1.5)]
    assert price(same).bias == price(same).change == 0.5
    islands = [Individual(i, float(i), 2 * i, float(i)) for i in (0, 1) for _ in range(3)]
    assert (price(islands).between, price(islands).within) == (0.5, 0.0)
    inside = [Individual(0, float(i), 2 * i, float(i)) for i in (0, 1)]
    assert (price(inside).between, price(inside).within) == (0.0, 0.5)


def test_without_children_there_is_nothing_to_explain() -> None:
    with pytest.raises(ValueError, match="at least one child"):
        price([Individual(0, 1.0, 0)])
