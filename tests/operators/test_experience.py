"""What was learnt is a fold: who has won is told by progress among the latest, not by scores."""

from __future__ import annotations

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.facts import AnyFact, Insight, Operation, Origin, Recorded, Setting, Shortcut
from metasearch.objectives import Objective
from metasearch.operators.experience import (
    INHERITED,
    USUAL,
    Experience,
    entry_of,
    experience_of,
    inheritance,
)

SCORE = (Objective(name="score"),)
TWO = (Objective(name="score"), Objective(name="size"))


def candidate(number: int, parent: int | None, **scores: float) -> Candidate:
    return Candidate(
        number=number,
        seq=10 * number,
        step=number,
        parents=() if parent is None else (parent,),
        operator="evolve",
        digest=f"d{number}",
        outcome=Outcome.SCORED if scores else Outcome.CRASHED,
        scores=scores,
    )


def recorded(number: int, fact: AnyFact) -> Recorded:
    return Recorded(number=number, seq=10 * number + 5, step=number, position=0, fact=fact)


def learning(objectives: tuple[Objective, ...] = SCORE) -> Experience:
    experience = Experience(objectives)
    experience.learn(recorded(0, Insight(text="Count up.")))
    return experience


def result(experience: Experience, child: Candidate) -> tuple[int, int]:
    """Wins and trials of the insight after it was shown for this child."""
    experience.observe(child)
    experience.learn(recorded(child.number, Origin(candidate=child.number, insights=(0,))))
    entry = experience.memory.entries[0]
    return entry.wins, entry.trials


def test_progress_beyond_the_usual_is_a_win_whatever_the_parent() -> None:
    experience = learning()
    experience.observe(candidate(0, None, score=100.0))
    experience.observe(candidate(1, 0, score=10.0))  # -90
    for number, score in enumerate((5.0, 8.0, 7.0), start=2):
        experience.observe(candidate(number, 1, score=score))  # -5, -2, -3
    assert result(experience, candidate(5, 1, score=9.5)) == (1, 1)  # -0.5: the best of five
    assert result(experience, candidate(6, 0, score=90.0)) == (
        1,
        2,
    )  # -10: a high score all the same
    assert experience.improved(5) is False


def test_failures_lose_and_a_mended_failure_wins() -> None:
    experience = learning()
    experience.observe(candidate(0, None, score=1.0))
    assert result(experience, candidate(1, 0)) == (0, 1)
    assert result(experience, candidate(2, 1, score=0.1)) == (1, 2)
    assert experience.improved(2)


def test_several_objectives_are_never_added_up() -> None:
    experience = learning(TWO)
    experience.observe(candidate(0, None, score=0.0, size=0.0))
    experience.observe(candidate(1, 0, score=100.0, size=-1.0))
    experience.observe(candidate(2, 0, score=-1.0, size=-1.0))
    assert result(experience, candidate(3, 0, score=1.0, size=1.0)) == (1, 1)
    assert experience.improved(3)
    assert not experience.improved(1)


def test_what_lies_back_is_not_usual_any_more() -> None:
    experience = learning()
    experience.observe(candidate(0, None, score=0.0))
    for number in range(1, USUAL + 1):
        experience.observe(candidate(number, 0, score=50.0))
    for number in range(USUAL + 1, 2 * USUAL + 1):
        experience.observe(candidate(number, 0, score=-50.0))
    assert result(experience, candidate(2 * USUAL + 1, 0, score=1.0)) == (1, 1)


def test_a_look_back_is_counted_from_when_it_began() -> None:
    experience = learning()
    for number in range(5):
        experience.observe(candidate(number, None if number == 0 else 0, score=1.0))
    assert (experience.evaluated, experience.since_reflection) == (5, 5)
    experience.learn(recorded(9, Setting(reflects=True)))
    experience.learn(recorded(10, Setting(temperature=0.5)))
    assert (experience.evaluated, experience.since_reflection) == (5, 0)


def test_a_shortcut_needs_all_that_it_replaces() -> None:
    steps = tuple(
        Operation(name="replace", arguments={"path": "a.py", "search": text, "text": "y"})
        for text in ("one", "two")
    )
    shortcut = Shortcut(name="s", precondition="three", sequence=steps)
    assert entry_of(Insight(text="t", shortcut=shortcut)).requires == ("three", "one", "two")
    assert entry_of(Insight(text="t")).requires == ()


def test_the_most_useful_are_inherited_with_their_record_and_without_their_evidence() -> None:
    experience = Experience(SCORE)
    for number in range(INHERITED + 5):
        fact = Insight(text=f"tip {number}", evidence=(1,), wins=number, trials=40, replaces=None)
        experience.learn(recorded(number, fact))
    taken = inheritance("other-1", experience)
    assert [i.wins for i in taken] == list(range(INHERITED + 4, 4, -1))
    assert {(i.source, i.evidence, i.trials) for i in taken} == {("other-1", (), 40)}
    again = experience_of(SCORE, [recorded(n, fact) for n, fact in enumerate(taken)])
    assert [i.source for i in inheritance("third-1", again)] == ["other-1"] * INHERITED
    assert again.memory.entries[0].utility == pytest.approx((INHERITED + 5) / 42)
