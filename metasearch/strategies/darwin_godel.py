"""An archive that keeps every working program, any of which may be the next parent.

After the Darwin Goedel Machine (arXiv 2505.22954). A step draws a parent by its score and by
how few working children it has, lets one model diagnose what holds it back, and another one
make that one change. Whatever works is kept, better or not: today's detour may be the
ancestor of tomorrow's best.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.errors import CampaignError
from metasearch.exchange import Message
from metasearch.facts import Selection
from metasearch.formats import EDITS, EditName
from metasearch.operators.deepening import Repairs
from metasearch.operators.lineage import WorkingParents
from metasearch.operators.parts import edit_line, printed_part, result_line, result_part
from metasearch.operators.prompts import (
    Shown,
    render_program,
    shorten,
    show,
    task_message,
    task_values,
)
from metasearch.operators.proposals import propose
from metasearch.operators.selection import pick, score_child_weights
from metasearch.operators.uct import rank_values
from metasearch.prompts import Draft, Part
from metasearch.step import Refused, Rejected, Step, Task
from metasearch.strategies.mechanisms import Steered

_CHILDREN = 8
"""Latest children of the parent that the diagnosis sees."""


class Diagnosis(BaseModel):
    """Your diagnosis: what holds the program back, and the one change to make next."""

    summary: str = Field(description="what the run of the program shows, in a few sentences")
    improvements: list[str] = Field(description="changes that might help, each in a sentence")
    problem: str = Field(description="for the programmer: what is wrong, and the aim of the change")
    proposal: str = Field(description="for the programmer: the one change to make now, in detail")
    implementation: str = Field(description="for the programmer: how, what to change where")


class DarwinGodel:
    """See the module."""

    paper: ClassVar[str] = "Darwin Goedel Machine, arXiv 2505.22954"
    idea: ClassVar[str] = "every working program stays a possible parent; diagnose, then change it"
    roles: ClassVar[tuple[Role, ...]] = ("reflect", "propose")

    class Options(Steered):
        """Options of ``darwin_godel``."""

        parents: Literal["score_child", "score", "best", "random"] = "score_child"
        """How parents are drawn: by score and number of children, by score alone, ..."""
        accuracy: Literal["rank", "share"] = "rank"
        """What stands for the accuracy: the rank in the archive, or the first objective itself,
        a share of tasks from 0 to 1 (published)."""
        keep: Literal["all", "better"] = "all"
        """``better``: only those at most ``tolerance`` worse than the seed are kept."""
        tolerance: float = Field(default=0.1, ge=0)
        diagnoses: int = Field(default=2, ge=1, le=5)
        """Attempts at a diagnosis; each is two calls if the first reply cannot be read."""
        repairs: Repairs = 1
        """Turns that the model gets to correct an edit that cannot be used."""
        edit: EditName = "files"

    def __init__(self, task: Task, options: Options) -> None:
        if options.accuracy == "share" and task.objectives[0].direction != "maximize":
            raise CampaignError(
                "strategy.options.accuracy = 'share' needs a first objective that is a share of "
                f"tasks to be maximized, not {task.objectives[0].name!r}; use 'rank'."
            )
        self.task = task
        self.options = options
        self.gains: dict[int, float] = {}
        """The archive of complete programs: number -> first objective, larger is better."""
        self.stopped: set[int] = set()
        """Those that work, but did not reach an early stage's threshold."""
        self.children: Counter[int] = Counter()
        """Working children of each."""
        self._parents = WorkingParents()

    def observe(self, candidate: Candidate) -> None:
        """Fold: keep what works, and count it for its parent."""
        parent = self._parents.observe(candidate)
        if candidate.outcome is not Outcome.SCORED:
            return
        first = self.task.objectives[0]
        if not candidate.complete:
            self.stopped.add(candidate.number)
        else:
            gain = first.gain(candidate.scores[first.name])
            least = self.gains.get(0, gain) - self.options.tolerance
            if self.options.keep == "better" and gain < least:
                return
            self.gains[candidate.number] = gain
        if parent is not None:
            self.children[parent] += 1

    async def step(self, ctx: Step) -> None:
        """Draw a parent, diagnose it, change it, evaluate it in stages."""
        number = self.choose(ctx)
        ctx.record(Selection(operator="self_improve", candidates=(number,)))
        parent = show(ctx, ctx.archive.candidate(number))
        diagnosis = await self.diagnose(ctx, parent)
        if isinstance(diagnosis, Refused):
            why = Rejected(f"no diagnosis to work by: {diagnosis.reason}")
            await ctx.evaluate(why, parents=[parent.candidate], operator="self_improve")
            return
        edit = EDITS[self.options.edit]
        await propose(
            ctx,
            [task_message(ctx, edit), self.assignment(ctx, parent, diagnosis)],
            parent,
            answer_format=edit,
            operator="self_improve",
            repairs=self.options.repairs,
        )

    # -- the parent -------------------------------------------------------------------------

    def choose(self, ctx: Step) -> int:
        """A member of the archive."""
        members = sorted([*self.gains, *self.stopped])
        if self.options.parents == "random":
            return ctx.rng.choice(members)
        accuracy = self.accuracies(ctx)
        if self.options.parents == "best":
            return max(members, key=lambda number: (accuracy[number], -number))
        counts = self.children if self.options.parents == "score_child" else Counter[int]()
        weights = score_child_weights(
            [accuracy[number] for number in members], [counts[number] for number in members]
        )
        return pick(members, weights, ctx.rng) if any(weights) else ctx.rng.choice(members)

    def accuracies(self, ctx: Step) -> dict[int, float]:
        """Each member's accuracy, 0 to 1.

        A rank lies in the middle of its place, so that the best one stays below 1, and those
        that an early stage stopped share the last places: a cheap stage's score compares with
        no other.

        Raises:
            CampaignError: An objective that is to be a share is none.
        """
        if self.options.accuracy == "share":
            name = self.task.objectives[0].name
            share = dict(self.gains)
            share |= {n: ctx.archive.candidate(n).scores[name] for n in self.stopped}
            for number, value in share.items():
                if not 0 <= value <= 1:
                    raise CampaignError(
                        f"#{number} has {name} = {value:g}, which is no share of tasks from 0 to "
                        "1. Set strategy.options.accuracy to 'rank'."
                    )
            return share
        stopped, complete = len(self.stopped), len(self.gains)
        accuracy = dict.fromkeys(self.stopped, stopped / 2 / (stopped + complete))
        for number, rank in zip(self.gains, rank_values(list(self.gains.values())), strict=True):
            below = stopped + rank * (complete - 1)
            accuracy[number] = (below + 0.5) / (stopped + complete)
        return accuracy

    # -- diagnosis and change -----------------------------------------------------------------

    async def diagnose(self, ctx: Step, parent: Shown) -> Diagnosis | Refused:
        """What a second model says the parent needs."""
        prompt = [self.question(ctx, parent)]
        answer: Diagnosis | Refused = Refused("")
        for _ in range(self.options.diagnoses):
            answer = await ctx.ask_for(Diagnosis, prompt, role="reflect")
            if isinstance(answer, Diagnosis):
                break
        return answer

    def question(self, ctx: Step, parent: Shown) -> Message:
        """The parent, what it did, and what was tried on it."""
        children = ctx.archive.children(parent.candidate.number, _CHILDREN)
        lines = [f"{edit_line(c)} -> {result_line(c, self.task)}" for c in children]
        tried = ctx.render("darwin_godel_children", children=lines) if lines else ""
        stopped = not parent.candidate.complete
        return Draft.of(
            [
                Part(text=ctx.render("darwin_godel_role", **task_values(self.task))),
                Part(text=ctx.render("current", program=render_program(parent.program))),
                result_part(ctx, parent.candidate),
                printed_part(ctx, parent.candidate, priority=3, limit=8_000),
                Part(text=tried, priority=4, name="changes that were tried"),
                Part(text=ctx.render("darwin_godel_diagnose", stopped=stopped)),
            ]
        )

    def assignment(self, ctx: Step, parent: Shown, diagnosis: Diagnosis) -> Message:
        """The parent's program and the change that the diagnosis asks for."""
        change = ctx.render(
            "darwin_godel_change",
            problem=shorten(diagnosis.problem),
            proposal=shorten(diagnosis.proposal),
            implementation=shorten(diagnosis.implementation),
        )
        return Draft.of(
            [
                Part(text=ctx.render("current", program=render_program(parent.program))),
                result_part(ctx, parent.candidate),
                Part(text=change),
            ]
        )
