"""From a campaign folder to an ending: opens all rooms, runs the engine, closes them again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, Price
from metasearch.candidate import Candidate, Split
from metasearch.engine.broker import Broker
from metasearch.engine.engine import INTERRUPTED, Engine
from metasearch.engine.observer import Observer, Report, Silent
from metasearch.engine.opening import (
    build_image,
    close_steps,
    ledger_of,
    open_run,
    recordings_for,
    take_over,
    task_of,
    tell_commanded,
    tell_prompts,
    with_prices,
)
from metasearch.engine.orders import decline_outdated
from metasearch.errors import (
    ArchiveError,
    BudgetExhausted,
    MetasearchError,
)
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.models import ModelClient
from metasearch.step import Strategy, Task
from metasearch.strategies import check_suits, load_strategy

_BEAT_SECONDS = 5.0
"""Between two heartbeats of the lease."""
_SAMPLE_SECONDS = 10.0
"""Between two looks at leased GPUs."""


@dataclass(frozen=True)
class Ending:
    """How a run ended. All of it can be read from the archive again."""

    reason: str
    """The budget that was reached, ``target``, ``stalled``, ``interrupted``, or why the strategy
    itself has ended."""
    report: Report
    archive: Path


async def run_campaign(
    campaign: Campaign,
    archive_path: Path,
    *,
    fresh: bool = False,
    accept_evaluator: bool = False,
    observer: Observer | None = None,
) -> Ending:
    """Run a campaign, or continue it from where it stopped.

    Args:
        campaign: As loaded from its folder, with overrides applied.
        archive_path: The archive file; made if there is none.
        fresh: Start another run even if the archive has one of this name.
        accept_evaluator: Continue although the evaluator has changed; earlier scores stay as
            they were measured.
        observer: Told what happens.

    Raises:
        MetasearchError: Whatever stopped the run; all facts up to then are stored.
    """
    observer = observer or Silent()
    task = task_of(campaign)
    check_suits(campaign.settings)
    strategy = load_strategy(campaign.settings.strategy, task)
    with Archive.open(archive_path, create=True) as archive:
        run, resumed = open_run(archive, campaign, fresh=fresh, accept=accept_evaluator)
        if held := run.held_back():
            observer.notice(f"The campaign was {held}; starting it continues it.")
        with run.hold(), _pausing(run):
            decline_outdated(run)
            async with asyncio.TaskGroup() as group:
                heart = group.create_task(_beat(run))
                reason, report = await _search(
                    campaign, archive, run, strategy, task, observer, resumed
                )
                heart.cancel()
            if reason == INTERRUPTED:
                run.pause(reason)
            else:
                run.finish(reason)
    observer.finished(report, reason)
    return Ending(reason=reason, report=report, archive=archive_path)


async def _search(
    campaign: Campaign,
    archive: Archive,
    run: CampaignArchive,
    strategy: Strategy,
    task: Task,
    observer: Observer,
    resumed: bool,
) -> tuple[str, Report]:
    """Open the rooms, run the engine in them, measure the best on the test split."""
    before = run.resolved()
    settings, stored = run.settings_in_force(campaign.settings), before.settings
    tell_commanded(campaign.settings, settings, observer)
    asked, campaign = campaign, campaign.model_copy(update={"settings": settings})
    lost = run.mark_lost()
    ledger = ledger_of(campaign, run)
    models = ModelClient(
        settings.models,
        run,
        ledger,
        seed=settings.seed,
        concurrency=settings.concurrency,
        prices=stored.models.prices,
        recordings=recordings_for(campaign, archive, run),
        embedding=settings.novelty.embedding if settings.novelty.buys_embeddings else None,
    )
    pool = None
    if campaign.measures:
        spec = EvaluationSpec.of(campaign)
        pool = EvaluationPool(spec, settings.lanes, notice=observer.notice, placed=run.place)
    broker = Broker(models, settings.agent) if settings.agent.calls else None
    async with contextlib.AsyncExitStack() as rooms:
        await rooms.enter_async_context(models)
        if broker is not None:
            await rooms.enter_async_context(broker)
        if pool is not None:
            await rooms.enter_async_context(pool)
            if settings.sandbox.gpus:
                await rooms.enter_async_context(_sampling(run, pool))
        engine = Engine(campaign, run, strategy, task, models, ledger, pool, observer, lost, broker)
        observer.started(engine.report(), resumed)
        with _signals(engine, observer):
            async with asyncio.TaskGroup() as setting_up:  # litellm takes two seconds to load
                checker = models if broker is None else broker
                checked = setting_up.create_task(checker.check(strategy.roles))
                first = None if broker is None else checked
                setting_up.create_task(_measure_seed(campaign, pool, engine, first))
            if stored.strategy != settings.strategy:
                close_steps(run, stored.strategy.name, observer)
            tell_prompts(before, campaign, observer)
            run.update(with_prices(asked, checked.result()))
            take_over(strategy, archive, run)
            reason = await engine.run()
        best = engine.report().best
        test = settings.evaluator.test and reason != INTERRUPTED
        if test and best is not None and pool is not None:
            await _measure_on_test(campaign, run, pool, best, broker, observer)
        return reason, engine.report()


async def _beat(run: CampaignArchive) -> None:
    """Keep the lease alive, whatever else is under way."""
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        run.beat()


@contextlib.asynccontextmanager
async def _sampling(run: CampaignArchive, pool: EvaluationPool) -> AsyncIterator[None]:
    """Record now and then what goes on on leased GPUs, for those who look at the campaign."""

    async def sample() -> None:
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            if uses := await pool.device_uses():
                run.sample_devices(uses)

    sampler = asyncio.create_task(sample())
    try:
        yield
    finally:
        sampler.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampler


async def _measure_seed(
    campaign: Campaign,
    pool: EvaluationPool | None,
    engine: Engine,
    first: asyncio.Task[dict[str, Price | None]] | None,
) -> None:
    """Check the pool and score the seed, once the models are checked if it may ask them."""
    if pool is not None:
        await build_image(campaign)
        await pool.check()
    if first is not None:
        await asyncio.wait({first})
        if first.cancelled() or first.exception() is not None:
            return  # which ends the run
    await engine.score_seed()


@contextlib.contextmanager
def _pausing(run: CampaignArchive) -> Iterator[None]:
    """Record why a run stopped short of its end, for those who look at it later."""
    try:
        yield
    except (MetasearchError, BaseExceptionGroup) as raised:
        error = _first(raised)
        if isinstance(error, MetasearchError):
            with contextlib.suppress(ArchiveError):  # it may be the archive itself that failed
                run.pause(str(error))
        raise error from error.__cause__


def _first(raised: BaseException) -> BaseException:
    """One error to show: what runs together mostly fails for one reason."""
    return _first(raised.exceptions[0]) if isinstance(raised, BaseExceptionGroup) else raised


async def _measure_on_test(
    campaign: Campaign,
    run: CampaignArchive,
    pool: EvaluationPool,
    best: Candidate,
    broker: Broker | None,
    observer: Observer,
) -> None:
    """Measure the best candidate on the test split, once; the search never sees it."""
    if any(e.split is Split.TEST for e in run.evaluations_of(best.number)):
        return
    program = run.program(best)
    request = EvaluationRequest(
        number=best.number, files=program.files, split=Split.TEST, seed=campaign.settings.seed
    )
    attend = None
    if broker is not None:
        attend = partial(broker.attend, best.step, best.number, Split.TEST)
    try:
        result = await pool.evaluate(request, attend)
    except BudgetExhausted as error:
        observer.notice(f"#{best.number} is not measured on the test split yet. {error}")
    else:
        run.record_test(best.number, result)


@contextlib.contextmanager
def _signals(engine: Engine, observer: Observer) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop cleanly; the second time at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def on_signal() -> None:
        nonlocal asked
        if asked:
            engine.abandon()
            return
        asked = True
        report = engine.report()
        observer.notice(
            f"Stopping: waiting for {report.asking} model calls and {report.evaluating} "
            "evaluations in flight. Once more to stop at once."
        )
        engine.stop(INTERRUPTED)

    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in signals:
            loop.add_signal_handler(number, on_signal)
    except (RuntimeError, ValueError):  # not in the main thread: the caller handles signals
        yield
        return
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
