"""Runs of an engine that may be killed at any of their awaits; what suites of strategies share.

A suite says how its campaign looks, how models answer and how programs are measured. Everything
follows from that and the campaign's seed, so runs can be compared, killed anywhere and continued.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import JsonValue

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.candidate import EvaluationResult
from metasearch.engine import Engine
from metasearch.engine.observer import Silent
from metasearch.engine.opening import task_of
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.models import Ledger
from metasearch.models.offline.reply import reply
from metasearch.strategies import load_strategy
from metasearch.testing.scripted import ScriptedModels, ScriptedPool

LONGEST_PROMPT = 250_000
"""Characters of all messages together, however much models, candidates and evaluators write."""

_R = TypeVar("_R")
Answer = Callable[[Sequence[Message], int], str]
"""A model: messages and a seed to its reply."""
Evaluate = Callable[[EvaluationRequest], EvaluationResult]


class _Killed(SystemExit):
    """Stands for ``kill -9``: asyncio lets it end the whole loop at once."""


class _Models(ScriptedModels):
    """Seeds the model by the place of the call, as the real client does."""

    def __init__(self, run: CampaignArchive, answer: Answer) -> None:
        super().__init__(run, lambda messages: "")
        self._seeded = answer

    def reply_to(self, step: int, call: int, messages: Sequence[Message]) -> str:
        return self._seeded(messages, random.Random(f"{step}/{call}").getrandbits(31))


class Attempt:
    """One run of an engine, which may be killed at one of its moments.

    A moment is a model's reply before and after it is stored, or an evaluation before and
    after it is done: every await of a step that something outside can happen at.

    Attributes:
        moments: How many there have been.
        models: What was asked and bought.
        pool: What was evaluated.
    """

    def __init__(
        self,
        campaign: Campaign,
        run: CampaignArchive,
        answer: Answer,
        evaluate: Evaluate,
        fatal: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            campaign: As it is now.
            run: Begun before, or empty.
            answer: The model.
            evaluate: The evaluator.
            fatal: The moment at which it is killed.
        """
        self.moments = 0
        self._fatal = fatal
        self._run = run
        self.models = _Models(run, partial(self._at_a_moment, answer))
        self.pool = ScriptedPool(partial(self._at_a_moment, evaluate))
        task = task_of(campaign)
        run.mark_lost()
        ledger = Ledger(usd=None, tokens=None, spent=run.usage())
        strategy = load_strategy(campaign.settings.strategy, task)
        self._engine = Engine(
            campaign, run, strategy, task, self.models, ledger, self.pool, Silent()
        )

    def run(self) -> str:
        """Run to the end, whose reason is returned."""
        with self._run.hold():
            return asyncio.run(self._engine.run())

    def _at_a_moment(self, function: Callable[..., _R], *arguments: object) -> _R:
        self._pass()
        result = function(*arguments)
        self._pass()
        return result

    def _pass(self) -> None:
        if self.moments == self._fatal:
            raise _Killed
        self.moments += 1


@dataclass
class Spent:
    """What a run has taken over all of its attempts."""

    kills: int = 0
    bought: list[tuple[int, int]] = field(default_factory=list)
    """(step, call) of the replies."""
    evaluated: list[int] = field(default_factory=list)
    """Numbers of the candidates."""

    @property
    def repeated(self) -> bool:
        """Whether a reply was bought twice or a candidate evaluated twice."""
        return any(len(all_) != len(set(all_)) for all_ in (self.bought, self.evaluated))


class Suite:
    """A campaign and the functions that stand for its model and its evaluator."""

    @pytest.fixture(autouse=True)
    def _collect(self) -> Iterator[None]:
        """Finalise killed coroutines here; CPython 3.11 fails if that happens inside ast.parse."""
        yield
        gc.collect()

    @pytest.fixture
    def archive(self, tmp_path: Path) -> Iterator[Archive]:
        """An empty one."""
        with Archive.open(tmp_path / "archive.db", create=True) as opened:
            yield opened

    def answer(self, messages: Sequence[Message], seed: int) -> str:
        """A model's reply: the offline model's."""
        chat = [{"role": m.role, "content": m.content} for m in messages]
        return reply(chat, seed, 0.8, None)

    def measure(self, request: EvaluationRequest) -> EvaluationResult:
        """What becomes of a candidate."""
        raise NotImplementedError(f"nobody says what becomes of candidate {request.number}")

    def attempt(
        self,
        campaign: Campaign,
        run: CampaignArchive,
        fatal: int | None = None,
        *,
        answer: Answer | None = None,
        evaluate: Evaluate | None = None,
    ) -> Attempt:
        """A run that has not begun, with the suite's model and evaluator if no other is given."""
        return Attempt(campaign, run, answer or self.answer, evaluate or self.measure, fatal)

    def run(
        self,
        campaign: Campaign,
        run: CampaignArchive,
        *,
        answer: Answer | None = None,
        evaluate: Evaluate | None = None,
    ) -> Attempt:
        """Run to the end, and what that took."""
        attempt = self.attempt(campaign, run, answer=answer, evaluate=evaluate)
        attempt.run()
        return attempt

    def run_killed(self, campaign: Campaign, run: CampaignArchive, fatal: Iterable[int]) -> Spent:
        """Run to the end, each attempt killed at the next of these moments if it gets there."""
        spent = Spent()
        for moment in (*fatal, None):
            attempt = self.attempt(campaign, run, moment)
            try:
                attempt.run()
                break
            except _Killed:
                spent.kills += 1
                gc.collect()  # see _collect
            finally:
                spent.bought += attempt.models.bought
                spent.evaluated += attempt.pool.evaluated
        return spent


def length(prompt: Sequence[Message]) -> int:
    """Characters of all messages together."""
    return sum(len(message.content) for message in prompt)


def toml(value: JsonValue) -> str:
    """A value of an option as a campaign file has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
