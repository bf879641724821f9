"""The co-scientist with a scripted laboratory: who is asked what, and what follows from it.

An idea of the laboratory is a number to be added to x, hidden from the strategy. Its judge knows
the number, or does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult, Outcome
from metasearch.engine import run_campaign
from metasearch.errors import ContextOverflow, ModelError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import Idea, Match, Origin, Overview, Plan, Recorded, Review, Selection
from metasearch.objectives import Objective
from metasearch.operators.calibration import HIDDEN
from metasearch.operators.funnel import Funnel
from metasearch.operators.ratings import START
from metasearch.program import Program
from metasearch.prompts import Prompts, estimated_tokens, fit
from metasearch.step import Step, Task
from metasearch.strategies.co_scientist import CoScientist
from metasearch.strategies.co_scientist_briefing import Briefing
from metasearch.strategies.co_scientist_supervisor import upper_bounds
from metasearch.testing.scripted import scored
from tests.engine.kit import engine_of, load

WORDS = [
    "amber",
    "basil",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "inlet",
    "jade",
    "knoll",
    "larch",
    "maple",
]


F = TypeVar("F")


class Lab:
    """A model for all roles.

    Attributes:
        prompts: What was asked, as (kind, system message, user message), in order.
    """

    slope = 1.0
    """Of the judge; one of 0 cannot tell."""
    coin = False
    """Whether the judge guesses."""
    first_slot = False
    """Whether the judge always prefers what stands first."""
    repeats = False
    """Whether it has only one idea."""
    junk: tuple[str, ...] = ()
    """Kinds that it answers with garbage."""
    fails: tuple[str, ...] = ()
    """Kinds of review that discard every idea, or those whose text holds such a word."""

    def __init__(self) -> None:
        self.prompts: list[tuple[str, str, str]] = []

    def __call__(self, messages: Sequence[Message]) -> str:
        system, user = messages[0].content, messages[1].content
        kind = kind_of(user)
        self.prompts.append((kind, system, "\n".join(m.content for m in messages[1:])))
        rng = random.Random(f"{len(self.prompts)}{user}")
        if kind in self.junk:
            return "Hm, hard to say."
        answer = getattr(self, kind)(user, rng)
        return answer if isinstance(answer, str) else json.dumps(answer)

    def plan(self, user: str, rng: random.Random) -> object:
        return {"criteria": ["It adds much."], "constraints": ["Only x."], "attributes": []}

    def idea(self, user: str, rng: random.Random) -> object:
        name = " ".join(rng.sample(WORDS, 4)) if not self.repeats else "the same again"
        amount = rng.randint(-9, 9) if not self.repeats else 1
        seen = re.findall(r"score = (-?[\d.]+)", user)
        return {
            "notes": "",
            "title": f"add {name}",
            "claim": f"By {name}: add <{amount}>",
            "mechanism": f"It measured {seen[-1]} before." if seen and not self.repeats else name,
            "expected": "",
            "assumptions": [f"assuming {name}"],
            "predicted": None,
        }

    def initial(self, user: str, rng: random.Random) -> object:
        bad = "initial" in self.fails or any(word in user for word in self.fails)
        return {"review": "Looked at.", "novelty": 3, "verdict": "fail" if bad else "pass"}

    def full(self, user: str, rng: random.Random) -> object:
        return {"review": "Compared.", "verdict": "fail" if "full" in self.fails else "pass"}

    def deep(self, user: str, rng: random.Random) -> object:
        checked = {"claim": "c", "check": "none", "holds": None, "fundamental": True}
        return {"assumptions": [checked], "review": "Taken apart.", "verdict": "pass"}

    def verdict(self, user: str, rng: random.Random) -> dict[str, object]:
        first, second = (int(number) for number in re.findall(r"add <(-?\d+)>", user)[:2])
        share = (
            1 / (1 + math.exp(-self.slope * (first - second))) if not self.coin else rng.random()
        )
        return {"analysis": "Because.", "first_is_better": 1.0 if self.first_slot else share}

    def debate(self, user: str, rng: random.Random) -> object:
        turns = [{"speaker": "Expert", "text": f"Point {number}"} for number in range(3)]
        return {"turns": turns, **self.verdict(user, rng)}

    def turn(self, user: str, rng: random.Random) -> str:
        return f"I speak {len(self.prompts)}."

    def implement(self, user: str, rng: random.Random) -> str:
        now = float(re.findall(r"x = (-?[\d.]+)", user)[0])
        amount = int(re.findall(r"add <(-?\d+)>", user)[0])
        return f"I add it.\n```python\nx = {now + amount + rng.randint(1, 99) / 1000:.3f}\n```\n"

    def feedback(self, user: str, rng: random.Random) -> str:
        return f"LESSON-{sum(kind == 'feedback' for kind, _, _ in self.prompts)}"

    def overview(self, user: str, rng: random.Random) -> str:
        return "# Directions"


def kind_of(user: str) -> str:
    marks = {
        '"criteria"': "plan",
        '"predicted"': "idea",
        '"turns"': "debate",
        '"first_is_better"': "verdict",
        '"novelty"': "initial",
        '"fundamental"': "deep",
        '"verdict"': "full",
        "You speak for idea": "turn",
        "what everyone should mind": "feedback",
        "Write an overview": "overview",
        "The idea to put into code": "implement",
    }
    return next(kind for mark, kind in marks.items() if mark in user)


def value_of_x(request: EvaluationRequest) -> EvaluationResult:
    return scored(score=float(request.files["program.py"].partition("=")[2]))


@dataclass(frozen=True)
class Told(Generic[F]):
    """A recorded fact of a known kind."""

    number: int
    seq: int
    fact: F


class Run:
    """One campaign that has ended."""

    def __init__(
        self,
        folder: Path,
        run: CampaignArchive,
        lab: Lab,
        *,
        evaluations: int = 20,
        measures: bool = True,
        concurrency: int = 1,
        **options: Any,
    ) -> None:
        campaign = load(folder, concurrency=concurrency, budget__evaluations=evaluations)
        self.strategy = co_scientist(measures=measures, **options)
        self.lab = lab
        self.archive = run
        engine, _, _ = engine_of(
            campaign, run, answer=lab, evaluate=value_of_x, strategy=self.strategy
        )
        with run.hold():
            self.reason = asyncio.run(engine.run())
        self.facts = list(run.all_facts())

    def of(self, kind: type[F]) -> list[Told[F]]:
        return [Told(r.number, r.seq, r.fact) for r in self.facts if isinstance(r.fact, kind)]

    def asked(self, kind: str) -> list[str]:
        return [user for what, _, user in self.lab.prompts if what == kind]

    @property
    def matches(self) -> list[Match]:
        return [r.fact for r in self.facts if isinstance(r.fact, Match)]


def co_scientist(*, measures: bool = True, **options: object) -> CoScientist:
    task = Task(
        description="Make x large.",
        objectives=(Objective(name="score"),) if measures else (),
        seed_program=Program(files={"program.py": "x = 100.0\n"}),
    )
    given: dict[str, object] = {"initial_ideas": 4, "feedback_matches": 12, **options}
    return CoScientist(task, CoScientist.Options.model_validate(given))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "program.py").write_text("x = 100.0\n")
    (tmp_path / "campaign.toml").write_text(
        'name = "lab"\ntask = "Make x large."\n[objectives]\nscore = "maximize"\n'
    )
    return tmp_path


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive.db", create=True) as opened:
        yield opened


@pytest.fixture
def run(archive: Archive, folder: Path) -> CampaignArchive:
    return archive.create(load(folder))


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


def test_better_ideas_are_built_first(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), evaluations=2, initial_ideas=10, random_share=0)
    amounts = {r.number: amount(r.fact) for r in done.of(Idea)}
    (origin,) = done.of(Origin)
    assert amounts[origin.fact.ideas[0]] >= sorted(amounts.values())[-3]


def amount(idea: Idea) -> int:
    return int(re.findall(r"<(-?\d+)>", idea.claim)[0])


def test_the_plan_stands_in_every_later_prompt(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), evaluations=3)
    (plan,) = done.of(Plan)
    assert plan.fact.criteria == ("It adds much.",)
    heads = [system for kind, system, _ in done.lab.prompts if kind != "implement"]
    assert "It is plausible" in heads[0]
    assert all("It adds much." in head and "Only x." in head for head in heads[1:])


def test_a_goal_that_cannot_be_parsed_leaves_the_usual_criteria(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.junk = ("plan",)
    done = Run(folder, run, lab, evaluations=2)
    assert (
        "It is plausible: there is a reason why it should work." in done.of(Plan)[0].fact.criteria
    )


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_feedback_stands_in_every_prompt_of_the_next_epoch(
    folder: Path, run: CampaignArchive, share: float
) -> None:
    done = Run(folder, run, Lab(), evaluations=25, feedback_share=share)
    epoch, with_lesson, all_generated = 0, 0, 0
    for kind, _, user in done.lab.prompts:
        if kind == "idea" and "idea to work on" not in user and "ideas to work on" not in user:
            with_lesson += f"LESSON-{epoch}" in user
            all_generated += epoch > 0
        elif epoch:
            assert f"LESSON-{epoch}" in user
        assert f"LESSON-{epoch + 1}" not in user
        epoch += kind == "feedback"
    assert epoch >= 3
    feedback = [r.fact for r in done.of(Overview) if r.fact.purpose == "feedback"]
    assert [f.epoch for f in feedback] == list(range(1, epoch + 1))
    assert all_generated >= 8
    if share in (0.0, 1.0):
        assert with_lesson == share * all_generated
    else:
        assert 0.4 * all_generated < with_lesson < all_generated


@pytest.mark.slow
def test_mispredictions_and_outcomes_reach_the_meta_review(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.slope = -1.0  # judges the wrong way round
    done = Run(folder, run, lab, evaluations=25)
    assert any("Where the judges were wrong" in user for user in done.asked("feedback"))
    assert any("of" in user and "paid" in user for user in done.asked("feedback"))


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
    assert any("Its program: Result: score =" in user for user in done.asked("full"))
    for review in failed:
        later = [r for r in done.of(Selection) if r.seq > review.seq]
        assert all(review.fact.idea not in r.fact.ideas for r in later)


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


def test_an_idea_that_cannot_be_read_is_a_proposal_without_a_program(
    folder: Path, run: CampaignArchive
) -> None:
    lab = Lab()
    lab.junk = ("idea",)
    with pytest.raises(ModelError, match=r"in a row(.|\n)*no idea could be read"):
        Run(folder, run, lab)
    assert {c.outcome for c in run.candidates()} == {Outcome.SCORED, Outcome.REJECTED}


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


CHECKED: Mapping[str, Any] = {
    "calibration_items": 8,
    "calibration_calls": 12,
    "ideas_per_evaluation": 1,
}


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
    assert sum(first[0.0]) > sum(first[1.0]) + 20


def test_ways_that_pay_are_preferred_and_untried_ones_count_as_good() -> None:
    bounds = upper_bounds({"combine": (1, 2), "simplify": (0, 8)}, ["combine", "simplify", "new"])
    assert bounds["combine"] == pytest.approx(0.5 + math.sqrt(math.log(10)))
    assert bounds["simplify"] == pytest.approx(math.sqrt(2 * math.log(10) / 8))
    assert bounds["new"] == pytest.approx(1 + math.sqrt(2 * math.log(10)))
    assert upper_bounds({}, ["new"]) == {"new": 1.0}


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


IDEAS_ONLY: Mapping[str, Any] = {"measures": False, "max_ideas": 16, "feedback_matches": 1000}


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


def test_deep_reviews_keep_their_assumptions(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), **IDEAS_ONLY, reflections=["deep"])
    deep = [r.fact for r in done.of(Review) if r.fact.method == "deep"]
    assert deep
    assert deep[0].assumptions[0].fundamental
    assert deep[0].assumptions[0].holds is None


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


def test_a_prompt_that_is_too_long_gives_up_feedback_then_rationales_then_reviews(
    folder: Path, archive: Archive
) -> None:
    class Curious(CoScientist):
        """Keeps the drafts of its meta-reviews."""

        drafts: ClassVar[list[Message]] = []

        async def give_feedback(self, ctx: Step, brief: Briefing) -> None:
            talk = brief.talk

            def kept(*arguments: Any, **values: Any) -> list[Message]:
                messages = talk(*arguments, **values)
                self.drafts.append(messages[-1])
                return messages

            brief.talk = kept  # type: ignore[method-assign]
            await super().give_feedback(ctx, brief)

    class Wordy(Lab):
        def feedback(self, user: str, rng: random.Random) -> str:
            return "Mind the edges. " * 200

    run = archive.create(load(folder))
    strategy = Curious(co_scientist().task, co_scientist(feedback_matches=12).options)
    campaign = load(folder, concurrency=1, budget__evaluations=25)
    engine, _, _ = engine_of(campaign, run, answer=Wordy(), evaluate=value_of_x, strategy=strategy)
    with run.hold():
        asyncio.run(engine.run())
    draft = [strategy.drafts[-1]]
    found, tokens, render = list[tuple[str, ...]](), estimated_tokens(draft), Prompts().render
    for share in (1.0, 0.8, 0.5, 0.2):
        with contextlib.suppress(ContextOverflow):
            found.append(fit(draft, int(tokens * share), render).cut)
    assert found[0] == ()
    assert found[1] == ("feedback",)
    assert set(found[-1]) >= {"What decided matches, latest first", "feedback"}
    assert all(set(a) <= set(b) for a, b in itertools.pairwise(found))


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
    example = Path(__file__).parents[2] / "examples" / "circle_packing"
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
