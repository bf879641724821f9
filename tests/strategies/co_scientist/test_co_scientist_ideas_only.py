"""Without an evaluator: a goal in, ranked ideas and an overview out."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from metasearch.archive import CampaignArchive
from metasearch.facts import Idea, Overview
from tests.strategies.co_scientist.lab import (
    IDEAS_ONLY,
    Lab,
    Run,
    amount,
)


@pytest.mark.parametrize("concurrency", [1, 6])
def test_without_an_evaluator_it_ends_with_ranked_ideas_and_an_overview(
    folder: Path, run: CampaignArchive, concurrency: int
) -> None:
    done = Run(folder, run, Lab(), concurrency=concurrency, **IDEAS_ONLY)
    assert done.reason == "ideas"
    assert len(done.of(Idea)) == 16
    played = Counter(n for match in done.matches for n in match.contestants)
    admitted = [entry.number for entry in done.strategy.funnel.admitted]
    assert all(played[number] >= 4 for number in admitted)
    *_, last = done.of(Overview)
    assert last.fact.purpose == "summary"
    assert len(last.fact.ideas) == 10
    values = done.strategy.funnel.ratings()
    ranked = sorted(admitted, key=lambda n: (-values[n].value, n))
    assert list(last.fact.ideas) == ranked[:10]
    amounts = [amount(done.strategy.funnel.entries[n].idea) for n in ranked]
    assert sum(amounts[:5]) > sum(amounts[-5:])
    assert [c.operator for c in run.candidates()] == ["seed"]
    assert all("program" not in user.partition("## Now")[0] for user in done.asked("idea"))


@pytest.mark.parametrize("calls", ["one", "many"])
def test_without_an_evaluator_no_prompt_speaks_of_programs_or_measurements(
    folder: Path, run: CampaignArchive, calls: str
) -> None:
    options = {**IDEAS_ONLY, "feedback_matches": 10, "matches_per_idea": 6}
    reflections = ["deep", "simulate"]
    done = Run(folder, run, Lab(), reflections=reflections, debate_calls=calls, **options)
    debate = {"debate"} if calls == "one" else {"turn"}
    kinds = {"plan", "idea", "initial", "deep", "full", "verdict", "feedback", "overview"}
    assert {kind for kind, _, _ in done.lab.prompts} == kinds | debate
    asked = "\n".join(system + user for _, system, user in done.lab.prompts)
    assert not re.findall(r"(?i)\b(?:program|objective|measur)\w*", asked)


def test_an_idea_says_what_became_of_it_and_a_match_who_won(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), **{**IDEAS_ONLY, "feedback_matches": 10})
    (*_, overview) = done.asked("overview")
    assert re.search(r"Judges' rating: \d+ ± \d+; matches: \d+ won, \d+ lost", overview)
    for user in done.asked("feedback"):
        told = user.partition("How matches ended")[2].partition("##")[0]
        assert re.findall(r"- (idea 1|idea 2|neither) won \(0\.\d\d\), idea 1 = \"add", told)
