"""The judge: masked, checked, throttled; single verdicts, debates and votes."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.facts import Idea, Match, Origin, Selection
from metasearch.operators.calibration import HIDDEN
from metasearch.operators.ratings import START
from tests.engine.kit import load
from tests.strategies.co_scientist.lab import (
    CHECKED,
    IDEAS_ONLY,
    Lab,
    Run,
)


@pytest.mark.slow
def test_an_informed_judge_passes_its_check_and_one_that_cannot_tell_is_throttled(
    folder: Path, archive: Archive
) -> None:
    found = {}
    for slope in (2.0, 0.0):
        lab = Lab()
        lab.slope = slope
        run = archive.create(load(folder))
        done = Run(folder, run, lab, evaluations=30, **CHECKED)
        judge = done.strategy.funnel.judge
        assert judge.total == 36
        found[slope] = judge.agreement.share
        wanted = judge.matches_wanted(4, 2)
        assert wanted == (4 if slope else 1)
        last = max(r.seq for r in done.of(Match) if r.fact.purpose == "calibration")
        late = [r for r in done.of(Match) if r.seq > last and r.fact.purpose == "rating"]
        ideas = [r for r in done.of(Idea) if r.seq > last]
        assert len(late) >= 1
        assert (len(late) > 1.5 * len(ideas)) == bool(slope)
    assert found[2.0] > 0.8
    assert found[0.0] == 0.5


@pytest.mark.slow
def test_once_the_judge_is_trusted_an_idea_plays_all_its_matches_before_it_is_built(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), evaluations=40, random_share=0, **CHECKED)
    checks = [r.seq for r in done.of(Match) if r.fact.purpose == "calibration"]
    trusted, seen = sorted(checks)[11], set[int]()
    built = [r for r in done.of(Selection) if r.fact.operator == "program.implement"]
    late = 0
    for selection in built:
        (idea,) = selection.fact.ideas
        before = [
            r
            for r in done.of(Match)
            if r.seq < selection.seq and r.fact.purpose == "rating" and idea in r.fact.contestants
        ]
        if selection.seq > trusted and idea not in seen:
            assert len(before) >= 4
            late += 1
        seen.add(idea)
    assert late > 5


def test_judges_see_neither_code_nor_what_the_two_measured(
    folder: Path, run: CampaignArchive
) -> None:
    class Talkative(Lab):
        """Its reviewers quote what programs measured, as soon as they may know."""

        def initial(self, user: str, rng: random.Random) -> object:
            said = [c.scores["score"] for c in run.candidates() if c.scores]
            measured = " ".join(f"{score:.3f}" for score in said)
            return {"review": f"Seen so far: {measured}", "novelty": 3, "verdict": "pass"}

    done = Run(folder, run, Talkative(), evaluations=25, **CHECKED)
    entries = {entry.idea.title: entry for entry in done.strategy.funnel.entries.values()}
    pairs = {frozenset(m.contestants) for m in done.matches if m.purpose == "calibration"}
    assert any("It measured" in entry.idea.mechanism for entry in entries.values())
    calibrations = hidden = 0
    for user in done.asked("verdict") + done.asked("debate"):
        assert "x = " not in user
        pair = [entries[title] for title in re.findall(r"Title: (.*)", user)[:2]]
        calibrations += frozenset(entry.number for entry in pair) in pairs
        hidden += HIDDEN in user
        for score in pair[0].scores | pair[1].scores:
            assert f"{score:.3f}" not in user
    assert calibrations >= 12
    assert hidden > 0


def test_feedback_that_knows_an_outcome_is_not_shown_to_the_judge_who_is_checked(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), evaluations=30, **{**CHECKED, "feedback_evaluations": 3})
    entries = {entry.idea.title: entry for entry in done.strategy.funnel.entries.values()}
    pairs = {frozenset(m.contestants) for m in done.matches if m.purpose == "calibration"}
    checked = 0
    for user in done.asked("verdict"):
        pair = [entries[title] for title in re.findall(r"Title: (.*)", user)[:2]]
        if frozenset(entry.number for entry in pair) in pairs and all(e.program for e in pair):
            shown = [int(epoch) for epoch in re.findall(r"LESSON-(\d+)", user)]
            checked += bool(shown) and shown[0] <= min(entry.epoch for entry in pair)
    assert checked > 5


def test_two_measured_ideas_are_never_compared_by_opinion(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), evaluations=25, **CHECKED)
    measured = {
        r.fact.ideas[0]: r.seq
        for r in reversed(done.of(Origin))
        if done.archive.candidate(r.fact.candidate).scored
    }
    for recorded in done.of(Match):
        known = [measured.get(n, math.inf) < recorded.seq for n in recorded.fact.contestants]
        assert all(known) == (recorded.fact.purpose == "calibration")


def test_garbage_verdicts_are_invalid_change_no_rating_and_stop_nothing(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.junk = ("verdict", "debate")
    done = Run(folder, run, lab, evaluations=12)
    assert done.reason == "evaluations"
    assert len(done.matches) > 10
    assert {match.shares for match in done.matches} == {None}
    assert done.strategy.funnel.invalid == len(done.matches)
    assert {r.value for r in done.strategy.funnel.ratings().values()} == {START}
    assert len(done.asked("verdict")) == 2 * len(done.matches)  # asked once more, then never


def test_the_best_are_debated_in_one_call_and_the_debate_is_kept(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), **IDEAS_ONLY, matches_per_idea=6)
    debates = [match for match in done.matches if match.mode == "debate"]
    assert debates
    assert {len(match.transcript) for match in debates} == {3}
    assert len(done.asked("debate")) == len(debates)
    assert "in 4 turns" in done.asked("debate")[0]


def test_a_debate_in_many_calls_hears_both_sides_then_a_judge(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(
        folder, run, Lab(), **IDEAS_ONLY, matches_per_idea=6, debate_calls="many", debate_turns=3
    )
    debates = [match for match in done.matches if match.mode == "debate"]
    assert debates
    assert len(done.asked("turn")) == 3 * len(debates)
    for match in debates:
        assert [turn.speaker for turn in match.transcript] == [
            "For idea 1",
            "For idea 2",
            "For idea 1",
        ]
        assert any(all(t.text in user for t in match.transcript) for user in done.asked("verdict"))


def test_a_judge_of_the_first_slot_decides_no_debate(folder: Path, run: CampaignArchive) -> None:
    lab = Lab()
    lab.first_slot = True
    done = Run(folder, run, lab, **IDEAS_ONLY, matches_per_idea=8)
    assert done.strategy.funnel.slot_bias() > 2
    singles = [i for i, match in enumerate(done.matches) if match.mode == "single"]
    after = singles[19]
    debates = [match for match in done.matches[after + 1 :] if match.mode == "debate"]
    assert debates
    assert {match.shares for match in debates} == {(0.5, 0.5)}


def test_several_votes_make_one_soft_verdict_with_a_weight(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.coin = True
    done = Run(folder, run, lab, **IDEAS_ONLY, votes=3)
    singles = [match for match in done.matches if match.mode == "single"]
    assert len(done.asked("verdict")) == 3 * len(singles)
    assert all(0.2 < match.weight < 1 for match in singles)
