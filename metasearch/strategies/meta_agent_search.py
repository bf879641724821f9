"""Meta Agent Search (ADAS): a model designs new programs with the whole archive before it.

Hu, Lu and Clune, arXiv 2408.08435 (ICLR 2025). There is no choice of parents: every scored
program stays in the archive, and the archive, with the fitness of each entry, stands in the
prompt. A proposal is a thought, a name and a program; the model looks at it twice more before
it is measured, and a program that fails comes back to it in the same conversation.

Hand-designed programs of the campaign's folder (``seeds``) enter the archive first: one step
each, and every other step waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field
from rapidfuzz.distance import Indel

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.errors import CampaignError
from metasearch.exchange import Message
from metasearch.formats import COMPLETE_FILES
from metasearch.objectives import Direction
from metasearch.operators.bootstrap import fitness
from metasearch.operators.deepening import Deepening, repair_turns
from metasearch.operators.edits import UNCHANGED, fences, read_edit
from metasearch.operators.prompts import (
    ANSWER_LIMIT,
    answer_rules,
    render_program,
    render_result,
    shorten,
    task_values,
    thought_of,
)
from metasearch.operators.sections import sections
from metasearch.program import Program, protection_breach
from metasearch.prompts import Draft, Part
from metasearch.step import Rejected, Step, Task
from metasearch.strategies.mechanisms import Steered

_MEMBERS = 200
"""Candidates that are considered for the prompt: so many of the best, and of the latest."""
_COMPARED = 40
"""Members that the choice of diverse ones looks at."""
_PARENTS = 16
"""Shown entries that are recorded as parents, the best first."""


@dataclass(frozen=True)
class Entry:
    """One member of the archive, as the prompt shows it."""

    candidate: Candidate
    name: str
    generation: str
    fitness: str
    thought: str
    code: str


@dataclass(frozen=True)
class Proposal:
    """What a model's reply proposes."""

    name: str
    thought: str
    program: Program | Rejected


class MetaAgentSearch:
    """See the module."""

    paper: ClassVar[str] = "ADAS: Automated Design of Agentic Systems, arXiv 2408.08435"
    idea: ClassVar[str] = "a model that sees the whole archive designs, reflects twice, repairs"
    roles: ClassVar[tuple[Role, ...]] = ("propose",)

    class Options(Steered):
        """Options of ``meta_agent_search``; the defaults are the paper's."""

        seeds: tuple[str, ...] = ()
        """Files of the campaign's folder: other main files, measured before anything is asked."""
        context: Literal["whole", "selected", "none"] = "whole"
        """What of the archive a prompt shows: as much as fits, some of it, or nothing."""
        top: int = Field(default=5, ge=0, le=_MEMBERS)
        """Of ``selected``: so many of the best entries."""
        diverse: int = Field(default=5, ge=0, le=_COMPARED)
        """Of ``selected``: so many more, each as unlike those shown as can be found."""
        characters: int = Field(default=150_000, ge=1_000, le=2_000_000)
        """Of the archive in one prompt; the best entries come first."""
        reflections: int = Field(default=2, ge=0, le=2)
        """Turns in which the model looks at its own proposal before it is measured."""
        attempts: int = Field(default=3, ge=1, le=20)
        """Programs of one conversation that are measured: the proposal and its repairs."""
        repairs: Deepening | None = None
        """Growing budgets of repairs, instead of so many attempts."""
        retries: int = Field(default=2, ge=0, le=20)
        """Further conversations after one in which no program ran; the paper has none."""
        least: float = Field(default=0.01, ge=0)
        """A maximised first objective from 0 up to here counts as all wrong: such a program is
        repaired and is no member of the archive. 0 turns it off."""

    def __init__(self, task: Task, options: Options) -> None:
        self.task = task
        self.options = options
        self._fitness: dict[int, str] = {}
        """Candidate -> how prompts tell its fitness, which takes long to compute."""

    def observe(self, candidate: Candidate) -> None:
        """Nothing to fold: every step reads the archive itself."""

    # -- the loop -----------------------------------------------------------------------------

    async def step(self, ctx: Step) -> None:
        """Measure one hand-designed program, or find, repair and archive one new one."""
        if ctx.number <= len(self.options.seeds):
            await self.hand_designed(ctx, self.options.seeds[ctx.number - 1])
            return
        initial = await ctx.settled(1 + len(self.options.seeds)) if self.options.seeds else ()
        members = self.members(ctx, initial)
        shown = self.context(ctx, members)
        for attempt in range(self.options.retries + 1):
            if await self.converse(ctx, members, shown, "design" if attempt == 0 else "redesign"):
                return

    async def hand_designed(self, ctx: Step, path: str) -> None:
        """Measure a program that a person wrote, in the main file's place."""
        seed = ctx.archive.candidate(0)
        program = self.task.seed_program.replace({self.task.seed_program.main: ctx.file(path)})
        if (breach := protection_breach(self.task.seed_program, program)) is not None:
            raise CampaignError(
                f"strategy.options.seeds: {path!r}: {breach}. A hand-designed program keeps the "
                "marker lines of the seed program, and all that stands around its blocks."
            )
        name = path.rpartition("/")[2].partition(".")[0]
        await ctx.evaluate(program, parents=[seed], operator="hand-designed", name=name)

    async def converse(
        self, ctx: Step, members: Sequence[Candidate], shown: Sequence[Entry], operator: str
    ) -> bool:
        """One conversation: propose, reflect, reflect, measure, repair.

        Returns:
            Whether a program of it ran: then the proposal is not lost, be it good or all wrong.
        """
        parents = [entry.candidate for entry in reversed(shown)][:_PARENTS]
        parents = parents or [ctx.archive.candidate(0)]
        base = ctx.archive.program(parents[0])
        talk: list[Message] = [self.system(ctx), self.request(ctx, shown)]
        draft = await self.draft(ctx, talk, base)
        for turn in range(self.options.reflections):
            talk.append(self.reflection(ctx, turn, draft, members, shown))
            revised = await self.draft(ctx, talk, base, draft.name)
            if fences(talk[-1].content):  # a reply without any code stands by the version before
                draft = revised
        ran, kept = False, talk[:2]
        for reexamine in (*repair_turns(self.options.repairs or self.options.attempts - 1), None):
            measured = await ctx.evaluate(
                draft.program,
                parents=parents,
                operator=operator,
                name=draft.name,
                thought=draft.thought,
            )
            ran = ran or measured.outcome is Outcome.SCORED
            if reexamine is None or self.is_member(measured):
                break
            usable = isinstance(draft.program, Program)
            if self.options.repairs is not None:  # many turns: the latest answers are enough
                talk = [*(talk[:2] if usable else kept), talk[-1]]
            talk.append(self.failure(ctx, measured, shown, reexamine=reexamine))
            kept = list(talk) if usable else kept
            operator = "repair"
            draft = await self.draft(ctx, talk, base, draft.name)
        return ran

    async def draft(
        self, ctx: Step, talk: list[Message], base: Program, name: str = ""
    ) -> Proposal:
        """The model's next version, called as before if it has no name; kept in the talk.

        Files that the model leaves out are those of ``base``, the entry shown last. A program
        that equals it is one, and found to be known when it is to be measured.
        """
        reply = await ctx.ask(tuple(talk), role="propose")
        talk.append(Message(role="assistant", content=shorten(reply.text, ANSWER_LIMIT)))
        found = sections(reply.text, ("reflection", "thought", "name", "program"))
        edited = read_edit(reply.text, base)
        return Proposal(
            name=" ".join(found.get("name", name).split())[:100],
            thought=found.get("thought") or thought_of(reply.text),
            program=base if edited == UNCHANGED else edited,
        )

    # -- the archive --------------------------------------------------------------------------

    def is_member(self, candidate: Candidate) -> bool:
        """Whether a candidate belongs to the archive: all initial ones, others if not all wrong."""
        if not candidate.scored:
            return False
        objective = self.task.objectives[0]
        value = candidate.scores[objective.name]
        all_wrong = objective.direction is Direction.MAXIMIZE and 0 <= value < self.options.least
        return _is_initial(candidate) or not all_wrong

    def members(self, ctx: Step, initial: Sequence[Candidate]) -> list[Candidate]:
        """The best and the latest members, best first."""
        found = [*ctx.archive.best(_MEMBERS), *ctx.archive.recent(_MEMBERS), *initial]
        objective = self.task.objectives[0]
        return sorted(
            {c.number: c for c in found if self.is_member(c)}.values(),
            key=lambda c: (-objective.gain(c.scores[objective.name]), c.number),
        )

    def context(self, ctx: Step, members: Sequence[Candidate]) -> list[Entry]:
        """The entries that the prompt shows, the best last; together of a bounded length."""
        chosen: Sequence[Candidate] = ()
        if self.options.context == "whole":
            chosen = members
        elif self.options.context == "selected":
            chosen = self.selected(ctx, members)
        shown: list[Entry] = []
        room = self.options.characters
        for candidate in chosen:
            if candidate.length > room:
                continue
            entry = self.entry(ctx, candidate)
            room -= (
                len(entry.code) + len(entry.thought) + len(entry.name) + len(entry.fitness) + 100
            )
            if room >= 0:
                shown.append(entry)
        return shown[::-1]

    def selected(self, ctx: Step, members: Sequence[Candidate]) -> list[Candidate]:
        """The best entries, and then one after the other what is most unlike all of these."""
        chosen = list(members[: self.options.top])
        others = list(members[self.options.top :])
        others = ctx.rng.sample(others, min(_COMPARED, len(others)))
        texts = {c.number: ctx.archive.program(c).source[:8_000] for c in (*chosen, *others)}

        def distance(candidate: Candidate) -> float:
            mine = texts[candidate.number]
            near = [Indel.normalized_distance(mine, texts[c.number]) for c in chosen]
            return min(near, default=1.0)

        while others and len(chosen) < self.options.top + self.options.diverse:
            chosen.append(max(others, key=distance))
            others.remove(chosen[-1])
        return chosen

    def entry(self, ctx: Step, candidate: Candidate) -> Entry:
        """A member as the prompt shows it."""
        number = candidate.number
        if number not in self._fitness:
            self._fitness[number] = fitness(ctx.archive, candidate, self.task.objectives)
        return Entry(
            candidate,
            name=candidate.name or "unnamed",
            generation="initial"
            if _is_initial(candidate)
            else str(self.generation(candidate.step)),
            fitness=self._fitness[number],
            thought=" ".join(candidate.thought.split())[:2_000],
            code=render_program(ctx.archive.program(candidate)),
        )

    def generation(self, step: int) -> int:
        """The hand-designed programs are before the first generation."""
        return max(1, step - len(self.options.seeds))

    # -- the messages -------------------------------------------------------------------------

    def system(self, ctx: Step) -> Message:
        """Who the model is, the task, the rules."""
        text = ctx.render("meta_agent_system", **task_values(self.task))
        return Message(role="system", content=text)

    def request(self, ctx: Step, shown: Sequence[Entry]) -> Message:
        """The archive, what fitness means, the form of the answer, usual mistakes, the request.

        In a prompt that is too long the worst entries give way first.
        """
        if shown:
            parts = [Part(text=ctx.render("meta_agent_archive"))]
        else:
            seed = render_program(self.task.seed_program)
            parts = [Part(text=ctx.render("meta_agent_seed", program=seed))]
        for place, entry in enumerate(shown):
            text = ctx.render("meta_agent_entry", entry=entry)
            name = f"entry #{entry.candidate.number}"
            parts.append(Part(text=text, priority=len(shown) - place, name=name))
        now = ctx.render(
            "meta_agent_request",
            archive=bool(shown),
            objectives=self.task.objectives,
            intervals=any("Interval" in entry.fitness for entry in shown),
            **self.answer(ctx, shown),
        )
        return Draft.of([*parts, Part(text=now)])

    def reflection(
        self,
        ctx: Step,
        turn: int,
        draft: Proposal,
        members: Sequence[Candidate],
        shown: Sequence[Entry],
    ) -> Message:
        """What to look at before the program is measured, and what makes it none so far."""
        fault = draft.program.reason if isinstance(draft.program, Rejected) else ""
        template = "meta_agent_check" if turn else "meta_agent_reflect"
        parts = [Part(text=ctx.render(template, fault=fault, **self.answer(ctx, shown)))]
        new = [c for c in members if not _is_initial(c) and c.length < self.options.characters]
        latest = max(new, key=lambda c: c.number, default=None)
        if turn == 0 and latest is not None and self.options.context != "none":
            text = ctx.render("meta_agent_previous", entry=self.entry(ctx, latest))
            parts.insert(0, Part(text=text, priority=1, name="the entry before yours"))
        return Draft.of(parts)

    def failure(
        self, ctx: Step, measured: Candidate, shown: Sequence[Entry], *, reexamine: bool
    ) -> Message:
        """Why the program is not taken into the archive, and a request to mend it."""
        text = ctx.render(
            "meta_agent_repair",
            outcome=str(measured.outcome),
            known=measured.duplicate_of is not None,
            result=render_result(ctx, measured),
            **self.answer(ctx, shown),
        )
        first = ctx.render("reexamine") if reexamine else ""
        return Draft.of([Part(text=first), Part(text=text)])

    def answer(self, ctx: Step, shown: Sequence[Entry]) -> dict[str, object]:
        """What templates are told of the form of an answer."""
        return {
            "answer": answer_rules(ctx, COMPLETE_FILES),
            "several": len(self.task.seed_program.files) > 1,
            "base": "entry shown last" if shown else "program to begin with",
        }


def _is_initial(candidate: Candidate) -> bool:
    return candidate.operator in ("seed", "hand-designed")
