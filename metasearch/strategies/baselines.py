"""The honest baselines that every claim of a search needs, at the same budget.

If a strategy does not beat ``best_of_n`` and ``iterative_repair`` at equal money, the
search has not helped; the model has.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from pydantic import Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.formats import EDITS, EditName
from metasearch.objectives import dominates, gains
from metasearch.operators.deepening import Repairs
from metasearch.operators.prompts import evolve_message, show, task_message
from metasearch.operators.proposals import propose
from metasearch.step import Step, Task
from metasearch.strategies.mechanisms import Steered


class BaselineOptions(Steered):
    """Options that all baselines share."""

    repairs: Repairs = 1
    """Turns that the model gets to correct an edit that cannot be used."""
    edit: EditName = "files"

    @property
    def answer_format(self) -> str:
        """The literal line of the prompt."""
        return EDITS[self.edit]


class BestOfN:
    """Every proposal changes the seed program; the best one counts."""

    paper: ClassVar[str] = "baseline: repeated sampling"
    idea: ClassVar[str] = "every proposal is an independent edit of the seed program"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)
    Options = BaselineOptions

    def __init__(self, task: Task, options: BaselineOptions) -> None:
        self.options = options

    def observe(self, candidate: Candidate) -> None:
        """Nothing is learnt from one proposal to the next."""

    async def step(self, ctx: Step) -> None:
        """Ask for a better seed."""
        seed = show(ctx, ctx.archive.candidate(0))
        edit = self.options.answer_format
        await propose(
            ctx,
            [task_message(ctx, edit), evolve_message(ctx, seed)],
            seed,
            answer_format=edit,
            operator="sample",
            repairs=self.options.repairs,
        )


class IterativeRepair:
    """One lineage: the best program so far, its feedback, and what was tried on it in vain."""

    paper: ClassVar[str] = (
        "baseline: iterative refinement with feedback (Self-Refine, arXiv 2303.17651)"
    )
    idea: ClassVar[str] = "one lineage; the model sees the best program and the latest failures"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    class Options(BaselineOptions):
        """Options of ``iterative_repair``."""

        memory: int = Field(default=5, ge=0, le=50)
        """Latest attempts in vain that the prompt shows."""

    def __init__(self, task: Task, options: Options) -> None:
        self.task = task
        self.options = options
        self.current: Candidate | None = None
        self.failures: deque[Candidate] = deque(maxlen=options.memory)

    def observe(self, candidate: Candidate) -> None:
        """Fold: move on to a candidate that is at least as good, remember what did not help."""
        if candidate.scored and (self.current is None or not self._worse(candidate, self.current)):
            self.current = candidate
            self.failures.clear()
        else:
            self.turn_down(candidate)

    def turn_down(self, candidate: Candidate) -> None:
        """Fold: remember what did not help."""
        if self.current is not None and candidate.parents[:1] == (self.current.number,):
            self.failures.append(candidate)

    async def step(self, ctx: Step) -> None:
        """Ask for a better version of the current program."""
        assert self.current is not None  # the engine scores the seed before the first step
        parent = show(ctx, self.current)
        edit = self.options.answer_format
        prompt = evolve_message(ctx, parent, failures=tuple(self.failures))
        await propose(
            ctx,
            [task_message(ctx, edit), prompt],
            parent,
            answer_format=edit,
            operator="refine",
            repairs=self.options.repairs,
        )

    def _worse(self, one: Candidate, other: Candidate) -> bool:
        objectives = self.task.objectives
        a, b = gains(objectives, one.scores), gains(objectives, other.scores)
        return dominates(b, a) or (len(a) > 1 and a != b and not dominates(a, b))


class RandomParent:
    """The parent is any scored candidate, all equally likely: search without selection."""

    paper: ClassVar[str] = "baseline: neutral drift"
    idea: ClassVar[str] = "the parent is drawn uniformly from all scored candidates"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)
    Options = BaselineOptions

    def __init__(self, task: Task, options: BaselineOptions) -> None:
        self.options = options
        self.scored: list[int] = []

    def observe(self, candidate: Candidate) -> None:
        """Fold: remember who can be a parent."""
        if candidate.scored:
            self.scored.append(candidate.number)

    def turn_down(self, candidate: Candidate) -> None:
        """Fold: it can be no parent."""

    async def step(self, ctx: Step) -> None:
        """Ask for a better version of a random candidate."""
        parent = show(ctx, ctx.archive.candidate(ctx.rng.choice(self.scored)))
        edit = self.options.answer_format
        await propose(
            ctx,
            [task_message(ctx, edit), evolve_message(ctx, parent)],
            parent,
            answer_format=edit,
            operator="evolve",
            repairs=self.options.repairs,
        )
