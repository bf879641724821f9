"""The engine: opens steps, keeps model calls and lanes busy, stops in time, and resumes.

Resuming is reading: the archive's candidates and recorded facts are folded into the strategy
in their order, and each step that had not ended is opened again at the place in that order
where it was opened first, so that it sees the archive that it saw then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from metasearch.archive import NOW, CampaignArchive, StepRecord
from metasearch.campaign import Campaign
from metasearch.engine.broker import Broker
from metasearch.engine.fold import Fold
from metasearch.engine.gate import Gate, Parked
from metasearch.engine.in_flight import InFlight, Width
from metasearch.engine.measuring import Measuring
from metasearch.engine.novelty import Novelty
from metasearch.engine.observer import Observer, Report
from metasearch.engine.orders import Orders
from metasearch.engine.outage import Outage
from metasearch.engine.ports import Models, Pool
from metasearch.engine.seed import score_seed
from metasearch.engine.services import Services
from metasearch.engine.standing import UNUSABLE, Standing
from metasearch.engine.steering import takes_ideas
from metasearch.engine.steps import LiveStep
from metasearch.errors import (
    BudgetExhausted,
    EvaluatorError,
    ModelError,
    RequestRefused,
    SandboxError,
)
from metasearch.models import Ensembles, Ledger
from metasearch.step import SearchEnded, Strategy, Task
from metasearch.strategies import load_strategy

INTERRUPTED = "interrupted"
"""The reason of a run that a person stopped."""

_TICK = 0.25
"""Seconds between two looks at the clock, and between two refreshes of a display."""


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
        settings = campaign.settings
        self.archive = archive
        self._campaign = campaign
        self._models = models
        self._ledger = ledger
        self._observer = observer
        self._repeated = repeated
        first = next(iter(task.objectives), None)
        self._standing = Standing(archive, settings.budget, ledger, first)
        self._gate = Gate()
        self._outage = Outage(archive, self._gate, observer)
        self._measuring = Measuring(archive, pool, broker, self._outage, settings.seed)
        self._novelty = Novelty(settings.novelty, archive, models, self._outage)
        self._in_flight = InFlight(self._gate.wake)
        self._width = Width(
            settings.concurrency, self._in_flight, models, self._measuring, self._standing
        )
        ensembles = Ensembles(settings.models, task.objectives, settings.seed)
        self._fold = Fold(
            archive, strategy, ensembles, lambda: load_strategy(settings.strategy, task)
        )
        self._services = Services(
            campaign,
            archive,
            task,
            ensembles,
            ideas=takes_ideas(strategy),
            fold=self._fold,
            gate=self._gate,
            in_flight=self._in_flight,
            measuring=self._measuring,
            models=models,
            notice=observer.notice,
            novelty=self._novelty,
            outage=self._outage,
            recorded=observer.recorded,
            settled=lambda candidate: observer.settled(candidate, self.report()),
            standing=self._standing,
            width=self._width,
        )
        self._orders = Orders(
            archive,
            self._gate,
            self._outage,
            stop=lambda: self.stop(INTERRUPTED),
            ledger=ledger,
            models=models,
            standing=self._standing,
            suggest=self._services.suggest if takes_ideas(strategy) else None,
            width=self._width,
        )
        self._failure: Exception | None = None

    # -- what a person sees and does --------------------------------------------------

    def report(self) -> Report:
        """Where the campaign stands now."""
        return Report(
            campaign=self.archive.id,
            budget=self._standing.budget,
            evaluations=self._standing.evaluations,
            outcomes=dict(self._standing.outcomes),
            best=self._standing.best,
            usage=self._ledger.spent,
            seconds=self.archive.seconds(),
            asking=self._models.in_flight,
            evaluating=self._in_flight.evaluating,
            lanes=self._measuring.lanes,
            repeated_calls=self._repeated,
            curve=tuple(self._standing.curve),
            ideas=self._standing.board.counts() if self._standing.board else None,
        )

    def stop(self, reason: str) -> None:
        """Open nothing new; what is in flight arrives, is stored, and is used next time."""
        for step in self._in_flight.not_admitted:
            step.admitted.set()
        self._gate.close(reason)

    def abandon(self) -> None:
        """Stop at once: end what is in flight. A reply not yet here will be asked again."""
        self.stop(INTERRUPTED)
        self._in_flight.cancel()
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
                if not self._gate.closed and self._ending() is not None:
                    self._orders.look()  # an extension that is just in time
                    if (reason := self._ending()) is not None:
                        self.stop(reason)
                if self._gate.closed and not self._in_flight:
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
        await score_seed(self._campaign, self.archive, self._services.measure)

    async def _resume(self) -> None:
        """Fold what is known, and reopen unfinished steps at their places."""
        await self._novelty.catch_up()
        unfinished = deque(r for r in self.archive.unfinished_steps() if r.number > 0)
        numbers = {record.number for record in unfinished}
        if self._ending() is not None:
            unfinished.clear()  # nothing to do: they wait for a larger budget
        self._fold.begin(unfinished[0].seq if unfinished else NOW)
        for fact in self.archive.history():
            while unfinished and unfinished[0].seq < fact.seq:
                await self._reopen(unfinished.popleft())
            self._fold.add(fact)
        while unfinished:
            await self._reopen(unfinished.popleft())
        self._fold.caught_up()
        for candidate in self.archive.queued():
            # Of a step that another strategy opened, and that was closed for this one.
            if candidate.step not in numbers and self._standing.evaluations_left > 0:
                await self._services.measure(candidate)

    def _ending(self) -> str | None:
        """Why nothing more should be opened, if so."""
        if self._failure is not None:
            return "failed"
        return self._standing.reached()

    def _has_room(self) -> bool:
        """Whether another step may open now."""
        if self._gate.closed or self._outage.lasts or self._ending() is not None:
            return False
        return self._width.has_room()

    def _open_next(self) -> None:
        """Let a step of an earlier run go on, else open a new one."""
        waiting = self._in_flight.not_admitted
        if waiting:
            waiting.popleft().admitted.set()
        else:
            self._in_flight.start(self._run_step(None))

    async def _reopen(self, record: StepRecord) -> None:
        """Open a step of an earlier run and let it choose before the fold goes on."""
        self._in_flight.start(self._run_step(record))
        await asyncio.sleep(0)

    async def _run_step(self, record: StepRecord | None) -> None:
        """Run one step, a new one if none is given, and see how it ends."""
        if record is None:
            if self._gate.closed:
                return
            # Here, and not before the task: nothing may be folded between the opening of a
            # step and its choice, or the step could not be opened again at the same place.
            step = LiveStep(self._services, self.archive.open_step())
        else:
            step = LiveStep(self._services, record)
        self._in_flight.begin(step, admitted=record is None)
        try:
            with self._fold.seen_at(step.seq) as strategy:
                await strategy.step(step)
            self.archive.end_step(step.number)
            self._watch_yield(step)
        except (Parked, asyncio.CancelledError):
            pass  # stays unfinished: a later run takes it up at this place
        except BudgetExhausted as error:
            self._use_up(error)
        except SearchEnded as ended:
            self.archive.end_step(step.number)
            if record is None:  # one of an earlier run went by what was allowed then
                self.stop(ended.reason)
        except RequestRefused as error:  # of this one prompt; the next step has another
            self._observer.notice(f"Step {step.number} ends without a program. {error}")
            self.archive.end_step(step.number)
            step.unusable = str(error)
            self._watch_yield(step)
        except Exception as error:  # a strategy's, an evaluator's, a provider's: stop, lose nothing
            self._fail(error)
        finally:
            self._in_flight.end(step)

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
            for step in self._in_flight:
                if step.evaluating:
                    step.running.cancel()

    async def _leave(self, watch: asyncio.Task[None]) -> None:
        """End what still runs (after a failure or a cancellation)."""
        watch.cancel()
        self._in_flight.cancel()
        await self._in_flight.gone()
        with contextlib.suppress(asyncio.CancelledError):
            await watch

    async def _watch(self) -> None:
        """Keep displays fresh, and notice when time is up."""
        while True:
            await asyncio.sleep(_TICK)
            self._orders.look()
            self._observer.progressed(self.report())
            if self._ending() is not None:
                self._gate.wake()
