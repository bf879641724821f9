"""Health rows of small campaigns that are known by hand."""

from __future__ import annotations

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Objective
from metasearch.operators.balance import Children
from metasearch.operators.health import HealthMonitor

SCORE = Objective(name="score")


def candidate(
    number: int,
    parent: int | None,
    score: float | None,
    *,
    digest: str = "",
    island: int | None = None,
) -> Candidate:
    return Candidate(
        number=number,
        step=number,
        outcome=Outcome.CRASHED if score is None else Outcome.SCORED,
        digest=digest or str(number),
        scores={} if score is None else {"score": score},
        parents=() if parent is None else (parent,),
        operator="evolve",
        island=island,
        seq=number,
    )


def monitor(size: int, *candidates: Candidate) -> HealthMonitor:
    health = HealthMonitor((SCORE,), size=size)
    for one in candidates:
        health.observe(one)
    return health


def test_a_window_by_hand() -> None:
    (row,) = monitor(
        6,
        candidate(0, None, 1.0),
        candidate(1, 0, 2.0, digest="a"),
        candidate(2, 0, 2.0, digest="a"),
        candidate(3, 0, 0.5),
        candidate(4, 0, None),
        candidate(5, 1, 3.0),
    ).windows
    assert (row.first, row.last, row.count) == (0, 5, 6)
    assert row.scored == pytest.approx(5 / 6)
    # Parent 0: one different improvement among four; parent 1: one of one.
    expected = (Children(1, 4).score() + Children(1, 1).score()) / 2
    assert row.balance.score == pytest.approx(expected)
    assert row.balance.exploitation == pytest.approx(2 / 5)
    assert row.depth == 2


def test_an_incomplete_window_is_no_row_and_rows_follow_each_other() -> None:
    chain = [candidate(i, i - 1 if i else None, float(i)) for i in range(11)]
    rows = monitor(5, *chain).windows
    assert [(row.first, row.last) for row in rows] == [(0, 4), (5, 9)]
    assert [row.depth for row in rows] == [4, 9]
    assert rows[1].takeover.share == 1.0


def test_one_lineage_takes_over() -> None:
    early = [candidate(i, None, 1.0) for i in range(4)]
    mixed = [candidate(4 + i, i, 1.0) for i in range(4)]
    taken = [candidate(8 + i, 4, 1.0) for i in range(4)]
    rows = monitor(4, *early, *mixed, *taken).windows
    assert rows[1].takeover.effective == pytest.approx(4.0)
    assert rows[2].takeover.effective == pytest.approx(1.0)
    assert rows[2].takeover.founder == 0


def test_price_tells_selection_of_islands_from_what_edits_do() -> None:
    parents = [candidate(i, None, float(i), island=i) for i in range(2)]
    better_island = [candidate(2 + i, 1, 1.0, island=1) for i in range(2)]
    rows = monitor(2, *parents, *better_island).windows
    assert rows[0].price is None
    assert rows[1].price is not None
    assert (rows[1].price.between, rows[1].price.within, rows[1].price.bias) == (0.5, 0.0, 0.0)
    edits = [candidate(2 + i, i, i + 3.0, island=i) for i in range(2)]
    shifted = monitor(2, *parents, *edits).windows[1].price
    assert shifted is not None
    assert (shifted.between, shifted.within, shifted.bias) == (0.0, 0.0, 3.0)


def test_a_window_of_failures_is_a_row_too() -> None:
    (row,) = monitor(3, *(candidate(i, None, None) for i in range(3))).windows
    assert (row.scored, row.balance.score, row.depth, row.price) == (0.0, 0.0, 0, None)
    assert row.takeover.founder is None
