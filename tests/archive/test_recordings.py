"""Facts besides candidates: recorded once, read in the one order that all facts have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.errors import ArchiveError
from metasearch.facts import Idea, Selection, Value

Propose = Callable[..., Candidate]


def choice(number: int) -> Selection:
    return Selection(operator="expand", candidates=(number,))


def test_facts_count_up_and_come_back_in_the_order_of_candidates(
    run: CampaignArchive, propose: Propose
) -> None:
    first = run.record(run.open_step().number, 0, choice(0))
    candidate = propose("x = 1\n", 1.0)
    second = run.record(first.step, 1, Value(candidate=0, score=5, explanation="é ok"))
    assert (first.number, second.number) == (0, 1)
    assert list(run.history()) == [first, candidate, second]
    assert list(run.all_facts()) == [first, second]
    assert list(run.all_facts(first.seq)) == [second]
    assert run.fact(1) == second
    assert run.recorded_at(first.step, 1) == second
    assert run.recorded_at(first.step, 2) is None
    with pytest.raises(KeyError, match="no fact 2"):
        run.fact(2)


def test_history_ends_where_it_was_when_it_was_asked_for(
    run: CampaignArchive, propose: Propose
) -> None:
    candidates = [propose("x = 1\n", 1.0), propose("x = 2\n")]
    step = run.open_step().number
    facts = [run.record(step, n, choice(n)) for n in range(3)]
    history = run.history()
    propose("x = 3\n", 3.0)
    run.record(step, 3, choice(3))
    assert list(history) == [candidates[0], *facts]


def test_the_latest_of_a_kind_as_of_a_step(run: CampaignArchive) -> None:
    step = run.open_step().number
    ideas = [
        run.record(step, 2 * n, Idea(title=str(n), claim="", operator="explore")) for n in range(3)
    ]
    chosen = run.record(step, 5, choice(0))
    view = run.as_of(run.open_step().seq)
    run.record(step, 6, choice(1))
    assert view.facts("idea", 2) == [ideas[2], ideas[1]]
    assert view.facts(limit=2) == [chosen, ideas[2]]
    assert view.facts("match") == []
    assert view.fact(ideas[0].number) == ideas[0]
    assert len(run.facts()) == 5


def test_one_place_takes_one_fact(run: CampaignArchive) -> None:
    step = run.open_step().number
    run.record(step, 0, choice(0))
    for place in ((step, 0), (step + 1, 0)):
        with pytest.raises(ValueError, match="cannot take this fact"):
            run.record(*place, choice(1))
    assert [r.fact for r in run.facts()] == [choice(0)]


def test_open_steps_as_of_a_place(run: CampaignArchive) -> None:
    zero, one = run.open_step(), run.open_step()
    run.end_step(zero.number)
    two, three = run.open_step(), run.open_step()
    run.end_step(one.number)
    four = run.open_step()
    expected: dict[int, list[int]] = {0: [], 1: [0], 2: [1], 3: [1, 2], 4: [2, 3]}
    for ended in (False, True):  # whatever has ended since
        for step in (zero, one, two, three, four):
            assert run.as_of(step.seq).open_steps() == expected[step.number]
        if not ended:
            run.end_step(three.number)
    assert run.open_steps() == [2, 4]


def test_a_kind_that_this_version_does_not_know_is_an_error_that_says_so(
    run: CampaignArchive,
) -> None:
    step = run.open_step().number
    run.record(step, 0, choice(0))
    run._database.connection.execute("""UPDATE fact SET body = '{"kind": "gossip"}'""")
    with pytest.raises(ArchiveError, match="not valid"):
        run.facts()
