"""The picture of ideas, reviews, matches and programs, folded from facts by hand."""

from __future__ import annotations

import random

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.facts import AnyFact, Idea, Match, Origin, Overview, Recorded, Review, Selection
from metasearch.objectives import Objective
from metasearch.operators.funnel import CHAMPIONS, IMPLEMENT, Funnel


class Story:
    """Facts told to a funnel one by one."""

    def __init__(self, *, measures: bool = True, held: int = 200, calls: int = 4) -> None:
        objective = Objective(name="score", direction="minimize") if measures else None
        self.funnel = Funnel(objective, calls, held)
        self.facts: list[Recorded] = []
        self.candidates = 0

    def tell(self, fact: AnyFact, step: int = 0) -> int:
        number = len(self.facts)
        recorded = Recorded(number=number, seq=number, step=step, position=0, fact=fact)
        self.facts.append(recorded)
        self.funnel.learn(recorded)
        return number

    def idea(
        self, claim: str = "", *, verdict: str | None = "pass", operator: str = "explore"
    ) -> int:
        claim = claim or f"claim{len(self.facts)}"
        number = self.tell(Idea(title="", claim=claim, operator=operator))
        self.review(number, verdict)
        return number

    def review(self, idea: int, verdict: str | None, novelty: int | None = None) -> None:
        assert verdict in ("pass", "fail", None)
        told = Review.model_validate(
            {"idea": idea, "method": "initial", "verdict": verdict, "text": "", "novelty": novelty}
        )
        self.tell(told)

    def match(
        self,
        a: int,
        b: int,
        share: float | None = 1.0,
        purpose: str = "rating",
        step: int = 0,
    ) -> None:
        shares = None if share is None else (share, 1 - share)
        told = {"between": "ideas", "contestants": (a, b), "shares": shares, "purpose": purpose}
        self.tell(Match.model_validate(told), step)

    def program(
        self,
        score: float | None,
        idea: int | None = None,
        parents: tuple[int, ...] = (),
        outcome: Outcome = Outcome.CRASHED,
    ) -> int:
        number, self.candidates = self.candidates, self.candidates + 1
        step = 100 + number
        if idea is not None:
            self.tell(Selection(operator=IMPLEMENT, ideas=(idea,)), step)
        self.settle(number, score, parents, step, outcome)
        if idea is not None:
            self.tell(Origin(candidate=number, ideas=(idea,)), step)
        return number

    def settle(
        self,
        number: int,
        score: float | None,
        parents: tuple[int, ...],
        step: int,
        outcome: Outcome = Outcome.CRASHED,
    ) -> None:
        self.funnel.observe(
            Candidate(
                number=number,
                step=step,
                outcome=outcome if score is None else Outcome.SCORED,
                digest="d",
                scores={} if score is None else {"score": score},
                parents=parents,
                operator="implement",
                seq=0,
            )
        )


def test_an_idea_without_a_readable_verdict_is_let_pass_and_an_explicit_fail_discards() -> None:
    story = Story()
    good, bad, unread = story.idea(), story.idea(verdict="fail"), story.idea(verdict=None)
    new = story.tell(Idea(title="", claim="not yet reviewed", operator="explore"))
    assert [entry.number for entry in story.funnel.admitted] == [good, unread]
    story.review(good, "fail")  # a later look
    story.review(new, "pass")
    assert [entry.number for entry in story.funnel.admitted] == [unread, new]
    assert bad in story.funnel.entries  # discarded, not forgotten


def test_ratings_follow_from_the_matches_whatever_their_order() -> None:
    matches = [(0, 1, 1.0), (1, 2, 0.75), (2, 0, 0.4), (0, 1, 0.2), (1, 2, None)]
    found = []
    for seed in range(5):
        story = Story()
        ideas = [story.idea() for _ in range(3)]
        random.Random(seed).shuffle(matches)
        for a, b, share in matches:
            story.match(ideas[a], ideas[b], share)
        found.append([r.value for r in story.funnel.ratings().values()])
        assert story.funnel.invalid == 1
    for ratings in found[1:]:
        assert ratings == pytest.approx(found[0])


def test_an_invalid_verdict_changes_no_rating_but_the_pair_has_met() -> None:
    story = Story()
    a, b = story.idea(), story.idea()
    story.match(a, b, None)
    assert {r.value for r in story.funnel.ratings().values()} == {1200.0}
    assert [c.played for c in story.funnel.contestants([], "ranking.match")] == [1, 1]
    assert story.funnel.met == {frozenset((a, b))}


def test_calibration_and_ties_enter_no_rating() -> None:
    story = Story()
    a, b = story.idea(), story.idea()
    story.match(a, b, 1.0, "tie")
    story.match(a, b, 1.0, "calibration")
    assert {r.value for r in story.funnel.ratings().values()} == {1200.0}
    assert story.funnel.matches == 0
    assert story.funnel.judge.total == 1


def test_calibration_compares_the_verdict_with_what_was_measured() -> None:
    story = Story()
    good, bad = story.idea(), story.idea()
    seed = story.program(6.0)
    later = story.program(2.0, bad, (seed,))  # to be minimised
    story.program(4.0, bad, (seed,))
    story.program(-9.0, good, (later,))  # gains 11, where the other one gains 4
    for share in (0.9, 0.6, 0.4):
        story.match(good, bad, share, "calibration")
    story.match(bad, good, 0.1, "calibration")
    assert story.funnel.judge.agreement.share == 0.75


def test_fitness_is_the_best_program_of_an_idea_and_no_rating() -> None:
    story = Story()
    seed = story.program(10.0)
    idea, other = story.idea(), story.idea()
    story.match(idea, other, 0.0)
    before = story.funnel.ratings()
    story.program(None, idea, (seed,))
    assert story.funnel.entries[idea].gain is None
    first = story.program(9.0, idea, (seed,))
    story.program(9.5, idea, (first,))
    entry = story.funnel.entries[idea]
    assert (entry.gain, entry.program, entry.started) == (-9.0, first, 3)
    assert entry.effect == 1.0
    assert entry.scores == {9.0, 9.5}
    assert story.funnel.best == first
    assert story.funnel.ratings() == before
    assert story.funnel.measured == 1
    assert story.funnel.evaluations == 4
    forecast = story.funnel.forecasts()
    assert forecast[idea].error == 0.0
    assert forecast[other].error > 0


def test_a_program_that_was_repaired_is_compared_with_the_one_that_was_to_be_changed() -> None:
    story = Story()
    seed, idea = story.program(10.0), story.idea()
    story.tell(Selection(operator=IMPLEMENT, ideas=(idea,)), step=7)
    for number, (parent, score) in enumerate([(seed, None), (7, None), (8, 9.0)], start=7):
        story.settle(number, score, (parent,), step=7)
    entry = story.funnel.entries[idea]
    assert (entry.program, entry.changed, entry.base, entry.effect) == (9, seed, -10.0, 1.0)
    assert story.funnel.rewards(window=100)["explore"] == (1, 1)


def test_among_unmeasured_ideas_the_better_rated_is_expected_to_measure_better() -> None:
    story = Story()
    a, b, c = story.idea(), story.idea(), story.idea()
    story.match(a, b)
    story.match(b, c)
    found = story.funnel.forecasts()
    assert found[a].mean > found[b].mean > found[c].mean


def test_a_way_of_making_ideas_earns_what_its_ideas_measured() -> None:
    story = Story()
    seed = story.program(10.0)
    won = story.idea(operator="combine")
    lost = story.idea(operator="combine")
    story.idea(operator="simplify", verdict="fail")
    story.idea(operator="ground")
    story.program(9.0, won, (seed,))
    story.program(11.0, lost, (seed,))
    assert story.funnel.rewards(window=20) == {"combine": (1, 2), "simplify": (0, 1)}
    for _ in range(20):
        story.program(12.0)
    assert story.funnel.rewards(window=20)["ground"] == (0, 1)  # not tried in time


def test_without_an_evaluator_the_top_quartile_pays() -> None:
    story = Story(measures=False)
    ideas = [story.idea(operator=name) for name in ("explore", "debate", "combine", "combine")]
    for _ in range(2):
        for other in ideas[1:]:
            story.match(ideas[0], other)
    assert story.funnel.rewards(window=20) == {
        "explore": (1, 1),
        "debate": (0, 1),
        "combine": (0, 2),
    }


def test_feedback_is_of_the_epoch_it_was_written_in() -> None:
    story = Story()
    idea, later = story.idea(), story.idea()
    story.program(3.0, idea)
    story.tell(Overview(purpose="feedback", epoch=1, text="Mind the edges."))
    story.program(4.0, later)
    assert story.funnel.epoch == 1
    assert story.funnel.entries[idea].epoch == 0
    assert story.funnel.entries[later].epoch == 1
    assert story.funnel.since_feedback["evaluations"] == 1


def test_many_ideas_leave_the_funnel_by_use() -> None:
    story = Story(held=60)
    seed = story.program(50.0)
    best = story.idea("the very best one")
    story.program(1.0, best, (seed,))
    winner = story.idea("much liked, never tried")
    for number in range(300):
        idea = story.idea(verdict="fail" if number % 3 == 0 else "pass")
        if number % 3 == 1:
            story.program(40.0 + number, idea, (seed,))
        elif number % 3 == 2:
            story.match(winner, idea)
        assert len(story.funnel.entries) <= 60
    assert {best, winner} <= story.funnel.entries.keys()
    assert sum(e.gain is not None for e in story.funnel.entries.values()) > CHAMPIONS
    assert story.funnel.ideas == 302
    assert all(pair <= story.funnel.entries.keys() for pair in story.funnel.met)


def test_what_leaves_the_funnel_does_not_depend_on_which_steps_are_open() -> None:
    """A run that is continued folds the same facts without having run the steps."""
    live, continued = Story(held=40), Story(held=40)
    for story in (live, continued):
        story.program(50.0)
    for number in range(400):
        for story in (live, continued):
            idea = story.idea(verdict="fail" if number % 5 == 0 else "pass")
            step = 1000 + number
            story.tell(Selection(operator="ranking.match", ideas=(idea, max(0, idea - 9))), step)
            if number % 7:
                story.match(idea, max(0, idea - 9), step=step)
        if number % 3 == 0:
            assert len(live.funnel.in_flight([step])) == (number % 7 == 0)
    assert live.funnel.entries.keys() == continued.funnel.entries.keys()
    assert live.funnel.ratings() == continued.funnel.ratings()


def test_a_task_is_in_flight_until_its_result() -> None:
    story = Story()
    a, b = story.idea(), story.idea()
    seed = story.program(5.0)
    story.tell(Selection(operator="ranking.match", ideas=(a, b)), 7)
    story.tell(Selection(operator=IMPLEMENT, ideas=(a,)), 8)
    story.tell(Selection(operator="evolution.ground", ideas=(b,)), 9)
    assert len(story.funnel.in_flight([7, 8, 9])) == 3
    assert len(story.funnel.in_flight([8])) == 1
    story.match(a, b, step=7)
    story.settle(1, None, (seed,), 8)  # repaired next
    story.settle(2, None, (), 9, Outcome.REJECTED)
    assert [s.operator for s in story.funnel.in_flight([7, 8, 9])] == [IMPLEMENT]
    story.settle(3, 1.0, (1,), 8)
    assert story.funnel.entries[a].program == 3
    story.tell(Origin(candidate=3, ideas=(a,)), 8)
    assert story.funnel.in_flight([7, 8, 9]) == []


def test_similar_ideas_are_found_by_their_words() -> None:
    story = Story()
    a = story.idea("place circles on a hexagonal lattice and polish")
    b = story.idea("polish circles on a hexagonal lattice and place")
    c = story.idea("anneal the radii slowly")
    assert story.funnel.similarity(a, b) > 0.92
    assert story.funnel.similarity(a, c) < 0.3
    assert story.funnel.nearest(a, [a, b, c], limit=1) == [b]
    assert story.funnel.nearest(999, [a]) == []


def test_facts_about_unknown_ideas_are_ignored() -> None:
    story = Story()
    story.review(77, "fail")
    story.match(78, 79)
    story.program(1.0, 80)
    assert story.funnel.entries == {}
    assert story.funnel.ratings() == {}
    assert story.funnel.forecasts() == {}
