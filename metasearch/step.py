"""The contract between engine and strategies: one step, and what a strategy may do in it.

A strategy is one linear coroutine per step. Its few primitives are ``ask`` (a model, for
text) and ``ask_for`` (for data), ``evaluate`` (a program), ``record`` (any other fact),
``settled`` (wait for earlier steps), a read-only view of the archive, and a random generator
seeded by campaign seed and step number. After a crash an unfinished step runs again from the
archive as it was when the step first opened: ``ask`` k finds its stored reply, ``evaluate`` j
its recorded candidate and ``record`` i its fact, so nothing is paid for or written twice. For
this, choose from the archive before the first ``await``.

What steps in flight are working on is known to others only by facts: a step that records its
:class:`~metasearch.facts.Selection` before the first ``await`` is seen by every step that opens
after it, live and on resume alike; ``archive.open_steps()`` tells which of them are in flight.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from metasearch.campaign import Budget, Role
from metasearch.candidate import Candidate, Frozen, Score
from metasearch.exchange import Message, Usage
from metasearch.facts import AnyFact, Kind, Recorded
from metasearch.objectives import Objective
from metasearch.program import Program

Answer = TypeVar("Answer", bound=BaseModel)
"""Data that a model is asked for."""


class Task(Frozen):
    """What every prompt may know about the campaign. Holds no private metric, no test data."""

    description: str
    objectives: tuple[Objective, ...]
    """None in a campaign of ideas alone."""
    seed_program: Program
    """``NO_PROGRAM`` in a campaign of ideas alone."""
    metrics: tuple[str, ...] = ()
    """Names of further public metrics."""
    packages: tuple[str, ...] = ()
    """Modules that are sure to be there besides the standard library."""
    seconds: float = 30.0
    """Wall time of one call of the program."""
    memory: int = 1024**3
    """Bytes."""
    evaluations: int | None = None
    """The budget of the campaign, if it has one in evaluations."""


@dataclass(frozen=True)
class Reply:
    """A model's answer, stored in the archive before the strategy sees it."""

    text: str
    usage: Usage
    finish_reason: str
    replayed: bool
    """It came from the journal, not from the provider."""
    model: str
    """Which one answered."""


@dataclass(frozen=True)
class Rejected:
    """A proposal that gave no program to evaluate: a value, archived with its reason."""

    reason: str
    """What was wrong, in words that help the model to do better."""


@dataclass(frozen=True)
class Refused:
    """A model did not give the data that it was asked for: a value, never a default instead."""

    reason: str
    """What was wrong with its last answer."""


class SearchEnded(Exception):
    """A strategy has nothing left to do; raised by a step when no other one is at work.

    Attributes:
        reason: Why, in one word: ``ideas`` (as many as the budget allows), ``plateau``, ...
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class View(Protocol):
    """Read-only, indexed look at the campaign's archive, as it was when the step opened."""

    def candidate(self, number: int) -> Candidate:
        """One candidate; ``KeyError`` if there is none of this number."""

    def program(self, candidate: Candidate) -> Program:
        """Its files; ``KeyError`` if it never had any."""

    def best(self, limit: int = 1) -> Sequence[Candidate]:
        """The best scored ones by the first objective, best first; older first on ties."""

    def recent(self, limit: int) -> Sequence[Candidate]:
        """The latest settled ones, newest first."""

    def children(self, number: int, limit: int = 100) -> Sequence[Candidate]:
        """The latest settled ones made from this one, newest first."""

    def output(self, candidate: Candidate) -> tuple[str, str]:
        """What it printed: the stored tails of stdout and stderr."""

    def examples(self, candidate: Candidate) -> Mapping[str, Sequence[float]]:
        """Public metric -> one number for each example, where the evaluator measures by example.

        The score is their mean. Kept for fewer than 10,000 examples.
        """

    def score(self, candidate: Candidate, metric: str) -> Score:
        """One of its public metrics with its interval; ``KeyError`` if it has none such."""

    def fact(self, number: int) -> Recorded:
        """One recorded fact; ``KeyError`` if there is none of this number."""

    def facts(self, kind: Kind | None = None, limit: int = 100) -> Sequence[Recorded]:
        """The latest recorded facts, of one kind or of all, newest first."""

    def open_steps(self) -> Sequence[int]:
        """Numbers of the steps that were in flight when this one opened, oldest first."""

    def budget(self) -> Budget:
        """What the campaign was allowed when the step opened; a continued one may have more."""


class Step(Protocol):
    """One step of a strategy, given by the engine."""

    number: int
    """Durable and unique within the campaign; steps run concurrently."""
    rng: random.Random
    """Seeded by (campaign seed, number): the only source of chance."""

    @property
    def task(self) -> Task:
        """What prompts may know about the campaign."""

    @property
    def archive(self) -> View:
        """The campaign's facts so far."""

    def generator(self, step: int) -> random.Random:
        """A fresh generator, as that step began with.

        Steps of one generation draw their common plan from that of its first step.
        """

    def file(self, path: str) -> str:
        """A text file of the campaign's folder that an option names.

        Raises:
            CampaignError: It is not there, outside the folder, too large or no text.
        """

    def render(self, template: str, /, **values: object) -> str:
        """A prompt template of the campaign, filled: see :mod:`metasearch.prompts`.

        Raises:
            CampaignError: There is no such template, or it does not fit its values.
        """

    def work_on(self, parent: Candidate, island: int | None = None) -> None:
        """Say which program the step changes, before it asks.

        What people say of a candidate's descendants or of an island is shown accordingly.
        """

    def choose_operator(self, operators: Sequence[str], *, role: Role = "propose") -> str:
        """One of the operators that the step could use now, before it asks.

        Where the role's model is chosen by a bandit, so is this, together with the model and
        the temperature of the role's further calls in this step: it learns which of them get
        most for their cost under the name that :meth:`evaluate` is given. Else all are equally
        likely.
        """

    async def ask(
        self, messages: Sequence[Message], *, role: Role, temperature: float | None = None
    ) -> Reply:
        """A model's answer in free text.

        Args:
            messages: The prompt.
            role: Decides the model, or the ensemble that it is chosen from.
            temperature: Instead of the role's or the campaign's.

        Raises:
            BudgetExhausted: Ends the step; let it pass.
            ModelError: The call failed for good; the engine pauses the campaign.
        """

    async def ask_for(
        self,
        schema: type[Answer],
        messages: Sequence[Message],
        *,
        role: Role,
        temperature: float | None = None,
    ) -> Answer | Refused:
        """A model's answer as data: all of what the schema demands, as the model gave it.

        The form is added to the last message. An answer that does not fit gets one more turn
        with what is wrong; the second one in vain comes back as :class:`Refused`.

        Args:
            schema: A pydantic model without defaults; its docstring and its fields'
                descriptions are shown.
            messages: The conversation; the last one asks.
            role: Decides the model.
            temperature: Instead of the campaign's.

        Raises:
            TypeError: A field of the schema has a default.
            BudgetExhausted: As for :meth:`ask`.
            ModelError: As for :meth:`ask`.
        """

    async def evaluate(
        self,
        program: Program | Rejected,
        *,
        parents: Sequence[Candidate],
        operator: str,
        name: str = "",
        thought: str = "",
        island: int | None = None,
    ) -> Candidate:
        """Archive a proposal, evaluate it if it is new, and return what became of it.

        A :class:`Rejected` proposal, and a program whose digest the campaign has seen, come
        back as ``rejected`` with the reason, and cost no evaluation.
        """

    def record(self, fact: AnyFact) -> Recorded:
        """Add a fact to the archive; at once, because it costs nothing.

        A step that is run again gets what it recorded at this place the first time.
        """

    async def settled(self, before: int, since: int = 0) -> Sequence[Candidate]:
        """All candidates of the steps ``since`` to ``before - 1``, once all those have ended.

        In order of step and position within the step. This is how generation-synchronous
        systems wait for their population.
        """


class Strategy(Protocol):
    """One search system. An instance serves one run of one campaign."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """For which purposes it asks models: these are checked before the first candidate."""

    def observe(self, candidate: Candidate) -> None:
        """Fold one settled candidate into the strategy's picture of the archive.

        Called once for every candidate in the archive's order, live and on resume alike;
        the fold must depend on nothing else.
        """

    async def step(self, ctx: Step) -> None:
        """Propose, ask and evaluate: one step of the system.

        It must not change the picture: a run that is continued does not run it again.

        Raises:
            SearchEnded: There is nothing left to do.
        """


@runtime_checkable
class Learner(Protocol):
    """A strategy that folds recorded facts too. Those that need none do without the method."""

    def learn(self, recorded: Recorded) -> None:
        """Fold one fact, as ``observe`` does with candidates.

        Both are called in the one order that the archive has for candidates and facts. Facts
        of kinds that the strategy does not know, which another one has left, are to be ignored.
        """


@runtime_checkable
class Heir(Protocol):
    """A strategy that may begin with what other campaigns of the archive have learnt."""

    inherits: Sequence[str]
    """Names or ids of these campaigns."""

    def inherit(
        self,
        campaign: str,
        objectives: Sequence[Objective],
        history: Iterable[Candidate | Recorded],
    ) -> Sequence[AnyFact]:
        """What to take over from one of them.

        The engine records it before the first step, once: what the other campaign learns later
        changes nothing.

        Args:
            campaign: Its id.
            objectives: Its objectives.
            history: All its candidates and facts, in the archive's order.
        """
