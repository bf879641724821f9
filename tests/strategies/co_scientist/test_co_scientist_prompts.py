"""What the prompts hold: the plan, the feedback; and what goes first where they are too long."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.errors import ContextOverflow
from metasearch.exchange import Message
from metasearch.facts import Overview, Plan
from metasearch.prompts import Prompts, estimated_tokens, fit
from metasearch.step import Step
from metasearch.strategies.co_scientist import CoScientist
from metasearch.strategies.co_scientist_briefing import Briefing
from tests.engine.kit import engine_of, load
from tests.strategies.co_scientist.lab import (
    Lab,
    Run,
    co_scientist,
    value_of_x,
)


def test_the_plan_stands_in_every_later_prompt(folder: Path, run: CampaignArchive) -> None:
    done = Run(folder, run, Lab(), evaluations=3)
    (plan,) = done.of(Plan)
    assert plan.fact.criteria == ("It adds much.",)
    heads = [system for kind, system, _ in done.lab.prompts if kind != "implement"]
    assert "What ideas are judged by" not in heads[0]
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
        if kind == "idea" and "idea at hand" not in user and "ideas at hand" not in user:
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
    told = [user.partition("by how they were made\n")[2] for user in done.asked("feedback")]
    assert any(re.match(r"- \w+: \d+ of \d+\n", each) for each in told)


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
    assert set(found[-1]) >= {"How matches ended and what decided them, latest first", "feedback"}
    assert all(set(a) <= set(b) for a, b in itertools.pairwise(found))
