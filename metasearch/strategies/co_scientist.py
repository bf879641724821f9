"""The AI co-scientist over programs: a tournament of ideas decides what is built and measured.

*Towards an AI co-scientist* (arXiv 2502.18864): agents for generation, reflection, ranking,
proximity, evolution and meta-review work on ideas, and a supervisor chooses the next task. Here
the best ideas become programs and are measured. A step is one task. Two numbers are never mixed:
what judges think of an idea before, and what was measured after. Without an evaluator there are
ideas only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import ClassVar

from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.exchange import Message
from metasearch.facts import (
    Assumption,
    Idea,
    Match,
    Origin,
    Overview,
    Plan,
    Recorded,
    Review,
    Selection,
)
from metasearch.formats import EDITS
from metasearch.operators.funnel import Funnel
from metasearch.operators.ideas import Entry
from metasearch.operators.prompts import shorten, show, task_message
from metasearch.operators.proposals import propose
from metasearch.prompts import Part
from metasearch.step import Refused, Rejected, SearchEnded, Step, Task
from metasearch.strategies.co_scientist_briefing import (
    CRITERIA,
    LINE,
    Briefing,
    line,
    listed,
    outcomes,
    quoted,
)
from metasearch.strategies.co_scientist_forms import (
    REVIEW_FORMS,
    DeepReviewForm,
    HypothesisForm,
    IdeaForm,
    InitialReviewForm,
    ObservationReviewForm,
    PlanForm,
    ReviewForm,
)
from metasearch.strategies.co_scientist_judge import BIASED, Judge
from metasearch.strategies.co_scientist_options import CoScientistOptions
from metasearch.strategies.co_scientist_plateau import Plateau
from metasearch.strategies.co_scientist_supervisor import WINDOW, Job, Supervisor

FEEDBACK = 4_000
"""Characters kept of a meta-review; 400 words are asked for."""

Agent = Callable[[Step, Job, Briefing], Coroutine[None, None, None]]


class CoScientist:
    """See the module."""

    paper: ClassVar[str] = "Towards an AI co-scientist, arXiv 2502.18864"
    works_on_ideas: ClassVar[bool] = True
    idea: ClassVar[str] = "ideas are reviewed, debated and evolved; the best become programs"
    takes_ideas: ClassVar[bool] = True
    roles: ClassVar[tuple[Role, ...]] = ("propose", "review", "judge", "summarise")
    Options = CoScientistOptions

    def __init__(self, task: Task, options: CoScientistOptions) -> None:
        self.options = options
        self.task = task
        objective = task.objectives[0] if task.objectives else None
        self.funnel = Funnel(objective, options.calibration_calls)
        self.supervisor = Supervisor(options, measures=objective is not None)
        self.plateau = Plateau(options.plateau_epochs, options.top)
        self.agents: dict[str, Agent] = {
            "supervisor": self.parse_goal,
            "generation": self.generate,
            "reflection": self.reflect,
            "ranking": self.rank,
            "evolution": self.evolve,
            "program": self.implement,
            "metareview": self.look_back,
        }

    def observe(self, candidate: Candidate) -> None:
        """Fold a measurement."""
        self.funnel.observe(candidate)

    def learn(self, recorded: Recorded) -> None:
        """Fold an idea, a review, a match, a choice or a meta-review."""
        self.funnel.learn(recorded)
        if isinstance(recorded.fact, Overview):
            self.plateau.learn(recorded.fact)

    async def step(self, ctx: Step) -> None:
        """The supervisor's next task, until there is none or the best ideas stay the same."""
        in_flight = self.funnel.in_flight(ctx.archive.open_steps())
        job = None
        if not self.plateau.reached:
            allowed = ctx.archive.budget().ideas
            job = self.supervisor.choose(self.funnel, in_flight, ctx.rng, allowed)
        if job is None and not in_flight:
            raise SearchEnded(self.ending)
        if job is None:  # what is in flight may bring new work
            await ctx.settled(ctx.number, since=ctx.number)
            return
        ctx.record(Selection(operator=job.name, ideas=job.ideas, candidates=job.candidates))
        brief = Briefing(ctx, self.funnel, self.task, measures=self.supervisor.measures)
        await self.agents[job.agent](ctx, job, brief)

    @property
    def ending(self) -> str:
        """Why there is nothing left to do."""
        if self.plateau.reached:
            return "plateau"
        return "stalled" if self.supervisor.measures else "ideas"

    async def parse_goal(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """What is wanted, in words that all later prompts show; else the paper's criteria."""
        form = await ctx.ask_for(PlanForm, brief.talk("goal", []), role="summarise")
        if isinstance(form, Refused):
            form = PlanForm(criteria=[], constraints=[], attributes=[])
        ctx.record(
            Plan(
                goal=self.task.description,
                criteria=tuple(form.criteria[:20]) or CRITERIA,
                constraints=tuple(form.constraints[:20]),
                attributes=tuple(form.attributes[:20]),
            )
        )

    async def generate(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """A new idea: by exploring, by experts' debate, from assumptions, or where gaps are."""
        minds = ctx.rng.random() < self.options.feedback_share
        parts = [*self.base(ctx, job, brief), brief.known()]
        others = bool(self.funnel.entries)
        if job.method == "expand" and self.funnel.overview is not None:
            text = shorten(self.funnel.overview.text, FEEDBACK)
            parts.append(brief.section("Overview of the work so far", text, priority=2))
        feedback = brief.feedback() if minds else ""
        asked = brief.talk("generate", parts, feedback, method=job.method, others=others)
        await self.think(ctx, asked, job)

    async def evolve(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """A new idea from others. It replaces none of them, and has to win matches of its own."""
        heading = "One of the ideas at hand" if len(job.ideas) > 1 else "The idea at hand"
        parts = self.base(ctx, job, brief)
        for number in job.ideas:
            parts.append(brief.section(heading, brief.account(self.funnel.entries[number])))
        asked = brief.talk("evolve", parts, brief.feedback(), method=job.method)
        await self.think(ctx, asked, job)

    def base(self, ctx: Step, job: Job, brief: Briefing) -> list[Part]:
        """The program that a new idea is to improve, if there are programs."""
        shown = [show(ctx, ctx.archive.candidate(number)) for number in job.candidates[:1]]
        return brief.program(shown[0]) if shown else []

    async def think(self, ctx: Step, asked: Sequence[Message], job: Job) -> None:
        """Ask for an idea and record it; one that repeats another is discarded (proximity)."""
        wanted: type[IdeaForm | HypothesisForm]
        wanted = IdeaForm if self.supervisor.measures else HypothesisForm
        form = await ctx.ask_for(wanted, asked, role="propose")
        if isinstance(form, Refused):
            reason = f"no idea could be read: {form.reason}"
            await ctx.evaluate(Rejected(reason), parents=[], operator=job.method)
            return
        idea = ctx.record(
            Idea(
                title=form.title,
                claim=form.claim,
                mechanism=form.mechanism,
                expected=form.expected,
                assumptions=tuple(form.assumptions[:20]),
                predicted=form.predicted if isinstance(form, IdeaForm) else None,
                operator=job.method,
                parents=job.ideas,
                candidates=job.candidates,
            )
        )
        older = [number for number in self.funnel.entries if number < idea.number]
        for twin in self.funnel.nearest(idea.number, older):
            similarity = self.funnel.similarity(idea.number, twin)
            if similarity >= self.options.duplicate:
                ctx.record(
                    Review(
                        idea=idea.number,
                        method="proximity",
                        verdict="fail",
                        label="duplicate",
                        text=f"Repeats idea {twin}; similarity {similarity:.2f}.",
                    )
                )
                if not self.funnel.admitted:
                    await self.give_up(ctx, f"no idea is new; the last repeats idea {twin}", job)
                return

    async def reflect(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """One review. An explicit fail discards the idea, whatever the method."""
        number = job.ideas[0]
        parts = [brief.section("The idea", quoted(self.funnel.entries[number].idea))]
        if job.method == "full":
            near = map(brief.account, self.nearest(number, self.funnel.gains))
            parts.append(brief.section("What was tried nearby", "\n\n".join(near), priority=1))
        else:
            near = map(line, self.nearest(number, [e.number for e in self.funnel.admitted]))
            heading = "The ideas that are nearest to it"
            parts.append(brief.section(heading, listed(near, LINE), priority=1))
        if job.method in ("full", "observe", "simulate"):
            parts.append(brief.best_program())
        if job.method == "recurrent":
            why = listed([brief.decided(match) for match in self.funnel.lost(number)], 3 * LINE)
            parts += [brief.reviews(self.funnel.entries[number])]
            parts += [brief.section("What decided the matches that it lost", why, priority=1)]
        template = job.method if job.method in ("observe", "recurrent") else "review"
        asked = brief.talk(template, parts, brief.feedback(), method=job.method)
        review = await self.review(ctx, asked, number, job.method)
        ctx.record(review)
        if review.verdict == "fail" and not self.funnel.admitted:
            await self.give_up(ctx, f"no idea passes its review; the last: {review.text}", job)

    def nearest(self, number: int, among: Collection[int]) -> list[Entry]:
        """The three most similar ideas among some."""
        return [self.funnel.entries[n] for n in self.funnel.nearest(number, among, limit=3)]

    async def review(self, ctx: Step, asked: Sequence[Message], idea: int, method: str) -> Review:
        """The review in words; one that cannot be read discards nothing."""
        wanted = REVIEW_FORMS.get(method, ReviewForm)
        form = await ctx.ask_for(wanted, asked, role="review")
        if isinstance(form, Refused):
            return Review(idea=idea, method=method, verdict=None, text=form.reason)
        observed = form.observations[:20] if isinstance(form, ObservationReviewForm) else []
        found = "".join(f"\n- {each.finding}: {each.observation}" for each in observed)
        assumptions = form.assumptions[:20] if isinstance(form, DeepReviewForm) else ()
        return Review(
            idea=idea,
            method=method,
            verdict=form.verdict,
            text=form.review + found,
            label=form.label if isinstance(form, ObservationReviewForm) else "",
            novelty=form.novelty if isinstance(form, InitialReviewForm) else None,
            assumptions=tuple(Assumption(**each.model_dump()) for each in assumptions),
        )

    async def rank(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """One match: by a single verdict, or for the best by a debate.

        A calibrating match is of measured ideas, masked: the judge sees what there was to see
        before either was measured.
        """
        a, b = (self.funnel.entries[number] for number in job.ideas)
        calibrating = job.method == "calibrate"
        feedback = brief.feedback(min(a.epoch, b.epoch) if calibrating else None)
        judge = Judge(ctx, brief, self.options, feedback)
        if job.debate and abs(self.funnel.slot_bias()) >= BIASED:
            judged = await judge.debate_in_both_orders(a, b)
        elif job.debate:
            judged = await judge.debate(brief.pair(a, b))
        else:
            judged = await judge.compare(brief.pair(a, b))
        ctx.record(
            Match(
                between="ideas",
                contestants=job.ideas,
                shares=judged.shares,
                mode="debate" if job.debate else "single",
                purpose="calibration" if calibrating else "rating",
                weight=judged.weight,
                transcript=judged.transcript,
                rationale=judged.rationale,
            )
        )

    async def implement(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """The idea becomes a program, and is measured."""
        entry = self.funnel.entries[job.ideas[0]]
        base, *others = (show(ctx, ctx.archive.candidate(number)) for number in job.candidates)
        edit = EDITS[self.options.edit]
        parts = [*brief.program(base), *map(brief.inspiration, others)]
        parts += [brief.idea(entry), brief.reviews(entry)]
        prompt = brief.task("implement", parts, brief.feedback(), others=bool(others))
        candidate = await propose(
            ctx,
            [task_message(ctx, edit), prompt],
            base,
            answer_format=edit,
            operator="implement",
            repairs=self.options.repairs,
        )
        ctx.record(Origin(candidate=candidate.number, ideas=job.ideas))

    async def look_back(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """A meta-review: feedback for all later prompts, or an overview of the best ideas."""
        if job.method == "feedback":
            await self.give_feedback(ctx, brief)
        else:
            await self.write_overview(ctx, job, brief)

    async def give_feedback(self, ctx: Step, brief: Briefing) -> None:
        """What reviews, debates and mispredictions have in common."""
        epoch = self.funnel.epoch + 1
        matches = [r.fact for r in ctx.archive.facts("match", 200) if r.fact.kind == "match"]
        reviews = [r.fact for r in ctx.archive.facts("review", 20) if r.fact.kind == "review"]
        said = listed([f"{r.verdict}: {r.text}" for r in reviews if r.verdict], LINE)
        why = listed([brief.decided(m) for m in matches[:20] if m.shares], 2 * LINE)
        mistakes = dict.fromkeys(text for m in matches if (text := brief.mistaken(m)))
        wrong = listed(list(mistakes)[:5], 3 * LINE)
        fared = outcomes(self.funnel.rewards(WINDOW))
        heading = (
            "How many ideas gave a program better than the one it changed, by how they were made"
            if brief.measures
            else "How many ideas are in the best quarter, by how they were made"
        )
        parts = [
            brief.section("Reviews, latest first", said, priority=2),
            brief.section("How matches ended and what decided them, latest first", why, priority=3),
            brief.section("Where the judges were wrong", wrong, priority=1),
            brief.section(heading, fared),
        ]
        last = brief.feedback()
        asked = brief.talk("feedback", parts, last, minded=bool(last))
        reply = await ctx.ask(asked, role="summarise")
        text = shorten(reply.text, FEEDBACK)
        ctx.record(Overview(purpose="feedback", epoch=epoch, text=text))

    async def write_overview(self, ctx: Step, job: Job, brief: Briefing) -> None:
        """An account of the best ideas, for people and for those who look for gaps."""
        epoch = self.funnel.epoch
        parts = [brief.best_line()]
        for place, number in enumerate(job.ideas, start=1):
            entry = self.funnel.entries[number]
            told = f"{brief.account(entry)}\n{brief.rated(entry)}"
            parts.append(brief.section(f"Best ideas, place {place}", told, priority=1))
        asked = brief.talk("overview", parts, brief.feedback())
        reply = await ctx.ask(asked, role="summarise")
        ctx.record(Overview(purpose="summary", epoch=epoch, text=reply.text, ideas=job.ideas))

    async def give_up(self, ctx: Step, reason: str, job: Job) -> None:
        """A model that gives nothing to work with is a proposal without a program."""
        if self.supervisor.measures:
            await ctx.evaluate(Rejected(reason), parents=[], operator=job.method)
