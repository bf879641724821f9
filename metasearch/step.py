"""The contract between engine and strategies: one step, and what a strategy may do in it.

A strategy is one linear coroutine per step. Its few primitives are ``ask`` (a model),
``evaluate`` (a program), ``settled`` (wait for earlier steps), a read-only view of the
archive, and a random generator seeded by campaign seed and step number. After a crash an
unfinished step runs again from the archive as it was when the step first opened: ``ask`` k
finds its stored reply and ``evaluate`` j its recorded candidate, so nothing is paid twice.
For this, choose from the archive before the first ``await``.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Frozen
from metasearch.exchange import Message, Usage
from metasearch.objectives import Objective
from metasearch.program import Program


class Task(Frozen):
    """What every prompt may know about the campaign. Holds no private metric, no test data."""

    description: str
    objectives: tuple[Objective, ...]
    seed_program: Program
    metrics: tuple[str, ...] = ()
    """Names of further public metrics."""
    packages: tuple[str, ...] = ()
    """Modules that are sure to be there besides the standard library."""
    seconds: float = 30.0
    """Wall time of one call of the program."""
    memory: int = 1024**3
    """Bytes."""


@dataclass(frozen=True)
class Reply:
    """A model's answer, stored in the archive before the strategy sees it."""

    text: str
    usage: Usage
    finish_reason: str
    replayed: bool
    """It came from the journal, not from the provider."""


@dataclass(frozen=True)
class Rejected:
    """A proposal that gave no program to evaluate: a value, archived with its reason."""

    reason: str
    """What was wrong, in words that help the model to do better."""


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

    async def ask(
        self, messages: Sequence[Message], *, role: Role, temperature: float | None = None
    ) -> Reply:
        """A model's answer in free text.

        Raises:
            BudgetExhausted: Ends the step; let it pass.
            ModelError: The call failed for good; the engine pauses the campaign.
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

    async def settled(self, before: int, since: int = 0) -> Sequence[Candidate]:
        """All candidates of the steps ``since`` to ``before - 1``, once all those have ended.

        In order of step and position within the step. This is how generation-synchronous
        systems wait for their population.
        """


class Strategy(Protocol):
    """One search system. An instance serves one run of one campaign."""

    roles: ClassVar[tuple[Role, ...]]
    """For which purposes it asks models: these are checked before the first candidate."""

    def observe(self, candidate: Candidate) -> None:
        """Fold one settled candidate into the strategy's picture of the archive.

        Called once for every candidate in the archive's order, live and on resume alike;
        the fold must depend on nothing else.
        """

    async def step(self, ctx: Step) -> None:
        """Propose, ask and evaluate: one step of the system."""
