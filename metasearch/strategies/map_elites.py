"""Island MAP-Elites: many small populations of diverse elites, one edit per step.

The scheme of AlphaEvolve (arXiv 2506.13131) and of its open successors: each island keeps
the best program of every cell of a feature grid (MAP-Elites, Mouret and Clune, arXiv
1504.04909); a step takes one elite, shows a model its code, feedback and a few other good
programs, and asks for a better one; now and then the islands' best migrate.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, JsonValue, field_validator

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.errors import CampaignError
from metasearch.facts import Selection
from metasearch.formats import EDITS, EditName
from metasearch.operators.deepening import Repairs
from metasearch.operators.islands import Archipelago, Feature, Topology
from metasearch.operators.mating import IdealMates, Mates
from metasearch.operators.prompts import evolve_message, show, task_message
from metasearch.operators.proposals import propose
from metasearch.operators.schedule import Progress, Schedule, explore_probability
from metasearch.operators.selection import parent_weights, pick, standings
from metasearch.prompts import extended
from metasearch.step import Step, Task
from metasearch.strategies.mechanisms import Steered

_REMEMBERED_PARENTS = 1_000
"""Failures are kept for so many parents; older ones are long displaced from the grid."""


class MapElites:
    """See the module."""

    paper: ClassVar[str] = "AlphaEvolve, arXiv 2506.13131; MAP-Elites, arXiv 1504.04909"
    idea: ClassVar[str] = "islands of elites on a feature grid; one edit of one elite per step"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    class Options(Steered):
        """Options of ``map_elites``."""

        islands: int = Field(default=4, ge=1, le=256)
        topology: Topology = "ring"
        migration_interval: int = Field(default=50, ge=1)
        """Scored candidates between two migrations."""
        features: tuple[Feature, ...] = (Feature("length"),)
        """Axes of the grid."""
        greed: float = Field(default=0.7, ge=0, le=1)
        """Share of parents drawn by standing; the others are drawn uniformly."""
        sharpness: float = Field(default=10.0, ge=0)
        """How strongly the standing counts in the weighted draw."""
        inspirations: int = Field(default=2, ge=0, le=20)
        """Other programs shown in full."""
        top: int = Field(default=3, ge=0, le=50)
        """Best candidates shown by number, scores and thought."""
        personas: tuple[str, ...] = ()
        """Who the model is to be, in your own words: one for each island, in turn."""
        schedule: Schedule | None = None
        """Turns from exploring to exploiting as the budget is used up, instead of ``greed``."""
        mates: Mates | None = None
        """Inspirations by mate choice, instead of any elites."""
        mend: bool = False
        """Whether a step may take a failed child of its parent and mend it, instead of making
        another one; ``ctx.choose_operator`` decides."""
        failures: int = Field(default=3, ge=0, le=50)
        """Unsuccessful children of the parent shown with their reasons."""
        repairs: Repairs = 1
        """Turns that the model gets to correct an edit that cannot be used."""
        edit: EditName = "files"

        @field_validator("features", mode="before")
        @classmethod
        def _names(cls, features: JsonValue) -> JsonValue:
            """A bare metric name stands for the axis with its default range."""
            if not isinstance(features, list):
                return features
            return [{"name": f} if isinstance(f, str) else f for f in features]

    def __init__(self, task: Task, options: Options) -> None:
        self.options = options
        self.task = task
        known = ["length", *(objective.name for objective in task.objectives), *task.metrics]
        for feature in options.features:
            if feature.name not in known:
                raise CampaignError(
                    f"strategy.options.features names {feature.name!r}, which is no public "
                    f"metric; there are: {', '.join(known)}. Further ones are declared in "
                    "evaluator.metrics."
                )
        if options.schedule is not None and task.evaluations is None:
            raise CampaignError(
                "strategy.options.schedule needs to know how many evaluations there are: set "
                "budget.evaluations."
            )
        self.population = Archipelago(
            task.objectives,
            options.features,
            islands=options.islands,
            topology=options.topology,
            migration_interval=options.migration_interval,
        )
        self.children: Counter[int] = Counter()
        self.failures: dict[int, deque[Candidate]] = {}
        self.mates = IdealMates(len(options.features), options.mates) if options.mates else None
        self.evaluated = 0

    def observe(self, candidate: Candidate) -> None:
        """Fold: place on the grid; count children; remember what did not help."""
        self.population.add(candidate)
        self.turn_down(candidate)

    def turn_down(self, candidate: Candidate) -> None:
        """Fold what gets no place on the grid."""
        self.evaluated += candidate.outcome is not None and candidate.outcome.evaluated
        if self.mates is not None:
            self.mates.observe(candidate)
        for parent in candidate.parents[:1]:
            self.children[parent] += 1
            self._remember(candidate, parent)

    async def step(self, ctx: Step) -> None:
        """Choose an elite, ask for a better program, evaluate it."""
        island = ctx.number % self.options.islands
        parent, inspirations = self.choose(island, ctx)
        operator, base = self.operator(ctx, parent)
        edit = EDITS[self.options.edit]
        request = evolve_message(
            ctx,
            show(ctx, base),
            inspirations=[show(ctx, other) for other in inspirations],
            top=ctx.archive.best(self.options.top),
            failures=tuple(self.failures.get(base.number, ())),
        )
        if personas := self.options.personas:
            persona = personas[island % len(personas)]
            request = extended(request, ctx.render("persona", persona=persona))
        await propose(
            ctx,
            [task_message(ctx, edit), request],
            show(ctx, base),
            answer_format=edit,
            operator=operator,
            repairs=self.options.repairs,
            island=island,
        )

    def operator(self, ctx: Step, parent: Candidate) -> tuple[str, Candidate]:
        """Whether to change the parent or to mend its latest failed child, if nobody has tried."""
        failed = [
            child
            for child in self.failures.get(parent.number, ())
            if child.digest is not None
            and child.outcome is not Outcome.REJECTED
            and not self.children[child.number]
        ]
        if self.options.mend and failed and ctx.choose_operator(("evolve", "mend")) == "mend":
            return "mend", failed[-1]
        return "evolve", parent

    def choose(self, island: int, ctx: Step) -> tuple[Candidate, Sequence[Candidate]]:
        """A parent of the island, and elites to be inspired by: the island's best and others.

        With a schedule the choice is recorded, so that a step that is run again keeps to it even
        if the budget was changed meanwhile.
        """
        elites = self.population.islands[island].elites
        exploits = ctx.rng.random() < self.greed()
        if exploits:
            gains = [[o.gain(c.scores[o.name]) for o in self.task.objectives] for c in elites]
            counts = [self.children[c.number] for c in elites]
            weights = parent_weights(standings(gains), counts, self.options.sharpness)
            parent = pick(elites, weights, ctx.rng)
        else:
            parent = ctx.rng.choice(elites)
        shown = self.inspirations(island, parent, ctx)
        if self.options.schedule is None:
            return parent, shown
        chosen = Selection(
            operator="exploit" if exploits else "explore",
            candidates=(parent.number, *(other.number for other in shown)),
        )
        recorded = ctx.record(chosen).fact
        assert isinstance(recorded, Selection)
        first, *others = (ctx.archive.candidate(number) for number in recorded.candidates)
        return first, others

    def greed(self) -> float:
        """The probability that a parent is drawn by its standing now."""
        schedule, budget = self.options.schedule, self.task.evaluations
        if schedule is None or budget is None:
            return self.options.greed
        progress = Progress.of(self.evaluated, budget)
        return 1 - explore_probability(progress, schedule.explore, schedule.exponent)

    def inspirations(self, island: int, parent: Candidate, ctx: Step) -> list[Candidate]:
        """The island's best, and others of all islands: any, or those the parent looks for."""
        others = {c.number: c for i in self.population.islands for c in i.elites}
        others.pop(parent.number, None)
        shown = []
        if (best := self.population.best(island)) is not None and best.number in others:
            shown = [others.pop(best.number)][: self.options.inspirations]
        count = min(self.options.inspirations - len(shown), len(others))
        left = [others[number] for number in sorted(others)]
        if self.mates is None:
            return shown + ctx.rng.sample(left, count)
        for _ in range(count):
            places = [self.population.place(other) for other in left]
            shown.append(left.pop(self.mates.choose(parent.number, places, ctx.rng)))
        return shown

    def _remember(self, candidate: Candidate, parent: int) -> None:
        if self.options.failures and not candidate.scored:
            latest = self.failures.setdefault(parent, deque(maxlen=self.options.failures))
            latest.append(candidate)
            if len(self.failures) > _REMEMBERED_PARENTS:
                self.failures.pop(next(iter(self.failures)))
