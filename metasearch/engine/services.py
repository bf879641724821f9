"""What running steps call. What the archive has at its place already is not done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel

from metasearch import facts
from metasearch.archive import CampaignArchive, StepRecord
from metasearch.campaign import Campaign, Role
from metasearch.campaign_file import CAMPAIGN_FILE, read_beside
from metasearch.candidate import Candidate
from metasearch.commands import MANY, PERSON, Commanded, Idea
from metasearch.engine.fold import Fold
from metasearch.engine.gate import Gate, Parked
from metasearch.engine.in_flight import InFlight, Width
from metasearch.engine.measuring import Measuring
from metasearch.engine.novelty import Novelty
from metasearch.engine.outage import Outage
from metasearch.engine.ports import Models
from metasearch.engine.standing import Standing
from metasearch.engine.steering import Steering
from metasearch.engine.steps import LiveStep
from metasearch.exchange import Message
from metasearch.facts import AnyFact, Recorded
from metasearch.models import Arm, Ensembles
from metasearch.program import Program
from metasearch.prompts import Prompts
from metasearch.step import Rejected, Reply, Task


class Services:
    """The engine's side of a step's primitives.

    What costs something waits for the step to be admitted, and is parked at a closed gate.
    """

    def __init__(
        self,
        campaign: Campaign,
        archive: CampaignArchive,
        task: Task,
        ensembles: Ensembles,
        *,
        ideas: bool,
        fold: Fold,
        gate: Gate,
        in_flight: InFlight,
        measuring: Measuring,
        models: Models,
        notice: Callable[[str], None],
        novelty: Novelty,
        outage: Outage,
        recorded: Callable[[Recorded], None],
        settled: Callable[[Candidate], None],
        standing: Standing,
        width: Width,
    ) -> None:
        """Set up.

        Args:
            campaign: Settings and folder.
            archive: The campaign's facts.
            task: What prompts may know.
            ensembles: Choose the models.
            ideas: Whether the strategy has ideas of its own, which those of people join.
            fold: Takes in what is new.
            gate: Lets steps go on, or parks them.
            in_flight: The steps under way.
            measuring: Evaluates candidates.
            models: Answers asks.
            notice: Tells a person something.
            novelty: Compares proposals with what there is.
            outage: Waits for what is away.
            recorded: Is told of each fact, in a campaign of ideas alone.
            settled: Is told of each settled candidate.
            standing: Counts.
            width: Is told how long models take.
        """
        self.archive = archive
        self.task = task
        self.prompts = Prompts(campaign.prompts)
        self.seed = campaign.settings.seed
        self.ensembles = ensembles
        self.notice = notice
        self._ideas = ideas
        self._folder = campaign.folder
        self._fold = fold
        self._gate = gate
        self._in_flight = in_flight
        self._measuring = measuring
        self._models = models
        self._novelty = novelty
        self._outage = outage
        self._recorded = recorded if not campaign.measures else None
        self._settled = settled
        self._standing = standing
        self._width = width

    def file(self, path: str) -> str:
        """A text file of the campaign's folder that a strategy's option names."""
        where = self._folder / CAMPAIGN_FILE
        return read_beside(where, "strategy.options names", path)

    def steering(self, record: StepRecord) -> Steering:
        """What people have said before a step was opened."""
        return Steering(self.archive, record.number, record.seq, ideas=self._ideas)

    async def prompt_tokens(self, role: Role) -> int:
        """Most tokens of a prompt for this role."""
        return await self._models.prompt_tokens(role)

    async def ask(
        self,
        step: LiveStep,
        call: int,
        messages: Sequence[Message],
        role: Role,
        arm: Arm,
        schema: type[BaseModel] | None = None,
    ) -> Reply:
        """Ask a model, or find the stored reply of this place."""
        if self._gate.closed or not step.admitted.is_set():
            stored = self._models.recall(step.number, call, messages)
            if stored is not None:
                return stored
        await self._admission(step)
        while step.evaluated and role == "propose" and self._all_taken():
            await self._gate.change()  # nothing is left that could measure another proposal
        reply = await self._outage.sit_out(
            lambda: self._models.ask(
                step=step.number,
                call=call,
                role=role,
                messages=messages,
                model=arm.model,
                temperature=arm.temperature,
                schema=schema,
            )
        )
        if not reply.replayed:
            self._width.asked(reply.usage.seconds)
        return reply

    async def evaluate(
        self,
        step: LiveStep,
        call: int,
        proposal: Program | Rejected,
        *,
        parents: Sequence[int],
        operator: str,
        name: str,
        thought: str,
        island: int | None,
    ) -> Candidate:
        """Archive a proposal and have it evaluated, or find what became of it."""
        known = self.archive.of_call(step.number, call)
        if known is not None and known.outcome is not None:
            step.evaluated |= known.outcome.evaluated
            return known
        look = None
        if isinstance(proposal, Program):
            await self._admission(step)
            if known is None:
                look = await self._novelty.look(proposal, step.number, call)
                await self._admission(step)
        candidate = known or self.archive.queue_candidate(
            step.number,
            call,
            proposal if isinstance(proposal, Program) else None,
            rejection="" if isinstance(proposal, Program) else proposal.reason,
            near=None if look is None else self._novelty.nearest(look),
            parents=parents,
            operator=operator,
            name=name,
            thought=thought,
            island=island,
        )
        if candidate.outcome is not None:
            step.unusable = "" if candidate.digest else candidate.error
            return self._tell(candidate)
        step.unusable = ""
        if look is not None:
            self._novelty.add(candidate.number, look)
        while self._all_taken():
            await self._gate.change()
        step.evaluating += 1
        self._gate.wake()
        try:
            return await self.measure(candidate)
        finally:
            step.evaluating -= 1
            step.evaluated = True
            self._gate.wake()

    def record(self, step: LiveStep, position: int, fact: AnyFact) -> Recorded:
        """Add a fact, or find what the step recorded at this place before."""
        known = self.archive.recorded_at(step.number, position)
        if known is not None:
            return known
        recorded = self.archive.record(step.number, position, fact)
        self._standing.learn(recorded)
        self._fold.take_in(recorded)
        if self._recorded is not None:
            self._recorded(recorded)
        return recorded

    def suggest(self, asked: Commanded) -> str:
        """Add a person's idea to those that the strategy rates, in a step of its own.

        Returns:
            What it has become, in words.
        """
        assert isinstance(asked.command, Idea)
        text = asked.command.text
        idea = facts.Idea(title=text.splitlines()[0], claim=text, operator=PERSON)
        # An engine may have died between this and its answer.
        known = self.archive.facts("idea", limit=MANY)
        recorded = next((r for r in known if r.seq > asked.seq and r.fact == idea), None)
        if recorded is None:
            step = self.archive.open_step()
            recorded = self.archive.record(step.number, 0, idea)
            self.archive.end_step(step.number)
            self._in_flight.skip(step.number)
            self._fold.take_in(recorded)
        return f"taken: it is the idea {recorded.number}"

    async def settled(self, before: int, since: int) -> Sequence[Candidate]:
        """Candidates of the steps from ``since`` up to ``before``, once these have ended."""
        while not self._in_flight.all_ended_before(before):
            await self._gate.change()
        return self.archive.of_steps(before, since)

    def _all_taken(self) -> bool:
        """Whether the last evaluations of the budget are under way."""
        return self._in_flight.evaluating >= self._standing.evaluations_left

    async def _admission(self, step: LiveStep) -> None:
        """Wait until the step may cost something."""
        if not self._gate.closed:
            await step.admitted.wait()
            await self._outage.wait_for_release()
        if self._gate.closed:
            raise Parked

    async def measure(self, candidate: Candidate) -> Candidate:
        """Have a queued candidate evaluated."""
        return self._tell(await self._measuring.settle(candidate))

    def _tell(self, candidate: Candidate) -> Candidate:
        """Count and fold a settled candidate, and tell of it."""
        self._standing.add(candidate)
        self._fold.take_in(candidate)
        self._settled(candidate)
        return candidate
