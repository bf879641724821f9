"""The engine: opens steps, keeps model calls and lanes busy, stops in time, and resumes.

Resuming is reading: the archive's candidates and recorded facts are folded into the strategy
in their order, and each step that had not ended is opened again at the place in that order
where it was opened first, so that it sees the archive that it saw then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

from pydantic import BaseModel

from metasearch.archive import CampaignArchive, StepRecord
from metasearch.campaign import Campaign, Role
from metasearch.campaign_file import CAMPAIGN_FILE, read_beside
from metasearch.candidate import Candidate
from metasearch.engine.broker import Broker
from metasearch.engine.gate import Gate, Parked
from metasearch.engine.measuring import Measuring
from metasearch.engine.novelty import Novelty
from metasearch.engine.observer import Observer, Report
from metasearch.engine.outage import Outage
from metasearch.engine.ports import Models, Pool
from metasearch.engine.standing import UNUSABLE, Standing
from metasearch.engine.steps import LiveStep
from metasearch.errors import (
    BudgetExhausted,
    CampaignError,
    EvaluatorError,
    ModelError,
    RequestRefused,
    SandboxError,
)
from metasearch.exchange import Message
from metasearch.facts import AnyFact, Recorded
from metasearch.models import Arm, Ensembles, Ledger
from metasearch.program import Program
from metasearch.prompts import Prompts
from metasearch.step import Learner, Rejected, Reply, SearchEnded, Strategy, Task

INTERRUPTED = "interrupted"
"""The reason of a run that a person stopped."""

_TICK = 0.25
"""Seconds between two looks at the clock, and between two refreshes of a display."""

_SMOOTHING = 0.1
"""Weight of the latest call or evaluation in the running means of their seconds."""


class Engine:
    """Runs one campaign's strategy until a budget is used up or somebody stops it."""

    def __init__(
        self,
        campaign: Campaign,
        archive: CampaignArchive,
        strategy: Strategy,
        task: Task,
        models: Models,
        ledger: Ledger,
        pool: Pool | None,
        observer: Observer,
        repeated: int = 0,
        broker: Broker | None = None,
    ) -> None:
        """Set up; nothing happens before :meth:`score_seed` and :meth:`run`.

        Args:
            campaign: Settings and seed program.
            archive: The campaign's facts, held by this engine.
            strategy: Fresh: it gets all candidates by ``observe`` and other facts by ``learn``.
            task: What prompts may know.
            models: Answers asks.
            ledger: The budget in money and tokens that ``models`` keeps.
            pool: Evaluates; ``None`` in a campaign of ideas alone.
            observer: Is told what happens.
            repeated: Calls that were lost with an earlier engine, for the report.
            broker: Answers what candidates ask of models; without it they may not ask.
        """
        self.archive = archive
        self.task = task
        self.prompts = Prompts(campaign.prompts)
        self.seed = campaign.settings.seed
        self.ensembles = Ensembles(campaign.settings.models, task.objectives, self.seed)
        self._campaign = campaign
        self._strategy = strategy
        self._learner = strategy if isinstance(strategy, Learner) else None
        self._models = models
        self._ledger = ledger
        self._observer = observer
        self._repeated = repeated
        first = next(iter(task.objectives), None)
        self._standing = Standing(archive, campaign.settings.budget, ledger, first)
        self._gate = Gate()
        self._outage = Outage(archive, self._gate, observer)
        self._measuring = Measuring(archive, pool, broker, self._outage, self.seed)
        self._novelty = Novelty(campaign.settings.novelty, archive, models, self._outage)
        self._steps: dict[int, LiveStep] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._not_admitted: deque[LiveStep] = deque()
        self._next_step = 1
        self._failure: Exception | None = None
        self._resuming = True
        self._arrived: list[Candidate | Recorded] = []
        self._folded = 0
        self._ask_seconds = 0.0

    # -- what a person sees and does --------------------------------------------------

    def report(self) -> Report:
        """Where the campaign stands now."""
        return Report(
            campaign=self.archive.id,
            budget=self._campaign.settings.budget,
            evaluations=self._standing.evaluations,
            outcomes=dict(self._standing.outcomes),
            best=self._standing.best,
            usage=self._ledger.spent,
            seconds=self.archive.seconds(),
            asking=self._models.in_flight,
            evaluating=self._evaluating,
            lanes=self._measuring.lanes,
            repeated_calls=self._repeated,
            curve=tuple(self._standing.curve),
            ideas=self._standing.board.counts() if self._standing.board else None,
        )

    def stop(self, reason: str) -> None:
        """Open nothing new; what is in flight arrives, is stored, and is used next time."""
        for step in self._not_admitted:
            step.admitted.set()
        self._gate.close(reason)

    def abandon(self) -> None:
        """Stop at once: end what is in flight. A reply not yet here will be asked again."""
        self.stop(INTERRUPTED)
        for running in self._running:
            running.cancel()
        self._measuring.abandon()

    # -- the loop -----------------------------------------------------------------------

    async def run(self) -> str:
        """Run to an end and return its reason: a budget's name, ``target``, ``interrupted``.

        Raises:
            MetasearchError: What stopped the campaign; all facts up to then are stored.
        """
        watch = asyncio.create_task(self._watch())
        try:
            await self.score_seed()
            if not self._gate.closed:
                try:
                    await self._resume()
                except Parked:
                    pass  # what still waits keeps its place
                except BudgetExhausted as error:  # of a candidate that asks
                    self._use_up(error)
            while True:
                if not self._gate.closed and (reason := self._ending()) is not None:
                    self.stop(reason)
                if self._gate.closed and not self._running:
                    break
                while self._has_room():
                    self._open_next()
                await self._gate.news()
        finally:
            await self._leave(watch)
        if self._failure is not None:
            raise self._failure
        return self._gate.reason or ""

    async def score_seed(self) -> None:
        """Step 0, once: a campaign stands on a seed program that its own evaluator accepts.

        Needs no model, so it may run while models are being set up. Where there are ideas alone,
        the step is empty.

        Raises:
            CampaignError: The seed is not scored; with the reason.
        """
        step = next((r for r in self.archive.unfinished_steps() if r.number == 0), None)
        if step is None:
            if self.archive.evaluations() > 0:
                return
            if not self._campaign.measures and self.archive.next_step() > 0:
                return
            step = self.archive.open_step()
        if not self._campaign.measures:
            self.archive.end_step(step.number)
            return
        program = self._campaign.seed_program
        seed = self.archive.queue_candidate(0, 0, program, parents=(), operator="seed", name="seed")
        if seed.outcome is None:
            try:
                seed = await self._measure(seed)
            except Parked:
                return
        self.archive.end_step(step.number)
        if not seed.scored:
            raise CampaignError(
                f"The seed program fails its own evaluator: {seed.outcome}: {seed.error}\n"
                "No model was asked. Try it alone with 'metasearch evaluate', and run again."
            )

    async def _resume(self) -> None:
        """Fold what is known, and reopen unfinished steps at their places."""
        await self._novelty.catch_up()
        unfinished = deque(r for r in self.archive.unfinished_steps() if r.number > 0)
        numbers = {record.number for record in unfinished}
        if self._ending() is not None:
            unfinished.clear()  # nothing to do: they wait for a larger budget
        for fact in self.archive.history():
            while unfinished and unfinished[0].seq < fact.seq:
                await self._reopen(unfinished.popleft())
            self._fold(fact)
        while unfinished:
            await self._reopen(unfinished.popleft())
        self._resuming = False
        for fact in self._arrived:
            self._fold(fact)
        for candidate in self.archive.queued():
            # Of a step that another strategy opened, and that was closed for this one.
            if candidate.step not in numbers and self._standing.evaluations_left > 0:
                await self._measure(candidate)

    def _ending(self) -> str | None:
        """Why nothing more should be opened, if so."""
        if self._failure is not None:
            return "failed"
        return self._standing.reached()

    def _has_room(self) -> bool:
        """Whether another step would be kept busy and may still spend an evaluation."""
        if self._gate.closed or self._outage.lasts or self._ending() is not None:
            return False
        active = len(self._running) - len(self._not_admitted)
        width = self._campaign.settings.concurrency
        if width == 1:
            return active == 0  # one after the other: a reproducible run
        # Those that wait for another attempt leave room, but not without end: what they wait
        # for may be an outage.
        elsewhere = sum(step.evaluating > 0 for step in self._steps.values())
        elsewhere += min(self._models.pausing, width)
        if active - elsewhere >= width:
            return False
        if self._queue_is_long():
            return False
        done = sum(step.evaluated and step.admitted.is_set() for step in self._steps.values())
        return active - done < self._standing.evaluations_left

    def _queue_is_long(self) -> bool:
        """Whether a program asked for now would find the lanes still busy with others.

        Parents are chosen as late as possible: no step opens while the queue is longer than
        twice the lanes, unless the lanes work it off before a model can answer.
        """
        waiting = self._evaluating
        if not waiting:
            return False
        drained = waiting * self._measuring.seconds / self._measuring.lanes
        return waiting >= 2 * self._measuring.lanes and drained >= self._ask_seconds

    @property
    def _evaluating(self) -> int:
        return sum(step.evaluating for step in self._steps.values())

    def _open_next(self) -> None:
        """Let a step of an earlier run go on, else open a new one."""
        if self._not_admitted:
            self._not_admitted.popleft().admitted.set()
        else:
            self._start(None)

    async def _reopen(self, record: StepRecord) -> None:
        """Open a step of an earlier run and let it choose before the fold goes on."""
        self._start(record)
        await asyncio.sleep(0)

    def _start(self, record: StepRecord | None) -> None:
        running = asyncio.create_task(self._run_step(record))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run_step(self, record: StepRecord | None) -> None:
        """Run one step, a new one if none is given, and see how it ends."""
        if record is None:
            if self._gate.closed:
                return
            # Here, and not before the task: nothing may be folded between the opening of a
            # step and its choice, or the step could not be opened again at the same place.
            step = LiveStep(self, self.archive.open_step())
            step.admitted.set()
        else:
            step = LiveStep(self, record)
            self._not_admitted.append(step)
        self._next_step = max(self._next_step, step.number + 1)
        self._steps[step.number] = step
        try:
            await self._strategy.step(step)
            self.archive.end_step(step.number)
            self._watch_yield(step)
        except (Parked, asyncio.CancelledError):
            pass  # stays unfinished: a later run takes it up at this place
        except BudgetExhausted as error:
            self._use_up(error)
        except SearchEnded as ended:
            self.archive.end_step(step.number)
            self.stop(ended.reason)
        except RequestRefused as error:  # of this one prompt; the next step has another
            self._observer.notice(f"Step {step.number} ends without a program. {error}")
            self.archive.end_step(step.number)
            step.unusable = str(error)
            self._watch_yield(step)
        except Exception as error:  # a strategy's, an evaluator's, a provider's: stop, lose nothing
            self._fail(error)
        finally:
            del self._steps[step.number]
            if step in self._not_admitted:
                self._not_admitted.remove(step)
            asyncio.get_running_loop().call_soon(self._gate.wake)

    def _watch_yield(self, step: LiveStep) -> None:
        """Stop before a model is paid for answers that nobody can use."""
        self._standing.count_step(
            evaluated=step.evaluated, learnt=step.learnt, unusable=step.unusable
        )
        if self._standing.unusable_steps == UNUSABLE:
            measures = self._campaign.measures
            wanted = "program to evaluate" if measures else "idea"
            form = ", or another edit format in [strategy.options]" if measures else ""
            self._fail(
                ModelError(
                    f"The last {UNUSABLE} proposals in a row gave no {wanted}. The reason of the "
                    f"last one: {step.unusable}. Try another model{form}; then run again to "
                    "continue."
                )
            )

    def _use_up(self, error: BudgetExhausted) -> None:
        """Stop for a budget that the next call does not fit."""
        self._observer.notice(str(error))
        self.stop(error.budget)

    def _fail(self, error: Exception) -> None:
        """Stop for an error of ours. Replies in flight arrive; evaluations can be repeated."""
        self._failure = self._failure or error
        self.stop("failed")
        if isinstance(error, (EvaluatorError, SandboxError)):
            for step in self._steps.values():
                if step.evaluating:
                    step.running.cancel()

    async def _leave(self, watch: asyncio.Task[None]) -> None:
        """End what still runs (after a failure or a cancellation)."""
        watch.cancel()
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await watch

    async def _watch(self) -> None:
        """Keep displays fresh, and notice when time is up."""
        while True:
            await asyncio.sleep(_TICK)
            self._observer.progressed(self.report())
            if self._ending() is not None:
                self._gate.wake()

    # -- the primitives, called by steps --------------------------------------------------

    def file(self, path: str) -> str:
        """A text file of the campaign's folder that a strategy's option names."""
        where = self._campaign.folder / CAMPAIGN_FILE
        return read_beside(where, "strategy.options names", path)

    async def prompt_tokens(self, role: Role) -> int:
        """Most tokens of a prompt for this role."""
        return await self._models.prompt_tokens(role)

    def notice(self, text: str) -> None:
        """Tell the observer something that a person should know."""
        self._observer.notice(text)

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
            self._ask_seconds += _SMOOTHING * (reply.usage.seconds - self._ask_seconds)
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
        while self._evaluating >= self._standing.evaluations_left:
            await self._gate.change()  # the last ones of the budget are under way
        step.evaluating += 1
        self._gate.wake()
        try:
            return await self._measure(candidate)
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
        self._take_in(recorded)
        if not self._campaign.measures:
            self._observer.recorded(recorded)
        return recorded

    async def settled(self, before: int, since: int) -> Sequence[Candidate]:
        """Candidates of the steps from ``since`` up to ``before``, once these have ended."""
        while self._next_step < before or any(number < before for number in self._steps):
            await self._gate.change()
        return self.archive.of_steps(before, since)

    async def _admission(self, step: LiveStep) -> None:
        """Wait until the step may cost something."""
        if not self._gate.closed:
            await step.admitted.wait()
        if self._gate.closed:
            raise Parked

    async def _measure(self, candidate: Candidate) -> Candidate:
        return self._tell(await self._measuring.settle(candidate))

    def _tell(self, candidate: Candidate) -> Candidate:
        """Fold a settled candidate, and tell the observer."""
        self._standing.add(candidate)
        self._take_in(candidate)
        self._observer.settled(candidate, self.report())
        return candidate

    def _take_in(self, fact: Candidate | Recorded) -> None:
        """Fold a new fact, or keep it until the older ones are folded."""
        if self._resuming:
            self._arrived.append(fact)
        else:
            self._fold(fact)

    def _fold(self, fact: Candidate | Recorded) -> None:
        if fact.seq <= self._folded:
            return  # the seed's, scored in this run before the archive was read
        self._folded = fact.seq
        if isinstance(fact, Candidate):
            if self.ensembles.histories:
                self.ensembles.observe(fact, self.archive.calls_before(fact.number))
            self._strategy.observe(fact)
        elif self._learner is not None:
            self._learner.learn(fact)
