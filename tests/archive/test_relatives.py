"""Around one candidate: ancestors, children, descendants, and what was recorded about it."""

from __future__ import annotations

import pytest

from metasearch.archive import CampaignArchive, relatives
from metasearch.facts import Idea, Insight, Match, Origin, Review, Selection, Value
from tests.archive.conftest import Propose


@pytest.fixture
def family(propose: Propose) -> None:
    """#0 <- #1 <- #3 <- #4 <- #6, and #0 <- #2, #3 <- #5; #6 is made from #2 too."""
    propose("a", 1.0)
    propose("b", 2.0, 0)
    propose("c", 5.0, 0)
    propose("d", 3.0, 1)
    propose("e", 4.0, 3)
    propose("f", None, 3)
    propose("g", 4.5, 4, 2)


def test_ancestors_are_the_main_line(run: CampaignArchive, family: None) -> None:
    assert [each.number for each in run.ancestors(6, 100)] == [6, 4, 3, 1, 0]
    assert [each.number for each in run.ancestors(6, 2)] == [6, 4]
    assert [each.number for each in run.ancestors(0, 5)] == [0]


def test_the_best_children_come_first_and_those_without_a_score_last(
    run: CampaignArchive, family: None
) -> None:
    assert [each.number for each in run.best_children(0, 10)] == [2, 1]
    assert [each.number for each in run.best_children(3, 10)] == [4, 5]
    assert [each.number for each in run.best_children(0, 1)] == [2]
    assert run.best_children(6, 10) == []


def test_all_that_descends_is_counted_once(
    run: CampaignArchive, family: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run.descent(0)
    assert (found.total, found.complete) == (6, True)
    assert found.best is not None
    assert found.best.number == 2
    below = run.descent(1)
    assert below.best is not None
    assert (below.total, below.best.number) == (4, 6)
    assert run.descent(6) == (0, None, True)
    monkeypatch.setattr(relatives, "SCANNED", 3)
    assert run.descent(0)[::2] == (3, False)


def test_what_was_recorded_about_a_candidate_is_found(
    run: CampaignArchive, propose: Propose
) -> None:
    propose("a", 1.0)
    idea = run.record(0, 0, Idea(title="t", claim="c", operator="explore"))
    other = run.record(0, 1, Idea(title="u", claim="c", operator="explore"))
    shown = run.record(0, 2, Insight(text="shown"))
    for position, number in enumerate((idea.number, other.number)):
        review = Review(idea=number, method="full", verdict="pass", text="r")
        run.record(0, 3 + position, review)
    candidate = propose("b", 2.0, 0)
    chosen = run.record(candidate.step, 0, Selection(operator="expand", candidates=(0,)))
    origin = Origin(candidate=1, ideas=(idea.number, 999), insights=(shown.number,))
    run.record(candidate.step, 1, origin)
    run.record(candidate.step, 2, Origin(candidate=0, ideas=(other.number,)))
    value = run.record(candidate.step, 3, Value(candidate=1, score=3.0, explanation="e"))
    run.record(candidate.step, 4, Value(candidate=0, score=3.0, explanation="e"))
    match = run.record(
        candidate.step, 5, Match(between="candidates", contestants=(0, 1), shares=(0, 1))
    )
    run.record(candidate.step, 6, Match(between="ideas", contestants=(0, 1), shares=(0, 1)))
    learnt = run.record(candidate.step, 7, Insight(text="learnt", evidence=(1,)))
    built = run.record(
        candidate.step, 8, Idea(title="v", claim="c", operator="combine", candidates=(1,))
    )
    found = run.background(candidate)
    assert found.choices == (chosen,)
    assert found.ideas == (idea,)
    assert [each.number for each in found.reviews] == [3]
    assert found.insights == (shown,)
    assert found.values == (value,)
    assert found.matches == (match,)
    assert found.learnt == (learnt,)
    assert found.built_on == (built,)
