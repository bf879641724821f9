"""Insights stay while they help, are shown where they fit, and are not blamed for others."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.insights import PROBATION, Entry, InsightMemory


def test_utility_by_hand() -> None:
    assert Entry("new").utility == 0.5
    assert Entry("good", wins=9, trials=10).utility == pytest.approx(10 / 12)


def tried(memory: InsightMemory, number: int, wins: int, losses: int) -> None:
    for won in [True] * wins + [False] * losses:
        memory.settle([number], won)


def test_one_that_does_not_help_is_forgotten_after_its_probation() -> None:
    memory = InsightMemory()
    memory.learn(1, Entry("sort first"))
    tried(memory, 1, wins=1, losses=8)
    assert 1 in memory.entries  # utility 2/11, but one trial short
    tried(memory, 1, wins=0, losses=1)
    assert 1 not in memory.entries
    memory.settle([1], True)
    assert 1 not in memory.entries


def test_one_that_helped_is_forgotten_when_it_no_longer_does() -> None:
    memory = InsightMemory()
    memory.learn(1, Entry("sort first"))
    tried(memory, 1, wins=5, losses=5)
    tried(memory, 1, wins=0, losses=18)
    assert memory.entries[1].utility == pytest.approx(6 / 30)
    tried(memory, 1, wins=0, losses=1)
    assert memory.entries == {}


@pytest.mark.parametrize("seed", range(5))
def test_after_50_rounds_useful_ones_are_in_and_harmful_ones_are_out(seed: int) -> None:
    rng = random.Random(seed)
    memory = InsightMemory()
    useful, harmful = (1, 3), (2, 4)
    for number in (*useful, *harmful):
        memory.learn(number, Entry(f"tip {number} about packing circles"))
    for _ in range(50):
        shown = memory.retrieve("pack circles", "def pack(): ...")
        if any(number in harmful for number in shown):
            chance = 0.02
        else:
            chance = 0.8 if any(number in useful for number in shown) else 0.4
        memory.settle(shown, rng.random() < chance)
    assert sorted(memory.entries) == list(useful)


def test_only_one_on_probation_is_shown_and_it_alone_takes_the_blame() -> None:
    memory = InsightMemory()
    memory.learn(1, Entry("proven", wins=9, trials=10))
    for number in (2, 3):
        memory.learn(number, Entry("new"))
    shown = memory.retrieve("anything", "")
    assert shown == [1, 2]
    memory.settle(shown, won=False)
    assert memory.entries[1].trials == 10
    assert memory.entries[2].trials == 1
    assert memory.retrieve("anything", "", limit=0) == []


def test_what_does_not_fit_the_program_is_never_offered() -> None:
    memory = InsightMemory()
    memory.learn(1, Entry("vectorise the loop", requires=("for i in range",), wins=9, trials=10))
    assert memory.retrieve("vectorise the loop", "while True: pass") == []
    assert memory.retrieve("vectorise the loop", "for i in range(3): pass") == [1]


def test_relevant_and_useful_ones_come_first() -> None:
    memory = InsightMemory()
    memory.learn(1, Entry("cache the distances of circles", wins=8, trials=10))
    memory.learn(2, Entry("use a priority queue for bins", wins=8, trials=10))
    memory.learn(3, Entry("move the circles by their distances", wins=3, trials=10))
    assert memory.retrieve("distances of circles", "") == [1, 3, 2]


def test_a_better_version_takes_the_place_of_the_old_one() -> None:
    memory = InsightMemory()
    memory.learn(1, Entry("sort", wins=5, trials=10))
    memory.learn(2, Entry("sort by area"), replaces=1)
    assert list(memory.entries) == [2]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=80),
    st.integers(1, 8),
    st.integers(0, 5),
)
def test_the_memory_stays_bounded_and_a_fold_of_its_facts(
    facts: list[tuple[int, bool]], capacity: int, limit: int
) -> None:
    def fold() -> InsightMemory:
        memory = InsightMemory(capacity=capacity)
        for number, won in facts:
            memory.learn(number, memory.entries.get(number, Entry(f"tip {number}")))
            shown = memory.retrieve("tip", "", limit)
            assert len(shown) <= limit
            assert sum(memory.entries[n].trials < PROBATION for n in shown) <= 1
            memory.settle(shown, won)
            assert len(memory.entries) <= capacity
        return memory

    assert fold() == fold()
