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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.facts import Phrasing, Recorded
from metasearch.objectives import dominates, gains
from metasearch.operators.edits import fences
from metasearch.operators.genome import Gene, differing, in_use
from metasearch.operators.pareto import spea2, tournament_dcd
from metasearch.operators.rewriting import block_values, fenced, rewrite
from metasearch.program import Program
from metasearch.prompts import fence, shorten
from metasearch.step import Step, Task
from metasearch.strategies.mechanisms import Advised

DIRECTIONS = ("complex", "parameters", "unusual_parameters", "smaller", "significant", "obscure")
PERSONAS = ("concise", "expert", "lucky", "inventor")
_BLOCK_LIMIT = 60_000
"""Characters of one block that a prompt shows. A longer one is not offered for change."""
_WORDING_LIMIT = 1_500
"""Characters of a rephrased prompt."""


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


@dataclass(frozen=True)
class Individual:
    """An offspring while operators work on it."""

    program: Program
    parents: tuple[Candidate, ...]
    operators: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    """For each of them the block and what was asked for: success by prompt is counted by it."""
    thought: str = ""


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
        self.hall_of_fame: list[Candidate] = []
        """The best ever: by the first objective, ties by the next, and so on."""
        self.front: list[Candidate] = []
        """All that no other candidate dominates."""
        self.wordings: list[Recorded] = []
        """Prompts of the pool in other words, in the archive's order."""
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

    def learn(self, recorded: Recorded) -> None:
        """Fold: prompts evolve, too."""
        if isinstance(recorded.fact, Phrasing):
            self.wordings.append(recorded)

    # -- the loop ---------------------------------------------------------------------------

    async def step(self, ctx: Step) -> None:
        """Create one member of the first population, or one offspring of a later generation."""
        seed = ctx.archive.candidate(0)
        if ctx.number <= self.options.initial:
            created = Individual(ctx.archive.program(seed), (seed,))
            await self.submit(ctx, await self.mutate(ctx, created, {}, "create"))
            return
        generation, place = divmod(ctx.number - 1 - self.options.initial, self.options.offspring)
        wordings = self.pool(generation)
        population = await self.population(ctx, generation)
        plan = self.breed(population, ctx.generator(self.first_step(generation)))[place]
        child = Individual(ctx.archive.program(plan.parent), (plan.parent,))
        if plan.mate is not None:
            child = await self.cross(ctx, child, plan.mate)
        if ctx.rng.random() < self.options.mutation:
            if generation > 0 and ctx.rng.random() < self.options.evolution_of_thought:
                exemplars = self.select(population, self.options.exemplars)
                child = await self.transfer(ctx, child, exemplars, wordings)
            else:
                child = await self.mutate(ctx, child, wordings)
        await self.submit(ctx, child)
        if place < self.options.rephrased:
            await self.rephrase(ctx, generation, wordings)

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

    def pool(self, generation: int) -> dict[str, Recorded]:
        """The latest wording that earlier generations have found of each rephrased prompt."""
        return {
            recorded.fact.prompt: recorded
            for recorded in self.wordings
            if isinstance(recorded.fact, Phrasing) and (recorded.fact.generation or 0) < generation
        }

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
        self,
        ctx: Step,
        child: Individual,
        wordings: Mapping[str, Recorded],
        operator: Literal["create", "mutate"] = "mutate",
    ) -> Individual:
        """Rewrite one block, asked for by one prompt of the pool."""
        gene = self._choose(ctx, in_use(child.program, self.task.description))
        prompt, request = self.draw(ctx, wordings)
        if gene is None:
            return child
        text = ctx.render(
            "guided_evolution_mutate",
            request=request,
            feedback="" if child.operators else shorten(child.parents[0].feedback),
            **block_values(ctx, child.program, gene),
        )
        span = self.options.mutate_temperature
        if operator == "create":
            span = self.options.create_temperature
        return await self._rewrite(ctx, child, gene, text, span, operator, f"{gene.name}: {prompt}")

    def draw(self, ctx: Step, wordings: Mapping[str, Recorded]) -> tuple[str, str]:
        """One prompt of the pool, all pairs of direction and persona equally likely.

        Returns:
            Its name, with the number of its wording if it was rephrased; and the request.
        """
        direction, persona = self.pair(ctx.rng)
        prompt = f"{direction}, {persona}"[:100]
        if (wording := wordings.get(prompt)) is not None and isinstance(wording.fact, Phrasing):
            return f"{prompt} (wording {wording.number})", wording.fact.text
        values = {"direction": direction, "persona": persona}
        return prompt, ctx.render("guided_evolution_request", **values)

    def pair(self, rng: random.Random) -> tuple[str, str]:
        """A direction and a persona."""
        return rng.choice(self.options.directions), rng.choice(self.options.personas)

    async def rephrase(self, ctx: Step, generation: int, wordings: Mapping[str, Recorded]) -> None:
        """Put one prompt of the pool into other words, for the generations to come."""
        prompt, request = self.draw(ctx, wordings)
        text = ctx.render("guided_evolution_rephrase", request=fence(request), limit=_WORDING_LIMIT)
        reply = await ctx.ask(
            [Message(role="user", content=text)],
            role="propose",
            temperature=ctx.rng.uniform(*self.options.rephrase_temperature),
        )
        if (wording := wording_of(reply.text)) is not None:
            name = prompt.partition(" (wording ")[0]
            ctx.record(Phrasing(prompt=name, text=wording, generation=generation))

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
            other=fenced(theirs),
            **block_values(ctx, child.program, gene),
        )
        both = Individual(child.program, (*child.parents, mate))
        span = self.options.crossover_temperature
        crossed = await self._rewrite(ctx, both, gene, prompt, span, "crossover", gene.name)
        return crossed if crossed.operators else child

    async def transfer(
        self,
        ctx: Step,
        child: Individual,
        exemplars: Sequence[Candidate],
        wordings: Mapping[str, Recorded],
    ) -> Individual:
        """Evolution of Thought: why did a block of an exemplar get better; do the same here."""
        exemplar = ctx.archive.program(ctx.rng.choice(exemplars))
        pairs = differing(exemplar, self.task.seed_program)
        learnt = self._choose(ctx, [new for new, old in pairs if len(old.text) < _BLOCK_LIMIT])
        gene = self._choose(ctx, in_use(child.program, self.task.description))
        if learnt is None or gene is None:
            return await self.mutate(ctx, child, wordings)
        before = next(old for new, old in pairs if new is learnt)
        prompt = ctx.render(
            "guided_evolution_thought",
            learnt=learnt.name,
            before=fenced(before),
            after=fenced(learnt),
            **block_values(ctx, child.program, gene),
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
        """The individual with one block rewritten as a prompt asks."""
        made = await rewrite(
            ctx,
            child.program,
            gene,
            prompt,
            temperature=ctx.rng.uniform(*temperatures),
            parents=child.parents,
            operator=operator,
            name=label,
            repairs=self.options.repairs,
        )
        if made is None:
            return child
        done, prompts = (*child.operators, operator), (*child.prompts, label)
        return Individual(made.program, child.parents, done, prompts, made.thought)

    def _choose(self, ctx: Step, found: Sequence[Gene]) -> Gene | None:
        """One of the genes that fit into a prompt, all equally likely."""
        fitting = [gene for gene in found if len(gene.text) < _BLOCK_LIMIT]
        return ctx.rng.choice(fitting) if fitting else None

    def _gains(self, candidate: Candidate) -> tuple[float, ...]:
        return gains(self.task.objectives, candidate.scores)


def wording_of(reply: str) -> str | None:
    """The rephrased prompt that a reply holds, in its one fenced block."""
    found = [block.text.strip() for block in fences(reply)]
    good = len(found) == 1 and 0 < len(found[0]) <= _WORDING_LIMIT and "```" not in found[0]
    return found[0] if good else None
