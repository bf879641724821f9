"""LLM Guided Evolution: a genetic algorithm whose operators are models that rewrite one block.

Morris, Jurado and Zutty, arXiv 2403.11446 (GECCO 2024). The program is a genome of blocks.
Mutation lets a model rewrite one of them, crossover lets it merge the same block of two
parents, and Evolution of Thought shows what changed in one of the best programs and asks for
the same principle elsewhere. Selection is by several objectives: SPEA2 keeps the elites,
tournaments by dominance and crowding choose the parents.

Generations are synchronous. Steps 1 to ``initial`` mutate the seed; after that each step is
one offspring of its generation, and waits until the generation before it has ended.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.facts import Recorded
from metasearch.objectives import gains
from metasearch.operators.genome import Gene, differing, in_use, replace
from metasearch.operators.hall_of_fame import HallOfFame
from metasearch.operators.mating import Mates
from metasearch.operators.pareto import spea2, tournament_dcd
from metasearch.operators.prompts import render_result
from metasearch.operators.rewriting import (
    Individual,
    around_part,
    block_part,
    elsewhere_part,
    fenced,
    request_part,
    rewrite,
    standing_part,
)
from metasearch.prompts import Part
from metasearch.step import Step, Task
from metasearch.strategies.guided_evolution_mates import Couples
from metasearch.strategies.guided_evolution_pool import DIRECTIONS, PERSONAS, PromptPool
from metasearch.strategies.mechanisms import Advised

_BLOCK_LIMIT = 60_000
"""Characters of one block that a prompt shows. A longer one is not offered for change."""


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= ends[0] <= ends[1] <= 2:
        raise ValueError("a range of temperatures is two numbers, 0 <= low <= high <= 2")
    return ends


Range = Annotated[tuple[float, float], AfterValidator(_rising)]


@dataclass(frozen=True)
class Plan:
    """What one offspring is made from; drawn for the whole generation by its first step."""

    parent: Candidate
    mate: Candidate | None
    """Set if the pair is crossed: the child then takes over from this one."""


class GuidedEvolution:
    """See the module."""

    paper: ClassVar[str] = "LLM Guided Evolution, arXiv 2403.11446"
    idea: ClassVar[str] = "a genetic algorithm over blocks; models mutate, merge and transfer them"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    class Options(Advised):
        """Options of ``guided_evolution``; the defaults are the paper's."""

        initial: int = Field(default=144, ge=1, le=100_000)
        """Mutations of the seed that make the first population."""
        offspring: int = Field(default=44, ge=1, le=10_000)
        """Steps of a generation."""
        elites: int = Field(default=44, ge=1, le=10_000)
        """Members that live on, chosen by SPEA2."""
        exemplars: int = Field(default=10, ge=1, le=1_000)
        """Members that Evolution of Thought may learn from, chosen by SPEA2."""
        crossover: float = Field(default=0.35, ge=0, le=1)
        """Probability that a pair is replaced by its two merged children."""
        mates: Mates | None = None
        """A parent is crossed with whom it looks for, by mate choice, instead of the other one."""
        mutation: float = Field(default=0.8, ge=0, le=1)
        """Probability that an offspring is mutated."""
        evolution_of_thought: float = Field(default=0.25, ge=0, le=1)
        """Probability that a mutation transfers a principle, instead of using the prompt pool."""
        create_temperature: Range = (0.05, 0.40)
        mutate_temperature: Range = (0.02, 0.35)
        crossover_temperature: Range = (0.05, 0.10)
        """Ranges from which each call's temperature is drawn."""
        directions: tuple[str, ...] = Field(default=DIRECTIONS, min_length=1)
        """What mutations ask for: names of the template, or texts of your own."""
        personas: tuple[str, ...] = Field(default=PERSONAS, min_length=1)
        """Who is asked, likewise."""
        rephrased: int = Field(default=5, ge=0, le=1_000)
        """Prompts of the pool that each generation puts into other words."""
        rephrase_temperature: Range = (0.01, 0.40)
        hall_of_fame: int = Field(default=100, ge=1, le=10_000)
        repairs: int = Field(default=1, ge=0, le=10)
        """Turns to correct a reply that cannot be used; the paper has none."""

    def __init__(self, task: Task, options: Options) -> None:
        self.task = task
        self.options = options
        self.pool = PromptPool(options.directions, options.personas)
        self.fame = HallOfFame(task.objectives, options.hall_of_fame)
        self.couples = Couples(task.seed_program, options.mates)
        self._populations: dict[int, list[Candidate]] = {}

    def observe(self, candidate: Candidate) -> None:
        """Fold: the hall of fame. Populations follow from settled generations."""
        if candidate.scored:
            self.fame.add(candidate)

    def learn(self, recorded: Recorded) -> None:
        """Fold: prompts evolve, too."""
        self.pool.learn(recorded)

    # -- the loop ---------------------------------------------------------------------------

    async def step(self, ctx: Step) -> None:
        """Create one member of the first population, or one offspring of a later generation."""
        if ctx.number <= self.options.initial:
            await self.create(ctx)
        else:
            later = ctx.number - 1 - self.options.initial
            await self.reproduce(ctx, *divmod(later, self.options.offspring))

    async def create(self, ctx: Step) -> None:
        """Mutate the seed."""
        seed = ctx.archive.candidate(0)
        child = Individual(ctx.archive.program(seed), (seed,))
        await self.submit(ctx, await self.mutate(ctx, child, self.pool.before(0), "create"))

    async def reproduce(self, ctx: Step, generation: int, place: int) -> None:
        """Cross, mutate and measure one offspring, and reword a prompt."""
        pool = self.pool.before(generation)
        population = await self.population(ctx, generation)
        plan = self.breed(population, ctx.generator(self.first_step(generation)))[place]
        child = Individual(ctx.archive.program(plan.parent), (plan.parent,))
        if plan.mate is not None:
            child = await self.cross(ctx, child, plan.mate)
        if ctx.rng.random() < self.options.mutation:
            # As published, not in the first generation.
            if generation > 0 and ctx.rng.random() < self.options.evolution_of_thought:
                exemplars = self.select(population, self.options.exemplars)
                child = await self.transfer(ctx, child, exemplars, pool)
            else:
                child = await self.mutate(ctx, child, pool)
        await self.submit(ctx, child)
        if place < self.options.rephrased:
            await pool.rephrase(ctx, generation, self.temperature(ctx, "rephrase"))

    async def submit(self, ctx: Step, child: Individual) -> None:
        """Measure what an operator has changed; a copy of its parent keeps the parent's score."""
        if child.operators:
            await ctx.evaluate(
                child.program,
                parents=child.parents,
                operator=" + ".join(child.operators),
                name="; ".join(child.prompts),
                thought=child.thought,
            )

    # -- the population ---------------------------------------------------------------------

    def first_step(self, generation: int) -> int:
        """The number of a generation's first step."""
        return 1 + self.options.initial + generation * self.options.offspring

    async def population(self, ctx: Step, generation: int) -> list[Candidate]:
        """The members that a generation chooses from, once all generations before have ended."""
        await ctx.settled(self.first_step(generation), since=self.first_step(generation))
        known = max((g for g in self._populations if g <= generation), default=None)
        if known is None:  # the first time in this run: fold all generations, cheap in calls
            known = 0
            created = await ctx.settled(self.first_step(0))
            self.couples.introduce(created, ctx.archive.program)
            self._populations[0] = [c for c in created if c.scored]
        for g in range(known, generation):
            settled = await ctx.settled(self.first_step(g + 1), since=self.first_step(g))
            self.couples.introduce(settled, ctx.archive.program)
            self._populations[g + 1] = self.survive(
                self._populations[g], settled, g, ctx.generator(self.first_step(g))
            )
        population = self._populations[generation]
        # Of the generation before steps may still run.
        for old in [g for g in self._populations if g < generation - 1]:
            del self._populations[old]
        return population

    def survive(
        self,
        population: Sequence[Candidate],
        settled: Sequence[Candidate],
        generation: int,
        rng: random.Random,
    ) -> list[Candidate]:
        """Offspring and elites together, each program once.

        An offspring that no operator changed is still its parent; one whose program failed
        is gone.
        """
        born = {c.step: c for c in settled if c.outcome is not Outcome.REJECTED}
        first = self.first_step(generation)
        offspring = [
            born.get(first + place, plan.parent)
            for place, plan in enumerate(self.breed(population, rng))
        ]
        together = [*offspring, *self.select(population, self.options.elites)]
        return list({c.number: c for c in together if c.scored}.values())

    def select(self, population: Sequence[Candidate], count: int) -> list[Candidate]:
        """The elites or exemplars of a population, by SPEA2."""
        return [population[i] for i in spea2([self._gains(c) for c in population], count)]

    def breed(self, population: Sequence[Candidate], rng: random.Random) -> list[Plan]:
        """What each offspring of a generation is made from: parents by tournament, in pairs."""
        count = self.options.offspring
        table = [self._gains(c) for c in population]
        parents = [population[i] for i in tournament_dcd(table, count, rng)]
        plans = [Plan(parent, None) for parent in parents]
        for a in range(0, count - 1, 2):
            if rng.random() < self.options.crossover:
                one, other = parents[a], parents[a + 1]
                plans[a] = Plan(one, self.couples.mate(one, other, population, rng))
                plans[a + 1] = Plan(other, self.couples.mate(other, one, population, rng))
        return plans

    # -- the operators: each returns the individual as it was if the model does not deliver -----

    async def mutate(
        self, ctx: Step, child: Individual, pool: PromptPool, operator: str = "mutate"
    ) -> Individual:
        """Rewrite one block, asked for by one prompt of the pool."""
        gene = _one(ctx, in_use(child.program, self.task.description))
        drawn = pool.draw(ctx)
        if gene is None:
            return child
        values = {"request": drawn.request, "block": gene.name}
        prompt = [
            Part(text=ctx.render("guided_evolution_mutate", **values)),
            around_part(ctx, child.program, gene),
            block_part(ctx, gene),
            standing_part(ctx, child),
            request_part(ctx, "guided_evolution_rules", child.program, gene),
        ]
        return await self._rewrite(ctx, child, gene, prompt, operator, f"{gene.name}: {drawn.name}")

    async def cross(self, ctx: Step, child: Individual, mate: Candidate) -> Individual:
        """Merge one of the blocks in which two parents differ into the first one's place."""
        theirs = ctx.archive.program(mate)
        pairs = differing(child.program, theirs)
        pair = _one_pair(ctx, pairs)
        variant = ctx.rng.randrange(2)
        if pair is None:
            return child
        gene, other = pair
        task = {"variant": variant, "block": gene.name, "others": len(pairs) - 1}
        told = {"code": fenced(other), "result": render_result(ctx, mate, 1_000)}
        prompt = [
            Part(text=ctx.render("guided_evolution_crossover", **task)),
            around_part(ctx, child.program, gene),
            Part(text=ctx.render("guided_evolution_other", **told)),
            elsewhere_part(ctx, replace(child.program, gene, other.text), theirs),
            block_part(ctx, gene),
            standing_part(ctx, child),
            request_part(ctx, "guided_evolution_rules", child.program, gene),
        ]
        both = Individual(child.program, (*child.parents, mate))
        crossed = await self._rewrite(ctx, both, gene, prompt, "crossover", gene.name)
        return crossed if crossed.operators else child

    async def transfer(
        self, ctx: Step, child: Individual, exemplars: Sequence[Candidate], pool: PromptPool
    ) -> Individual:
        """Evolution of Thought: why did a block of an exemplar get better; do the same here.

        An exemplar that is the seed teaches nothing; then it is an ordinary mutation.
        """
        exemplar = ctx.rng.choice(exemplars)
        pairs = differing(ctx.archive.program(exemplar), self.task.seed_program)
        pair = _one_pair(ctx, pairs)
        gene = _one(ctx, in_use(child.program, self.task.description))
        if pair is None or gene is None:
            return await self.mutate(ctx, child, pool)
        learnt, seed = pair
        text = ctx.render(
            "guided_evolution_thought",
            block=gene.name,
            learnt=learnt.name,
            others=len(pairs) - 1,
            before=fenced(seed),
            first=render_result(ctx, ctx.archive.candidate(0), 1_000),
            after=fenced(learnt),
            best=render_result(ctx, exemplar, 1_000),
        )
        prompt = [
            Part(text=text),
            around_part(ctx, child.program, gene),
            block_part(ctx, gene),
            standing_part(ctx, child),
            request_part(ctx, "guided_evolution_transfer", child.program, gene),
        ]
        label = f"{gene.name}: as in {learnt.name}"
        return await self._rewrite(ctx, child, gene, prompt, "thought", label)

    async def _rewrite(
        self,
        ctx: Step,
        child: Individual,
        gene: Gene,
        prompt: Sequence[Part],
        operator: str,
        label: str,
    ) -> Individual:
        temperature, repairs = self.temperature(ctx, operator), self.options.repairs
        return await rewrite(ctx, child, gene, prompt, operator, label, temperature, repairs)

    def temperature(self, ctx: Step, operator: str) -> float:
        """Drawn from the operator's range; Evolution of Thought is a mutation."""
        ranges = {
            "create": self.options.create_temperature,
            "crossover": self.options.crossover_temperature,
            "rephrase": self.options.rephrase_temperature,
        }
        return ctx.rng.uniform(*ranges.get(operator, self.options.mutate_temperature))

    def _gains(self, candidate: Candidate) -> tuple[float, ...]:
        return gains(self.task.objectives, candidate.scores)


def _one(ctx: Step, found: Sequence[Gene]) -> Gene | None:
    """One of the genes that fit into a prompt, all equally likely."""
    fitting = [gene for gene in found if len(gene.text) < _BLOCK_LIMIT]
    return ctx.rng.choice(fitting) if fitting else None


def _one_pair(ctx: Step, found: Sequence[tuple[Gene, Gene]]) -> tuple[Gene, Gene] | None:
    """Likewise, of blocks in two versions."""
    fitting = [pair for pair in found if max(len(gene.text) for gene in pair) < _BLOCK_LIMIT]
    return ctx.rng.choice(fitting) if fitting else None
