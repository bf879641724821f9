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
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.formats import BLOCK
from metasearch.objectives import dominates, gains
from metasearch.operators.genome import Gene, differing, in_use, needed_names, read_gene
from metasearch.operators.pareto import spea2, tournament_dcd
from metasearch.operators.prompts import (
    ANSWER_LIMIT,
    answer_rules,
    fence,
    repair_message,
    shorten,
    task_message,
    thought_of,
)
from metasearch.program import Program
from metasearch.step import Step, Task

DIRECTIONS = ("complex", "parameters", "unusual_parameters", "smaller", "significant", "obscure")
PERSONAS = ("concise", "expert", "lucky", "inventor")
_BLOCK_LIMIT = 60_000
"""Characters of one block that a prompt shows. A longer one is not offered for change."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """What one offspring is made from; drawn for the whole generation by its first step."""

    parent: Candidate
    mate: Candidate | None
    """Set if the pair is crossed: the child then takes over from this one."""


@dataclass(frozen=True)
class Individual:
    """An offspring while operators work on it."""

    program: Program
    parents: tuple[Candidate, ...]
    operators: tuple[str, ...] = ()
    prompt: str = ""
    """The block and the prompts that made it, for people and for statistics."""
    thought: str = ""


class GuidedEvolution:
    """See the module."""

    paper: ClassVar[str] = "LLM Guided Evolution, arXiv 2403.11446"
    idea: ClassVar[str] = "a genetic algorithm over blocks; models mutate, merge and transfer them"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    class Options(BaseModel):
        """Options of ``guided_evolution``; the defaults are the paper's."""

        model_config = ConfigDict(frozen=True, extra="forbid")

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
        hall_of_fame: int = Field(default=100, ge=1, le=10_000)
        repairs: int = Field(default=1, ge=0, le=10)
        """Turns to correct a reply that cannot be used; the paper has none."""

        @field_validator("create_temperature", "mutate_temperature", "crossover_temperature")
        @classmethod
        def _rising(cls, ends: Range) -> Range:
            if not 0 <= ends[0] <= ends[1] <= 2:
                raise ValueError("a range of temperatures is two numbers, 0 <= low <= high <= 2")
            return ends

    def __init__(self, task: Task, options: Options) -> None:
        self.task = task
        self.options = options
        self.hall_of_fame: list[Candidate] = []
        """The best ever: by the first objective, ties by the next, and so on."""
        self.front: list[Candidate] = []
        """All that no other candidate dominates."""
        self._populations: dict[int, list[Candidate]] = {}

    def observe(self, candidate: Candidate) -> None:
        """Fold: the hall of fame and the front. Populations follow from settled generations."""
        if not candidate.scored:
            return
        insort(self.hall_of_fame, candidate, key=lambda c: [-gain for gain in self._gains(c)])
        del self.hall_of_fame[self.options.hall_of_fame :]
        mine = self._gains(candidate)
        if not any(dominates(self._gains(other), mine) for other in self.front):
            self.front = [c for c in self.front if not dominates(mine, self._gains(c))]
            self.front.append(candidate)

    # -- the loop ---------------------------------------------------------------------------

    async def step(self, ctx: Step) -> None:
        """Create one member of the first population, or one offspring of a later generation."""
        seed = ctx.archive.candidate(0)
        if ctx.number <= self.options.initial:
            created = Individual(ctx.archive.program(seed), (seed,))
            await self.submit(ctx, await self.mutate(ctx, created, "create"))
            return
        generation, place = divmod(ctx.number - 1 - self.options.initial, self.options.offspring)
        population = await self.population(ctx, generation)
        plan = self.breed(population, ctx.generator(self.first_step(generation)))[place]
        child = Individual(ctx.archive.program(plan.parent), (plan.parent,))
        if plan.mate is not None:
            child = await self.cross(ctx, child, plan.mate)
        if ctx.rng.random() < self.options.mutation:
            if generation > 0 and ctx.rng.random() < self.options.evolution_of_thought:
                child = await self.transfer(
                    ctx, child, self.select(population, self.options.exemplars)
                )
            else:
                child = await self.mutate(ctx, child)
        await self.submit(ctx, child)

    async def submit(self, ctx: Step, child: Individual) -> None:
        """Measure what an operator has changed; a copy of its parent keeps the parent's score."""
        if child.operators:
            await ctx.evaluate(
                child.program,
                parents=child.parents,
                operator=" + ".join(child.operators),
                name=child.prompt,
                thought=child.thought,
            )

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
            self._populations[0] = [c for c in created if c.scored]
        for g in range(known, generation):
            settled = await ctx.settled(self.first_step(g + 1), since=self.first_step(g))
            self._populations[g + 1] = self.survive(
                self._populations[g], settled, g, ctx.generator(self.first_step(g))
            )
        population = self._populations[generation]
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
                plans[a], plans[a + 1] = Plan(one, other), Plan(other, one)
        return plans

    # -- the operators: each returns the individual as it was if the model does not deliver -----

    async def mutate(
        self, ctx: Step, child: Individual, operator: Literal["create", "mutate"] = "mutate"
    ) -> Individual:
        """Rewrite one block, asked for by one prompt of the pool."""
        gene = self._choose(ctx, in_use(child.program, self.task.description))
        direction, persona = self.draw(ctx.rng)
        if gene is None:
            return child
        prompt = ctx.render(
            "guided_evolution_mutate",
            persona=ctx.render("guided_evolution_persona", persona=persona),
            request=ctx.render("guided_evolution_direction", direction=direction),
            feedback="" if child.operators else shorten(child.parents[0].feedback),
            **self._about(ctx, child.program, gene),
        )
        span = self.options.mutate_temperature
        if operator == "create":
            span = self.options.create_temperature
        label = f"{gene.name}: {direction}, {persona}"
        return await self._rewrite(ctx, child, gene, prompt, span, operator, label)

    def draw(self, rng: random.Random) -> tuple[str, str]:
        """One prompt of the pool: a direction and a persona, all pairs equally likely."""
        return rng.choice(self.options.directions), rng.choice(self.options.personas)

    async def cross(self, ctx: Step, child: Individual, mate: Candidate) -> Individual:
        """Merge one of the blocks in which two parents differ into the first one's place."""
        pairs = differing(child.program, ctx.archive.program(mate))
        gene = self._choose(
            ctx, [mine for mine, theirs in pairs if len(theirs.text) < _BLOCK_LIMIT]
        )
        variant = ctx.rng.randrange(2)
        if gene is None:
            return child
        theirs = next(theirs for mine, theirs in pairs if mine is gene)
        prompt = ctx.render(
            "guided_evolution_crossover",
            variant=variant,
            other=_fenced(theirs),
            **self._about(ctx, child.program, gene),
        )
        both = Individual(child.program, (*child.parents, mate))
        span = self.options.crossover_temperature
        crossed = await self._rewrite(ctx, both, gene, prompt, span, "crossover", gene.name)
        return crossed if crossed.operators else child

    async def transfer(
        self, ctx: Step, child: Individual, exemplars: Sequence[Candidate]
    ) -> Individual:
        """Evolution of Thought: why did a block of an exemplar get better; do the same here."""
        exemplar = ctx.archive.program(ctx.rng.choice(exemplars))
        pairs = differing(exemplar, self.task.seed_program)
        learnt = self._choose(ctx, [new for new, old in pairs if len(old.text) < _BLOCK_LIMIT])
        gene = self._choose(ctx, in_use(child.program, self.task.description))
        if learnt is None or gene is None:
            return await self.mutate(ctx, child)
        before = next(old for new, old in pairs if new is learnt)
        prompt = ctx.render(
            "guided_evolution_thought",
            learnt=learnt.name,
            before=_fenced(before),
            after=_fenced(learnt),
            **self._about(ctx, child.program, gene),
        )
        span, label = self.options.mutate_temperature, f"{gene.name}: as in {learnt.name}"
        return await self._rewrite(ctx, child, gene, prompt, span, "thought", label)

    async def _rewrite(
        self,
        ctx: Step,
        child: Individual,
        gene: Gene,
        prompt: str,
        temperatures: Range,
        operator: str,
        label: str,
    ) -> Individual:
        """Ask for one block and put it in its place; what cannot be used is archived, and shown."""
        temperature = ctx.rng.uniform(*temperatures)
        talk = [task_message(ctx, BLOCK), Message(role="user", content=prompt)]
        for attempt in range(self.options.repairs + 1):
            reply = await ctx.ask(tuple(talk), role="propose", temperature=temperature)
            edited = read_gene(reply.text, child.program, gene)
            if isinstance(edited, Program):
                return Individual(
                    edited,
                    child.parents,
                    (*child.operators, operator),
                    f"{child.prompt}; {label}" if child.prompt else label,
                    thought_of(reply.text),
                )
            name = operator if attempt == 0 else "repair"
            await ctx.evaluate(edited, parents=child.parents, operator=name, name=label)
            talk += [
                Message(role="assistant", content=shorten(reply.text, ANSWER_LIMIT)),
                repair_message(ctx, edited.reason, BLOCK),
            ]
        return child

    def _choose(self, ctx: Step, found: Sequence[Gene]) -> Gene | None:
        """One of the genes that fit into a prompt, all equally likely."""
        fitting = [gene for gene in found if len(gene.text) < _BLOCK_LIMIT]
        return ctx.rng.choice(fitting) if fitting else None

    def _about(self, ctx: Step, program: Program, gene: Gene) -> dict[str, object]:
        """What every prompt says of the block that is to be changed."""
        return {
            "block": gene.name,
            "note": shorten(gene.note, 2_000).strip(),
            "code": _fenced(gene),
            "needed": sorted(needed_names(program, gene)),
            "answer": answer_rules(ctx, BLOCK),
        }

    def _gains(self, candidate: Candidate) -> tuple[float, ...]:
        return gains(self.task.objectives, candidate.scores)


def _fenced(gene: Gene) -> str:
    return fence(gene.text, "python" if gene.path.endswith(".py") else "")
