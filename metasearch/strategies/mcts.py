"""Monte Carlo tree search over edits, with hindsight: SWE-Search.

After SWE-Search (arXiv 2410.20285). A node is a program, an edge one edit. A step selects a
node by UCT, asks for an edit that differs from the node's earlier ones and knows what became
of them, evaluates it, and has a value agent say what it achieved and what to try instead. Now
and then a debate decides among programs that their measurements do not tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from metasearch.campaign import Role
from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.facts import Match, Recorded, Selection, Value
from metasearch.formats import EDITS, EditName
from metasearch.operators.debate import LABELS, debate
from metasearch.operators.deepening import Repairs
from metasearch.operators.parts import (
    edit_diff,
    edit_line,
    printed_part,
    result_line,
    result_part,
)
from metasearch.operators.prompts import (
    Shown,
    render_program,
    render_result,
    shorten,
    show,
    task_message,
)
from metasearch.operators.proposals import propose
from metasearch.operators.search_tree import BackupName, Norm, Policy, SearchTree, Select
from metasearch.prompts import Draft, Part
from metasearch.step import Refused, Step, Task
from metasearch.strategies.mechanisms import Steered

_BRANCHES = 10
"""Earlier children of a node that a prompt shows, the latest ones."""

_PATH = 20
"""Edits on the way to a node that a prompt shows, the latest ones."""


class Judgement(BaseModel):
    """Your judgement of the latest edit."""

    score: float = Field(ge=-100, le=100, description="how promising it is to go on from here")
    explanation: str = Field(
        description="what the edit achieved, what is missing, which other direction to try"
    )


class Mcts:
    """See the module."""

    paper: ClassVar[str] = "SWE-Search, arXiv 2410.20285"
    idea: ClassVar[str] = "a tree of edits searched by UCT; later edits know what became of earlier"
    roles: ClassVar[tuple[Role, ...]] = ("propose", "value", "judge")

    class Options(Steered):
        """Options of ``mcts``."""

        select: Select = "descent"
        """``descent`` from the root, or ``frontier``: the best of all nodes with room."""
        backup: BackupName = "max"
        """A node's value: the best of its subtree, or the mean (published)."""
        norm: Norm = "rank"
        """Measured value: rank among all programs, or share of the range between them."""
        values: Literal["measured", "judged"] = "measured"
        """``judged``: the value agent's number takes the measurement's place (published)."""
        exploration: float = Field(default=1.41, ge=0)
        """C. About 1.41 for ranks, 0.7 for ``minmax``."""
        early: float = Field(default=1.0, ge=0)
        """a, the bonus of early depth; matters for ``frontier`` only."""
        early_decay: float = Field(default=1.0, ge=0)
        """b, how fast it fades."""
        late: float = Field(default=0.1, ge=0)
        """g, the penalty of late depth; matters for ``frontier`` only."""
        max_expansions: int = Field(default=5, ge=1, le=100)
        """Children of a node."""
        max_depth: int = Field(default=20, ge=1)
        debate_every: int = Field(default=100, ge=0)
        """Steps between two debates over the best; 0 for none."""
        agents: int = Field(default=5, ge=1, le=20)
        rounds: int = Field(default=3, ge=1, le=5)
        finalists: int = Field(default=5, ge=2, le=len(LABELS))
        repairs: Repairs = 1
        """Turns that the model gets to correct an edit that cannot be used."""
        edit: EditName = "files"

    def __init__(self, task: Task, options: Options) -> None:
        self.task = task
        self.options = options
        shared = options.model_dump(include=set(Policy.__dataclass_fields__))
        self.tree = SearchTree(task.objectives[0], Policy(**shared))
        self.chosen: dict[int, int] = {}
        """Step -> the node that it expands."""
        self.explained: dict[int, int] = {}
        """Candidate -> the fact that explains it."""
        self.debated: set[frozenset[int]] = set()

    # -- the fold -----------------------------------------------------------------------

    def observe(self, candidate: Candidate) -> None:
        """Fold: a settled candidate is a node; visits and values follow from all of them."""
        self.tree.add(candidate)

    def learn(self, recorded: Recorded) -> None:
        """Fold: what steps chose, what the value agent and the debates said."""
        match recorded.fact:
            case Selection(operator="expand", candidates=(node, *_)):
                self.chosen[recorded.step] = node
            case Value(candidate=number, score=score):
                self.explained[number] = recorded.number
                if self.options.values == "judged" and score is not None:
                    self.tree.judge(number, (score + 100) / 200)
            case Match(between="candidates", purpose="tie", contestants=contestants):
                self.debated.add(frozenset(contestants))

    # -- the step -----------------------------------------------------------------------

    async def step(self, ctx: Step) -> None:
        """Select, expand, evaluate, judge; or debate over finalists when it is time."""
        if finalists := self.finalists(ctx):
            numbers = tuple(candidate.number for candidate in finalists)
            ctx.record(Selection(operator="debate", candidates=numbers))
            programs = [show(ctx, candidate) for candidate in finalists]
            agents, rounds = self.options.agents, self.options.rounds
            ctx.record(await debate(ctx, programs, agents=agents, rounds=rounds))
            return
        node = self.tree.select(self.in_flight(ctx))
        ctx.record(Selection(operator="expand", candidates=(node,)))
        parent = show(ctx, ctx.archive.candidate(node))
        child = await self.expand(ctx, parent)
        if child.outcome is Outcome.REJECTED:
            return  # no program to judge; the reason of the rejection is what the next one reads
        judgement = await ctx.ask_for(Judgement, self.judging(ctx, parent, child), role="value")
        if not isinstance(judgement, Refused):
            score, explanation = judgement.score, judgement.explanation
            ctx.record(Value(candidate=child.number, score=score, explanation=explanation))

    def in_flight(self, ctx: Step) -> list[int]:
        """The nodes that steps in flight expand: virtual visits."""
        return [self.chosen[step] for step in ctx.archive.open_steps() if step in self.chosen]

    async def expand(self, ctx: Step, parent: Shown) -> Candidate:
        """One more edit of the node, other than its earlier ones."""
        edit = EDITS[self.options.edit]
        conversation = [task_message(ctx, edit), self.expansion(ctx, parent)]
        return await propose(
            ctx,
            conversation,
            parent,
            answer_format=edit,
            operator="expand",
            repairs=self.options.repairs,
        )

    # -- prompts --------------------------------------------------------------------------

    def expansion(self, ctx: Step, parent: Shown) -> Message:
        """The program, how it came about, and in hindsight what its other children became."""
        tried = self.tree.children(parent.candidate.number)[-_BRANCHES:]
        branches = [ctx.archive.candidate(number) for number in tried]
        parts = [
            Part(text=ctx.render("current", program=render_program(parent.program))),
            result_part(ctx, parent.candidate),
            printed_part(ctx, parent.candidate),
            self.path(ctx, parent.candidate.number),
        ]
        if branches:
            text, *shorter = (self.hindsight(ctx, branches, limit) for limit in (4_000, 500))
            name = "other branches"
            parts.append(Part(text=text, priority=2, name=name, shorter=tuple(shorter)))
        parts.append(Part(text=ctx.render("mcts_expand", again=bool(branches))))
        return Draft.of(parts)

    def hindsight(self, ctx: Step, branches: Sequence[Candidate], limit: int) -> str:
        """What became of a node's children: result, value and explanation of each."""
        values = dict(zip((n.number for n in self.tree.nodes), self.tree.values(), strict=True))
        return ctx.render(
            "mcts_branches",
            branches=[
                {
                    "standing": f"value {values[c.number]:.2f}" if c.scored else "failed",
                    "edit": edit_line(c, min(limit, 1_000)),
                    "outcome": render_result(ctx, c, limit),
                    "explanation": shorten(self.explanation(ctx, c.number), limit),
                }
                for c in branches
            ],
        )

    def judging(self, ctx: Step, parent: Shown, child: Candidate) -> list[Message]:
        """The edits so far, the latest one, and what it did."""
        program = ctx.archive.program(child)
        before, words = render_result(ctx, parent.candidate, 1_000), edit_line(child, 1_000)
        edit, short = (
            ctx.render("mcts_edit", before=before, edit=words, diff=diff)
            for diff in (edit_diff(parent.program, program), "")
        )
        task, objectives = self.task.description, self.task.objectives
        parts = [
            Part(text=ctx.render("mcts_judge", task=task, objectives=objectives)),
            self.path(ctx, parent.candidate.number),
            Part(text=edit, priority=3, name="the edit as a diff", shorter=(short,)),
            Part(text=ctx.render("mcts_after", program=render_program(program))),
            result_part(ctx, child),
            printed_part(ctx, child),
            Part(text=ctx.render("mcts_value")),
        ]
        return [Draft.of(parts)]

    def path(self, ctx: Step, number: int) -> Part:
        """The edits from the root to a node, each in a line."""
        line = [ctx.archive.candidate(n) for n in self.tree.path(number)[1:][-_PATH:]]
        edits = [f"{edit_line(c)} -> {result_line(c, self.task)}" for c in line]
        text = ctx.render("mcts_path", path=edits) if edits else ""
        return Part(text=text, priority=4, name="earlier edits")

    def explanation(self, ctx: Step, number: int) -> str:
        """What the value agent said of a candidate."""
        found = self.explained.get(number)
        fact = None if found is None else ctx.archive.fact(found).fact
        return fact.explanation if isinstance(fact, Value) else ""

    # -- the discriminator ------------------------------------------------------------------

    def finalists(self, ctx: Step) -> Sequence[Candidate]:
        """If it is time for a debate: the best ones whose intervals overlap the best's.

        None if the measurements leave one winner, or these were debated before.
        """
        every = self.options.debate_every
        if not every or ctx.number % every:
            return ()
        metric = self.task.objectives[0].name
        best, *others = ctx.archive.best(self.options.finalists)
        score = ctx.archive.score(best, metric)
        found = [best]
        for other in others:
            interval = ctx.archive.score(other, metric)
            if interval.low <= score.high and score.low <= interval.high:
                found.append(other)
        known = frozenset(candidate.number for candidate in found) in self.debated
        return () if len(found) < 2 or known else found
