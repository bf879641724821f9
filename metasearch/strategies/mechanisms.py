"""What any strategy can switch on: an insights memory, a line on the budget, a controller.

A strategy takes part by one line: its options are a subclass of :class:`Advised` (or of
:class:`Steered`). If an option is on, :class:`Assisted` stands between the engine and the strategy
and works at the two places that all strategies have in common: what is asked of a model, and what
is folded. Without one there is nothing between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.errors import CampaignError
from metasearch.facts import AnyFact, Recorded, Setting
from metasearch.objectives import Objective, dominates, gains
from metasearch.operators.advice import AdvisedStep
from metasearch.operators.balance import WANTED, Child, Controller
from metasearch.operators.experience import Experience, experience_of, inheritance
from metasearch.operators.lessons import Lessons, insights_of, question
from metasearch.operators.lineage import WorkingParents
from metasearch.step import Learner, Refused, Step, Strategy, Task

_IMPROVEMENTS = 30
"""Latest candidates among which a look back finds improvements."""


class Insights(BaseModel):
    """The insights memory (Mobile-Agent-E, arXiv 2501.11733)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: int = Field(default=20, ge=1)
    """Evaluations between two looks back; each is one call of the role ``reflect``, two if the
    first reply cannot be read."""
    shown: int = Field(default=5, ge=1, le=20)
    """Insights in a prompt at most."""
    learn_from: tuple[str, ...] = ()
    """Campaigns of the same archive whose insights this one begins with."""


class BalanceControl(BaseModel):
    """The controller of B-STaR (arXiv 2412.17256)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperatures: tuple[float, ...] = Field(default=(0.4, 0.7, 1.0, 1.3), min_length=1)
    acceptances: tuple[float, ...] = ()
    """Improvements on the parent from which on a child may become a parent, in units of the first
    objective; by default any score will do. With several objectives 1 stands for a child that
    dominates its parent, 0 for one that neither does nor is dominated."""
    probe_size: int = Field(default=16, ge=1)
    """Children made at each temperature before the best setting is taken."""
    period: int = Field(default=200, ge=1)
    """Children made with it before all are tried anew."""
    wanted: int = Field(default=WANTED, ge=1)
    """Different improvements of one parent that are enough."""


class Advised(BaseModel):
    """Options of a strategy whose prompts may hold advice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    insights: Insights | None = None
    """Tips and shortcuts that the search has taught; ``{}`` switches them on."""
    budget_line: bool = False
    """Whether prompts say how much of the budget is used up."""


class Steered(Advised):
    """Options of a strategy that leaves the temperature of its proposals to others."""

    controller: BalanceControl | None = None
    """Turns temperature and acceptance by the balance score; ``{}`` switches it on."""


@runtime_checkable
class Choosy(Protocol):
    """A strategy that can do without some scored candidates as parents."""

    def turn_down(self, candidate: Candidate) -> None:
        """Fold a scored candidate that improves too little to be a parent, in ``observe``'s place.

        Args:
            candidate: Settled, with scores.
        """


def assisted(strategy: Strategy, task: Task, options: BaseModel) -> Strategy:
    """The strategy with the mechanisms that its options switch on; itself if there are none.

    Raises:
        CampaignError: The strategy or the campaign has not what a mechanism needs.
    """
    if not isinstance(options, Advised):
        return strategy
    controller = options.controller if isinstance(options, Steered) else None
    if not options.insights and not options.budget_line and controller is None:
        return strategy
    if options.budget_line and task.evaluations is None:
        raise CampaignError(
            "strategy.options.budget_line needs to know how many evaluations there are: set "
            "budget.evaluations."
        )
    if controller and controller.acceptances and not isinstance(strategy, Choosy):
        raise CampaignError(
            "strategy.options.controller.acceptances: this strategy needs every scored "
            "candidate. Leave them out; then the controller turns the temperature alone."
        )
    return Assisted(strategy, task, options, controller)


class Assisted:
    """A strategy with mechanisms; itself a strategy. See the module."""

    def __init__(
        self, inner: Strategy, task: Task, options: Advised, control: BalanceControl | None
    ) -> None:
        self.inner = inner
        self.options = options
        self.experience = Experience(task.objectives)
        self.roles: tuple[Role, ...] = tuple(inner.roles)
        self.takes_ideas = bool(getattr(inner, "takes_ideas", False))
        self.inherits: Sequence[str] = ()
        if options.insights is not None:
            self.roles = tuple(dict.fromkeys((*inner.roles, "reflect")))
            self.inherits = options.insights.learn_from
        self.controller: Controller | None = None
        if control is not None:
            self.controller = Controller(
                control.temperatures,
                control.acceptances or (-math.inf,),
                probe_size=control.probe_size,
                period=control.period,
                wanted=control.wanted,
            )
        self._task = task
        self._gains: dict[int, tuple[float, ...]] = {}
        self._parents = WorkingParents()
        self._settings: dict[int, Setting] = {}
        """Step -> what it works under, where the controller has a say."""

    # -- the fold -----------------------------------------------------------------------

    def observe(self, candidate: Candidate) -> None:
        """Fold: what was learnt, how the setting did, and, if it is accepted, the strategy's."""
        self.experience.observe(candidate)
        setting = self._settings.get(candidate.step)
        parent = self._parents.observe(candidate)
        self._remember(candidate)
        if self.controller is None or setting is None or parent is None:
            self.inner.observe(candidate)
            return
        improvement = self._improvement(candidate, parent)
        child = Child(parent, improvement, candidate.digest or f"#{candidate.number}")
        self.controller.observe(setting.temperature or 0.0, child)
        least = setting.acceptance
        if least is None or improvement is None or improvement >= least:
            self.inner.observe(candidate)
        else:
            assert isinstance(self.inner, Choosy)
            self.inner.turn_down(candidate)

    def learn(self, recorded: Recorded) -> None:
        """Fold: insights and settings are ours, everything else is the strategy's too."""
        self.experience.learn(recorded)
        if isinstance(recorded.fact, Setting) and recorded.fact.temperature is not None:
            self._settings[recorded.step] = recorded.fact
        if isinstance(self.inner, Learner):
            self.inner.learn(recorded)

    def inherit(
        self,
        campaign: str,
        objectives: Sequence[Objective],
        history: Iterable[Candidate | Recorded],
    ) -> Sequence[AnyFact]:
        """The insights of another campaign that are of most use there."""
        return inheritance(campaign, experience_of(objectives, history))

    # -- the step -----------------------------------------------------------------------

    async def step(self, ctx: Step) -> None:
        """The strategy's step, with advice; a look back after it if one is due."""
        improved = [
            c.number
            for c in ctx.archive.recent(_IMPROVEMENTS)
            if self.options.insights and self.experience.improved(c.number)
        ]
        memory = self.experience.memory.copy()
        setting = self._setting(ctx)
        if setting != Setting():
            recorded = ctx.record(setting).fact
            assert isinstance(recorded, Setting)
            setting = recorded
        shown = self.options.insights.shown if self.options.insights else 0
        await self.inner.step(
            AdvisedStep(ctx, setting, memory, dict(self.experience.learnt), shown)
        )
        if setting.reflects:
            answer = await ctx.ask_for(Lessons, question(ctx, memory, improved), role="reflect")
            if not isinstance(answer, Refused):
                for insight in insights_of(ctx, answer, memory):
                    ctx.record(insight)

    def _setting(self, ctx: Step) -> Setting:
        """What the step works under, from the fold as it is when the step opens."""
        temperature = acceptance = evaluations = None
        if self.controller is not None:
            open_steps = (self._settings.get(step) for step in ctx.archive.open_steps())
            in_flight = [s.temperature for s in open_steps if s and s.temperature is not None]
            chosen = self.controller.choose(in_flight)
            temperature = chosen.temperature
            acceptance = chosen.acceptance if math.isfinite(chosen.acceptance) else None
        if self.options.budget_line:
            evaluations = self.experience.evaluated
        insights = self.options.insights
        return Setting(
            temperature=temperature,
            acceptance=acceptance,
            evaluations=evaluations,
            budget=None if evaluations is None else self._task.evaluations,
            reflects=insights is not None and self.experience.since_reflection >= insights.every,
        )

    def _remember(self, candidate: Candidate) -> None:
        if self.controller is not None and candidate.scored:
            self._gains[candidate.number] = gains(self._task.objectives, candidate.scores)

    def _improvement(self, candidate: Candidate, parent: int) -> float | None:
        """On its parent: of the one objective, or by dominance; ``None`` without scores."""
        if not candidate.scored:
            return None
        own = gains(self._task.objectives, candidate.scores)
        before = self._gains.get(parent)
        if before is None:
            return math.inf
        if len(own) == 1:
            return own[0] - before[0]
        return float(dominates(own, before)) - float(dominates(before, own))
