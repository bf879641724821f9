"""What a ranker is worth: its first choices among a parent's children, window by window."""

from __future__ import annotations

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.facts import AnyFact, Match, Origin, Recorded, Value
from metasearch.objectives import Objective
from metasearch.operators.rankers import RankerMonitor

SCORE = (Objective(name="score"),)


def candidate(number: int, score: float | None) -> Candidate:
    return Candidate(
        number=number,
        seq=10 * number,
        step=number,
        parents=(0,) if number else (),
        operator="evolve",
        digest=f"d{number}",
        outcome=Outcome.CRASHED if score is None else Outcome.SCORED,
        scores={} if score is None else {"score": score},
    )


def fact(number: int, fact: AnyFact) -> Recorded:
    return Recorded(number=number, seq=number, step=0, position=number, fact=fact)


def monitor(size: int, children: list[float | None]) -> RankerMonitor:
    found = RankerMonitor(SCORE, size=size)
    for number, score in enumerate([1.0, *children]):
        found.observe(candidate(number, score))
    return found


def valued(found: RankerMonitor, values: list[float]) -> None:
    """Each value is given after its candidate was measured."""
    for number, value in enumerate(values, start=1):
        found.learn(fact(number, Value(candidate=number, score=value, explanation="")))


def test_golden_ten_children_with_three_improvements() -> None:
    """n = 10, c = 3, k = 2: by chance 0.5333 (mechanisms.md, RNK-2)."""
    children: list[float | None] = [2.0, 2.0, 2.0, *[0.0] * 6, None]
    blind = monitor(11, children)
    valued(blind, [0.0] * 10)
    (ranking,) = blind.rankings()
    assert ranking is not None
    assert ranking.by_chance == pytest.approx(0.5333, abs=1e-4)
    assert (ranking.parents, ranking.at_best) == (1, 1.0)


def test_a_good_ranker_reaches_the_best_and_an_inverted_one_nothing() -> None:
    children: list[float | None] = [0.0, 0.0, None, 2.0]
    good, bad = monitor(5, children), monitor(5, children)
    valued(good, [1, 2, 3, 4])
    valued(bad, [4, 3, 2, 1])
    assert [r.reached if r else None for r in good.rankings()] == [1.0]
    assert [r.reached if r else None for r in bad.rankings()] == [0.0]


def test_ideas_rank_by_their_rating_when_the_candidate_is_known() -> None:
    found = monitor(4, [0.0, 0.0, 2.0])
    won = Match(between="ideas", contestants=(7, 8), shares=(1.0, 0.0))
    found.learn(fact(0, won))
    found.learn(fact(1, won.model_copy(update={"contestants": (7, 9)})))
    for number, idea in ((1, 8), (2, 9), (3, 7)):
        found.learn(fact(1 + number, Origin(candidate=number, ideas=(idea,))))
    late = won.model_copy(update={"contestants": (8, 7)})
    for number in range(10, 40):
        found.learn(fact(number, late))
    (ranking,) = found.rankings(k=1)
    assert ranking is not None
    assert ranking.reached == 1.0
    assert ranking.by_chance == pytest.approx(1 / 3)


def test_a_program_that_was_repaired_is_a_child_of_the_one_that_was_to_be_changed() -> None:
    """The worse one, which took two repairs, is what the ranker prefers to its better sibling."""
    found = monitor(5, [2.0, None])
    found.observe(candidate(3, None).model_copy(update={"parents": (2,)}))
    found.observe(candidate(4, 0.0).model_copy(update={"parents": (3,)}))
    for number, value in ((1, 1.0), (4, 2.0)):
        found.learn(fact(number, Value(candidate=number, score=value, explanation="")))
    (ranking,) = found.rankings(k=1)
    assert ranking is not None
    assert (ranking.parents, ranking.reached, ranking.by_chance) == (1, 0.0, 0.5)


def test_calibrating_and_invalid_verdicts_move_no_rating() -> None:
    found = monitor(3, [2.0, 0.0])
    upside_down = Match(between="ideas", contestants=(2, 1), shares=(1.0, 0.0))
    found.learn(fact(0, upside_down.model_copy(update={"purpose": "calibration"})))
    found.learn(fact(1, upside_down.model_copy(update={"shares": None})))
    found.learn(fact(2, Origin(candidate=1, ideas=(1,))))
    found.learn(fact(3, Origin(candidate=2, ideas=(2,))))
    assert [r.reached if r else None for r in found.rankings(k=1)] == [1.0]  # a tie: the older one


def test_a_window_without_a_ranker_and_an_incomplete_one() -> None:
    found = monitor(2, [2.0, 2.0, 2.0, 2.0])
    assert found.rankings() == [None, None]
