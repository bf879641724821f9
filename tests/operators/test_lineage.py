"""Depth and takeover of lineages, against walks by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.candidate import Candidate, Outcome
from metasearch.operators.lineage import Lineages, WorkingParents


def family(*parents: int | None) -> Lineages:
    lineages = Lineages()
    for number, parent in enumerate(parents):
        lineages.observe(number, parent)
    return lineages


def test_depth_counts_edits() -> None:
    lineages = family(None, 0, 1, 1, None)
    assert [lineages.depth(number) for number in range(5)] == [0, 1, 2, 2, 0]


def test_repairs_are_children_of_what_the_failed_program_changed() -> None:
    def candidate(number: int, parent: int | None, outcome: Outcome) -> Candidate:
        parents = () if parent is None else (parent,)
        return Candidate(
            number=number,
            seq=number,
            step=1,
            digest="d",
            operator="e",
            outcome=outcome,
            parents=parents,
        )

    known = WorkingParents()
    told = [
        (candidate(0, None, Outcome.SCORED), None),
        (candidate(1, 0, Outcome.CRASHED), 0),
        (candidate(2, 1, Outcome.REJECTED), 0),
        (candidate(3, 2, Outcome.SCORED), 0),
        (candidate(4, 3, Outcome.SCORED), 3),
        (candidate(5, 99, Outcome.SCORED), 99),
    ]
    assert [known.observe(c) for c, _ in told] == [parent for _, parent in told]


def test_a_takeover_is_seen_from_the_founders() -> None:
    # 1 and 2 are founders; 3, 4, 5 descend from 1, directly or not; 6 from 2.
    lineages = family(None, 0, 0, 1, 3, 3, 2)
    found = lineages.takeover([4, 5, 3, 6], before=3)
    assert (found.share, found.founder) == (0.75, 1)
    assert lineages.takeover([3, 6], before=3).effective == pytest.approx(2.0)
    assert lineages.takeover([3, 4], before=3).effective == 1.0
    assert lineages.takeover([3, 6], before=1).founder == 0


def test_nobody_has_taken_over_an_empty_population() -> None:
    found = family(None).takeover([], before=0)
    assert (found.share, found.founder, found.effective) == (0.0, None, 0.0)


def test_an_unknown_parent_or_oneself_begins_a_lineage() -> None:
    lineages = Lineages()
    lineages.observe(7, 99)
    lineages.observe(8, 8)
    assert (lineages.depth(7), lineages.founder(8, 0)) == (0, 8)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.integers(0, 31))
def test_shares_and_effective_founders_are_bounded(parents: list[int], before: int) -> None:
    lineages = family(*parents)
    population = range(len(parents))
    found = lineages.takeover(population, before)
    founders = {lineages.founder(number, before) for number in population}
    assert 1 / len(founders) - 1e-9 <= found.share <= 1
    assert 1 - 1e-9 <= found.effective <= len(founders) + 1e-9
    assert found.founder in founders
