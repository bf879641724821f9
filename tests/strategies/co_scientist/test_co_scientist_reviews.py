"""Reviews discard; what cannot be read does not, and nothing new at all ends the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.archive import CampaignArchive
from metasearch.candidate import Outcome
from metasearch.errors import ModelError
from metasearch.facts import Idea, Origin, Overview, Review, Selection
from tests.strategies.co_scientist.lab import (
    IDEAS_ONLY,
    Lab,
    Run,
)


def test_discarded_ideas_play_no_match_are_not_built_and_not_in_the_overview(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.fails = ("amber", "fjord")
    done = Run(folder, run, lab, evaluations=20)
    discarded = {r.fact.idea for r in done.of(Review) if r.fact.verdict == "fail"}
    assert len(discarded) > 5
    used = {n for match in done.matches for n in match.contestants}
    used |= {n for r in done.of(Origin) for n in r.fact.ideas}
    used |= {n for r in done.of(Overview) for n in r.fact.ideas}
    used |= {n for r in done.of(Idea) for n in r.fact.parents}
    assert used.isdisjoint(discarded)


def test_a_repeated_idea_is_recorded_as_such_and_goes_no_further(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.repeats = True
    done = Run(folder, run, lab, evaluations=6, max_ideas=12)
    first, *others = done.of(Idea)
    twins = [r.fact for r in done.of(Review) if r.fact.label == "duplicate"]
    assert [twin.idea for twin in twins] == [r.number for r in others]
    assert twins[0].text.startswith(f"Repeats idea {first.number}; similarity 1.00")
    assert done.matches == []
    assert {n for r in done.of(Origin) for n in r.fact.ideas} == {first.number}
    assert done.reason == "evaluations"


def test_ideas_that_no_review_lets_pass_end_the_run_with_the_reason(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.fails = ("initial",)
    with pytest.raises(ModelError, match=r"in a row(.|\n)*no idea passes its review"):
        Run(folder, run, lab)


def test_one_idea_again_and_again_that_no_review_lets_pass_ends_the_run(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.fails = ("initial",)
    lab.repeats = True
    with pytest.raises(ModelError, match=r"in a row(.|\n)*no idea is new; the last repeats idea"):
        Run(folder, run, lab)


def test_an_idea_that_cannot_be_read_is_a_proposal_without_a_program(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.junk = ("idea",)
    with pytest.raises(ModelError, match=r"in a row(.|\n)*no idea could be read"):
        Run(folder, run, lab)
    assert {c.outcome for c in run.candidates()} == {Outcome.SCORED, Outcome.REJECTED}


def test_reviews_that_cannot_be_read_let_pass(folder: Path, run: CampaignArchive) -> None:
    lab = Lab()
    lab.junk = ("initial", "full")
    done = Run(folder, run, lab, evaluations=8)
    assert {r.fact.verdict for r in done.of(Review)} == {None}
    assert done.reason == "evaluations"


def test_a_later_review_may_discard(folder: Path, run: CampaignArchive) -> None:
    lab = Lab()
    lab.fails = ("full",)
    done = Run(folder, run, lab, evaluations=20)
    failed = [r for r in done.of(Review) if r.fact.method == "full"]
    assert failed
    assert any("Its program:\nResult: score =" in user for user in done.asked("full"))
    for review in failed:
        later = [r for r in done.of(Selection) if r.seq > review.seq]
        assert all(review.fact.idea not in r.fact.ideas for r in later)


def test_deep_reviews_keep_their_assumptions(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), **IDEAS_ONLY, reflections=["deep"])
    deep = [r.fact for r in done.of(Review) if r.fact.method == "deep"]
    assert deep
    assert deep[0].assumptions[0].fundamental
    assert deep[0].assumptions[0].holds is None
