"""The way of ideas: thought of, reviewed, matched, built, measured, and looked back on."""

from __future__ import annotations

import asyncio
import math
import random
import re
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Outcome
from metasearch.engine import run_campaign
from metasearch.facts import Idea, Match, Origin, Recorded, Review, Selection
from metasearch.operators.funnel import Funnel
from metasearch.operators.ratings import START
from metasearch.strategies.co_scientist_supervisor import upper_bounds
from tests.engine.kit import load
from tests.strategies.co_scientist.lab import (
    Lab,
    Run,
    amount,
    co_scientist,
)


def test_ideas_are_reviewed_then_matched_then_built_and_what_they_measure_comes_back(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), evaluations=6)
    assert done.reason == "evaluations"
    kinds = [kind for kind, _, _ in done.lab.prompts]
    assert kinds[:3] == ["plan", "idea", "initial"]
    built = kinds.index("implement")
    assert kinds[:built].count("idea") == kinds[:built].count("initial") == 4
    assert kinds[:built].count("verdict") >= 4  # two for each of four
    assert kinds.count("implement") == 5
    origins = {r.fact.ideas[0]: r.fact.candidate for r in done.of(Origin)}
    gains = done.strategy.funnel.gains
    assert set(gains) == set(origins)
    for idea, number in origins.items():
        assert gains[idea] == done.archive.candidate(number).scores["score"]
        assert done.archive.candidate(number).operator == "implement"


def test_an_idea_whose_program_was_repaired_is_credited_with_the_gain_over_what_it_changed(
    folder: Path, run: CampaignArchive
) -> None:
    class Clumsy(Lab):
        """Each program runs at the third attempt."""

        def implement(self, user: str, rng: random.Random) -> str:
            turns = [user for kind, _, user in self.prompts if kind == "implement"]
            if len(turns) % 3:
                return f"```python\nx = broken{len(turns)}\n```\n"
            return super().implement(user, rng)

    repairs = {"start": 1, "growth": 2, "limit": 7}
    lab = Clumsy()
    done = Run(folder, run, lab, evaluations=13, repairs=repairs, feedback_evaluations=6)
    origins = {r.fact.candidate: r.fact.ideas[0] for r in done.of(Origin)}
    assert len(origins) == 4
    for number, idea in origins.items():
        entry = done.strategy.funnel.entries[idea]
        mended = run.candidate(number)
        broken = run.candidate(mended.parents[0])
        first = run.candidate(broken.parents[0])
        assert (first.outcome, first.operator) == (Outcome.CRASHED, "implement")
        assert (broken.operator, mended.operator) == ("repair", "repair")
        assert (entry.program, entry.changed) == (number, first.parents[0])
        gain = mended.scores["score"] - run.candidate(first.parents[0]).scores["score"]
        assert entry.effect == pytest.approx(gain)
    told = lab.prompts[[kind for kind, _, _ in lab.prompts].index("overview")][2]
    changed = re.findall(r"The program that it changed: (.*)", told)
    assert changed
    assert all("score = " in line for line in changed)


def test_better_ideas_are_built_first(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), evaluations=2, initial_ideas=10, random_share=0)
    amounts = {r.number: amount(r.fact) for r in done.of(Idea)}
    (origin,) = done.of(Origin)
    assert amounts[origin.fact.ideas[0]] >= sorted(amounts.values())[-3]


def test_every_tenth_idea_is_drawn_uniformly(folder: Path, archive: Archive) -> None:
    """With a share of 1 ratings do not matter; with 0 they decide alone."""
    first: dict[float, list[int]] = {}
    for share in (0.0, 1.0):
        lab = Lab()
        lab.slope = 5.0
        done = Run(
            folder,
            archive.create(load(folder)),
            lab,
            evaluations=13,
            initial_ideas=20,
            ideas_per_evaluation=0,
            random_share=share,
        )
        amounts = {r.number: amount(r.fact) for r in done.of(Idea)}
        first[share] = [amounts[r.fact.ideas[0]] for r in done.of(Origin)][:10]
    assert sum(first[0.0]) > sum(first[1.0]) + 10


def test_ways_that_pay_are_preferred_and_untried_ones_count_as_good() -> None:
    bounds = upper_bounds({"combine": (1, 2), "simplify": (0, 8)}, ["combine", "simplify", "new"])
    assert bounds["combine"] == pytest.approx(0.5 + math.sqrt(math.log(10)))
    assert bounds["simplify"] == pytest.approx(math.sqrt(2 * math.log(10) / 8))
    assert bounds["new"] == pytest.approx(1 + math.sqrt(2 * math.log(10)))
    assert upper_bounds({}, ["new"]) == {"new": 1.0}


@pytest.mark.slow
def test_evolution_makes_new_ideas_and_changes_none(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), evaluations=25)
    evolved = [r for r in done.of(Idea) if r.fact.parents]
    ideas = {r.number: r.fact for r in done.of(Idea)}
    assert {r.fact.operator for r in evolved} >= {"ground", "combine", "simplify", "out_of_box"}
    for child in evolved:
        assert set(child.fact.parents) <= {n for n in ideas if n < child.number}
        if child.fact.operator == "combine":
            assert len(child.fact.parents) == 2
    for recorded in done.facts:
        assert done.archive.fact(recorded.number) == recorded


def test_a_child_inherits_no_rating() -> None:
    strategy = co_scientist()
    facts = [
        Idea(title="a", claim="one thing", operator="explore"),
        Idea(title="b", claim="quite another", operator="explore"),
        Review(idea=0, method="initial", verdict="pass", text=""),
        Review(idea=1, method="initial", verdict="pass", text=""),
        Match(between="ideas", contestants=(0, 1), shares=(1.0, 0.0)),
        Idea(title="c", claim="a better one thing", operator="simplify", parents=(0,)),
    ]
    for number, fact in enumerate(facts):
        strategy.learn(Recorded(number=number, seq=number, step=1, position=number, fact=fact))
    ratings = strategy.funnel.ratings()
    assert ratings[0].value == pytest.approx(1258.61, abs=0.01)
    assert ratings[5].value == START


def test_ratings_and_fitness_are_never_mixed(folder: Path, run: CampaignArchive) -> None:
    """The best of the campaign is the best measured, whatever its rating."""
    lab = Lab()
    lab.slope = -2.0
    done = Run(folder, run, lab, evaluations=20)
    (best,) = run.best()
    assert done.strategy.funnel.best == best.number
    ranked = done.strategy.funnel.forecasts()
    measured = done.strategy.funnel.gains
    by_forecast = sorted(measured, key=lambda n: ranked[n].mean)
    assert by_forecast == sorted(measured, key=lambda n: measured[n])


def test_steps_at_once_lose_no_match_and_judge_no_pair_twice(
    folder: Path, run: CampaignArchive
) -> None:
    done = Run(folder, run, Lab(), concurrency=8, evaluations=20)
    pairs = [frozenset(match.contestants) for match in done.matches]
    assert len(pairs) == len(set(pairs))
    chosen = [r for r in done.of(Selection) if r.fact.operator.startswith("ranking.")]
    assert len(chosen) == len(done.matches)
    reviews = [r.fact.idea for r in done.of(Review) if r.fact.method == "initial"]
    assert len(reviews) == len(set(reviews))
    again = co_scientist()
    for fact in run.history():
        again.learn(fact) if isinstance(fact, Recorded) else again.observe(fact)
    assert again.funnel.ratings() == done.strategy.funnel.ratings()


@pytest.mark.slow
def test_programs_that_only_repeat_others_end_the_run_although_ideas_go_on(
    folder: Path, run: CampaignArchive
) -> None:
    class Unoriginal(Lab):
        def implement(self, user: str, rng: random.Random) -> str:
            return "```python\nx = 100.0  # again\n```"

    done = Run(folder, run, Unoriginal(), ideas_per_evaluation=0.1, repairs=0)
    assert done.reason == "stalled"
    assert run.evaluations() == 1


def test_programs_that_cannot_be_used_are_corrected_in_the_same_conversation(
    folder: Path, run: CampaignArchive
) -> None:
    class Careless(Lab):
        def implement(self, user: str, rng: random.Random) -> str:
            said = super().implement(user, rng)
            corrected = self.prompts[-1][2].count("could not be used")
            return said if corrected == 2 else "```python\nx = (\n```"

    done = Run(folder, run, Careless(), evaluations=2)
    outcomes = [(c.operator, c.outcome) for c in run.candidates()]
    assert outcomes == [
        ("seed", Outcome.SCORED),
        ("implement", Outcome.REJECTED),
        ("repair", Outcome.REJECTED),
        ("repair", Outcome.SCORED),
    ]
    assert done.of(Origin)[0].fact.candidate == 3
    assert list(done.strategy.funnel.gains) == list(done.of(Origin)[0].fact.ideas)


@pytest.mark.slow
@pytest.mark.sandbox
def test_forty_evaluations_of_circle_packing_offline(tmp_path: Path) -> None:
    """Without a key: the judge who knows nothing is found out, and the search still improves."""
    options = {"calibration_items": 10, "calibration_calls": 60, "ideas_per_evaluation": 1.5}
    given: dict[str, object] = {
        "strategy.name": "co_scientist",
        "models.default": "offline/evolve",
        "budget.evaluations": 40,
        "concurrency": 1,
        **{f"strategy.options.{key}": value for key, value in options.items()},
    }
    example = Path(__file__).parents[3] / "examples" / "circle_packing"
    campaign, file = load_campaign(example, given), tmp_path / "archive.db"
    ending = asyncio.run(run_campaign(campaign, file))
    assert ending.reason == "evaluations"
    with Archive.open(file, read_only=True) as opened:
        run = opened.campaign("circle_packing")
        funnel = Funnel(campaign.objectives[0], calls=60)
        for fact in run.history():
            funnel.learn(fact) if isinstance(fact, Recorded) else funnel.observe(fact)
        assert run.evaluations() == 40
        assert run.best()[0].scores["sum_radii"] > run.candidate(0).scores["sum_radii"]
    assert funnel.judge.total >= 60
    assert funnel.judge.matches_wanted(4, 2) == 1
