"""What every strategy that works on ideas alone must do, where there is no evaluator.

Subclass :class:`IdeasConformance` in a test module as one does with
:class:`~metasearch.testing.strategy_conformance.StrategyConformance`. Nothing is measured, so what
counts is recorded facts: the budget is one in ideas, and runs are compared by what they recorded.

    class TestMine(IdeasConformance):
        strategy = "package.module:Mine"
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import JsonValue

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.campaign_file import load_campaign
from metasearch.errors import ModelError
from metasearch.exchange import Message
from metasearch.facts import Idea
from metasearch.operators.idea_board import IdeaBoard
from metasearch.testing.attempts import LONGEST_PROMPT, Suite, length, toml

_CHOICE = 30
"""Characters of a word that programs compare; longer texts are in the model's own words."""
_FORM = 200
"""Characters at the end of a request that tell in which form an answer is asked for."""


class IdeasConformance(Suite):
    """The suite. See the module."""

    strategy: ClassVar[str]
    """A name as in ``[strategy]``."""
    options: ClassVar[Mapping[str, JsonValue]] = {}
    goal: ClassVar[str] = "Why do bees dance, and how could one tell?"
    ideas: ClassVar[int] = 8
    kills: ClassVar[int] = 12
    """Awaits at which a run is killed, out of all that it has."""

    @pytest.fixture
    def campaign(self, tmp_path: Path) -> Campaign:
        """One task after the other."""
        return self.load(tmp_path, concurrency=1)

    def load(self, folder: Path, **settings: object) -> Campaign:
        """The suite's campaign, with other settings."""
        options = "".join(f"{key} = {toml(value)}\n" for key, value in self.options.items())
        (folder / "campaign.toml").write_text(
            f'name = "conformance"\ntask = "{self.goal}"\n'
            f'[strategy]\nname = "{self.strategy}"\n[strategy.options]\n{options}'
        )
        given: dict[str, object] = {"budget.ideas": self.ideas}
        given |= {key.replace("__", "."): value for key, value in settings.items()}
        return load_campaign(folder, given)

    def test_two_runs_of_one_seed_are_identical(self, campaign: Campaign, archive: Archive) -> None:
        first, second = archive.create(campaign), archive.create(campaign)
        one, other = self.run(campaign, first), self.run(campaign, second)
        assert list(first.all_facts()) == list(second.all_facts())
        assert one.models.prompts == other.models.prompts

    @pytest.mark.parametrize("concurrency", [1, 6])
    def test_it_ends_at_exactly_its_ideas_and_goes_on_with_more(
        self, tmp_path: Path, archive: Archive, concurrency: int
    ) -> None:
        campaign = self.load(tmp_path, concurrency=concurrency)
        run = archive.create(campaign)
        bought: list[tuple[int, int]] = []
        for allowed in (1, self.ideas, self.ideas + 3):
            campaign = self.load(tmp_path, concurrency=concurrency, budget__ideas=allowed)
            run.update(campaign)
            attempt = self.attempt(campaign, run)
            assert attempt.run() == "ideas"
            assert len(_ideas(run)) == allowed
            bought += attempt.models.bought
        assert len(bought) == len(set(bought)), "a reply was bought twice"
        assert run.unfinished_steps() == []
        assert run.evaluations() == 0

    def test_killed_at_each_await_it_continues_to_the_same_facts(
        self, campaign: Campaign, archive: Archive
    ) -> None:
        whole = archive.create(campaign)
        moments = self.run(campaign, whole).moments
        assert moments > self.ideas
        for fatal in sorted(random.Random(1).sample(range(moments), min(moments, self.kills))):
            broken = archive.create(campaign)
            spent = self.run_killed(campaign, broken, [fatal])
            assert spent.kills == 1
            assert not spent.repeated
            assert _told(broken) == _told(whole), f"killed at moment {fatal} of {moments}"

    def test_killed_again_and_again_a_concurrent_run_repeats_nothing(
        self, tmp_path: Path, archive: Archive
    ) -> None:
        campaign = self.load(tmp_path, concurrency=5)
        run = archive.create(campaign)
        rng = random.Random(3)
        spent = self.run_killed(campaign, run, [rng.randrange(4, 30) for _ in range(12)])
        assert spent.kills > 1
        assert not spent.repeated
        assert len(_ideas(run)) == self.ideas

    def test_prompts_stay_bounded_whatever_models_write(
        self, campaign: Campaign, archive: Archive
    ) -> None:
        def verbose(messages: Sequence[Message], seed: int) -> str:
            said = self.answer(messages, seed)
            try:
                return json.dumps(_inflated(json.loads(said)))
            except ValueError:
                return said * 1_000

        run = archive.create(campaign)
        prompts = self.run(campaign, run, answer=verbose).models.prompts
        assert len(_ideas(run)) == self.ideas, "long words are read, too"
        assert max(length(prompt) for prompt in prompts) < LONGEST_PROMPT

    def test_a_model_with_one_idea_only(self, campaign: Campaign, archive: Archive) -> None:
        """Whatever is asked for in one form gets one answer."""
        known: dict[str, str] = {}

        def repeats(messages: Sequence[Message], seed: int) -> str:
            return known.setdefault(messages[-1].content[-_FORM:], self.answer(messages, seed))

        run = archive.create(campaign)
        attempt = self.attempt(campaign, run, answer=repeats)
        assert attempt.run() == "ideas"
        assert len(_ideas(run)) == self.ideas
        assert len({idea.claim for idea in _ideas(run)}) == 1
        assert IdeaBoard.of(run.all_facts()).counts().discarded >= self.ideas - 1
        assert len(attempt.models.bought) < 5 * self.ideas, "repetitions are debated"

    @pytest.mark.parametrize("junk", ["", "No.", "```json\n", "{" * 5000, "\x00\ufffd" * 100])
    def test_junk_is_given_up_with_the_reason(
        self, campaign: Campaign, archive: Archive, junk: str
    ) -> None:
        run = archive.create(campaign)
        with pytest.raises(ModelError, match="in a row"):
            self.run(campaign, run, answer=lambda messages, seed: junk)
        assert all(candidate.error for candidate in run.candidates())


def _ideas(run: CampaignArchive) -> list[Idea]:
    return [r.fact for r in run.all_facts() if isinstance(r.fact, Idea)]


def _told(run: CampaignArchive) -> list[tuple[object, ...]]:
    """What was recorded where. Places in the order of all facts may differ by lost calls."""
    return [(r.number, r.step, r.position, r.fact) for r in run.all_facts()]


def _inflated(value: object) -> object:
    """A reply as data, with long texts far longer and lists too."""
    if isinstance(value, dict):
        return {key: _inflated(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_inflated(each) for each in value] * 4
    if isinstance(value, str) and len(value) > _CHOICE:
        return f"{value} " * (8_000 // len(value))
    return value
