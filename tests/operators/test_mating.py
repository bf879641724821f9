"""Ideals are inherited, mutate, and decide."""

from __future__ import annotations

import random

from metasearch.candidate import Candidate, Outcome
from metasearch.operators.mating import IdealMates, Mates


def candidate(number: int, parent: int | None) -> Candidate:
    parents = () if parent is None else (parent,)
    return Candidate(
        number=number,
        seq=number,
        step=number,
        parents=parents,
        operator="e",
        digest="d",
        outcome=Outcome.SCORED,
    )


def test_a_child_looks_for_nearly_what_its_parent_looked_for() -> None:
    still, moving = IdealMates(3, Mates(deviation=0.0)), IdealMates(3, Mates(deviation=0.05))
    for mates in (still, moving):
        mates.observe(candidate(0, None))
        for number in range(1, 200):
            mates.observe(candidate(number, 0))
    assert {still.ideals[n] for n in range(200)} == {still.ideals[0]}
    away = [
        abs(a - b)
        for n in range(1, 200)
        for a, b in zip(moving.ideals[n], moving.ideals[0], strict=True)
    ]
    assert 0.02 < sum(away) / len(away) < 0.06
    assert all(0 <= x <= 1 for ideal in moving.ideals.values() for x in ideal)


def test_the_nearest_of_those_met_is_taken() -> None:
    mates = IdealMates(1, Mates(meets=3, deviation=0.0))
    mates.observe(candidate(0, None))
    (ideal,) = mates.ideals[0]
    places = [(ideal + 0.3,), (ideal - 0.1,), (ideal + 0.2,)]
    assert {mates.choose(0, places, random.Random(seed)) for seed in range(20)} == {1}
    many = [(ideal + 0.01 * n,) for n in range(100)]
    chosen = [mates.choose(0, many, random.Random(seed)) for seed in range(200)]
    assert 15 < sum(chosen) / len(chosen) < 35  # the least of three of a hundred: 25 on average


def test_the_same_fold_gives_the_same_ideals() -> None:
    one, other = IdealMates(2, Mates()), IdealMates(2, Mates())
    for mates in (one, other):
        for number in range(10):
            mates.observe(candidate(number, number // 2 if number else None))
    assert one.ideals == other.ideals
