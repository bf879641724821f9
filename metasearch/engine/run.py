"""From a campaign folder to an ending: opens all rooms, runs the engine, closes them again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, Price
from metasearch.candidate import EvaluationResult, Split
from metasearch.engine.engine import INTERRUPTED, Engine
from metasearch.engine.observer import Observer, Report, Silent
from metasearch.errors import ArchiveError, CampaignChanged, MetasearchError
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.exchange import ExchangeState
from metasearch.models import Ledger, ModelClient
from metasearch.program import Program
from metasearch.sandboxes.build import build_campaign_image
from metasearch.step import Strategy, Task
from metasearch.strategies import load_strategy

_BEAT_SECONDS = 5.0
"""Between two heartbeats of the lease."""


@dataclass(frozen=True)
class Ending:
    """How a run ended. All of it can be read from the archive again."""

    reason: str
    """The budget that was reached, ``target``, ``stalled`` or ``interrupted``."""
    report: Report
    archive: Path


async def run_campaign(
    campaign: Campaign,
    archive_path: Path,
    *,
    fresh: bool = False,
    observer: Observer | None = None,
) -> Ending:
    """Run a campaign, or continue it from where it stopped.

    Args:
        campaign: As loaded from its folder, with overrides applied.
        archive_path: The archive file; made if there is none.
        fresh: Start another run even if the archive has one of this name.
        observer: Told what happens.

    Raises:
        MetasearchError: Whatever stopped the run; all facts up to then are stored.
    """
    observer = observer or Silent()
    settings = campaign.settings
    task = Task(
        description=settings.task,
        objectives=campaign.objectives,
        metrics=settings.evaluator.metrics,
        seed_program=campaign.seed_program,
    )
    strategy = load_strategy(settings.strategy, task)
    with Archive.open(archive_path, create=True) as archive:
        run, resumed = _open(archive, campaign, fresh)
        with run.hold(), _pausing(run):
            async with asyncio.TaskGroup() as group:
                heart = group.create_task(_beat(run))
                reason, report = await _search(campaign, run, strategy, task, observer, resumed)
                heart.cancel()
            if reason == INTERRUPTED:
                run.pause(reason)
            else:
                run.finish(reason)
    observer.finished(report, reason)
    return Ending(reason=reason, report=report, archive=archive_path)


async def _search(
    campaign: Campaign,
    run: CampaignArchive,
    strategy: Strategy,
    task: Task,
    observer: Observer,
    resumed: bool,
) -> tuple[str, Report]:
    """Open the rooms, run the engine in them, measure the best on the test split."""
    settings, stored = campaign.settings, run.resolved().settings
    lost = run.mark_lost()
    ledger = _ledger(campaign, run)
    models = ModelClient(
        settings.models,
        run,
        ledger,
        seed=settings.seed,
        concurrency=settings.concurrency,
        prices=stored.models.prices,
    )
    pool = EvaluationPool(EvaluationSpec.of(campaign), settings.lanes)
    async with contextlib.AsyncExitStack() as rooms:
        rooms.push_async_callback(models.close)
        await rooms.enter_async_context(pool)
        engine = Engine(campaign, run, strategy, task, models, ledger, pool, observer, lost)
        observer.started(engine.report(), resumed)
        with _signals(engine, observer):
            async with asyncio.TaskGroup() as setting_up:  # litellm takes two seconds to load
                checked = setting_up.create_task(models.check(strategy.roles))
                setting_up.create_task(_measure_seed(campaign, pool, engine))
            if stored.strategy != settings.strategy:
                _close_steps(run, stored.strategy.name, observer)
            run.update_settings(_with_prices(campaign, checked.result()))
            reason = await engine.run()
        report = engine.report()
        if settings.evaluator.test and reason != INTERRUPTED:
            await _measure_on_test(campaign, run, pool, report)
        return reason, report


async def _beat(run: CampaignArchive) -> None:
    """Keep the lease alive, whatever else is under way."""
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        run.beat()


def _close_steps(run: CampaignArchive, strategy: str, observer: Observer) -> None:
    """End the steps that another strategy left unfinished: this one cannot go on with them."""
    steps = [record.number for record in run.unfinished_steps() if record.number > 0]
    replies = sum(
        exchange.state is ExchangeState.ANSWERED for n in steps for exchange in run.exchanges(n)
    )
    for number in steps:
        run.end_step(number)
    if steps:
        observer.notice(
            f"Closed {len(steps)} unfinished steps of {strategy}; "
            f"their {replies} replies stay on record."
        )


async def _measure_seed(campaign: Campaign, pool: EvaluationPool, engine: Engine) -> None:
    await _build_image(campaign)
    await pool.check()
    await engine.score_seed()


async def _build_image(campaign: Campaign) -> None:
    """Build the image that the campaign's candidates run in, if it has a Dockerfile."""
    if campaign.settings.sandbox.build:
        await build_campaign_image(campaign.folder / campaign.settings.sandbox.build)


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


def _with_prices(campaign: Campaign, prices: Mapping[str, Price | None]) -> Campaign:
    """The campaign with its models' prices frozen, so that its bill never changes its mind."""
    known = {model: price for model, price in prices.items() if price is not None}
    models = campaign.settings.models.model_copy(
        update={"prices": {**known, **campaign.settings.models.prices}}
    )
    settings = campaign.settings.model_copy(update={"models": models})
    return campaign.model_copy(update={"settings": settings})


async def evaluate_once(
    campaign: Campaign, program: Program, split: Split = Split.VALIDATION
) -> EvaluationResult:
    """Evaluate one program as the campaign would; nothing is archived."""
    await _build_image(campaign)
    async with EvaluationPool(EvaluationSpec.of(campaign), lanes=1) as pool:
        await pool.check()
        return await pool.evaluate(
            EvaluationRequest(
                number=0, files=program.files, split=split, seed=campaign.settings.seed
            )
        )


def _open(archive: Archive, campaign: Campaign, fresh: bool) -> tuple[CampaignArchive, bool]:
    """The run to continue, or a new one; refuses to mix measurements that do not compare."""
    if fresh or not archive.has(campaign.name):
        return archive.create(campaign), False
    run = archive.campaign(campaign.name)
    stored = run.resolved()
    changed = []
    if stored.settings.seed != campaign.settings.seed:
        changed.append("the random seed")
    if stored.evaluator_digest != campaign.evaluator_digest:
        changed.append("the evaluator")
    if stored.settings.objectives != campaign.settings.objectives:
        changed.append("the objectives")
    if stored.seed_program.digest != campaign.seed_program.digest:
        changed.append("the seed program")
    seed = run.of_call(0, 0)
    scored = seed is not None and seed.scored
    if not scored and (changed or (seed is not None and seed.outcome is not None)):
        return archive.create(campaign), False  # nothing to continue: its seed never scored
    if changed:
        raise CampaignChanged(
            f"{' and '.join(changed).capitalize()} of {campaign.name!r} changed since run "
            f"{run.id} began: its {run.evaluations()} evaluations do not compare with new ones. "
            "Undo the change to continue, or start another run with --fresh."
        )
    return run, True


def _ledger(campaign: Campaign, run: CampaignArchive) -> Ledger:
    budget, held = campaign.settings.budget, run.held()
    return Ledger(
        usd=budget.usd,
        tokens=budget.tokens,
        spent=run.usage(),
        held_usd=held.usd,
        held_tokens=held.tokens,
    )


async def _measure_on_test(
    campaign: Campaign, run: CampaignArchive, pool: EvaluationPool, report: Report
) -> None:
    """Measure the best candidate on the test split, once; the search never sees it."""
    best = report.best
    if best is None or any(e.split is Split.TEST for e in run.evaluations_of(best.number)):
        return
    program = run.program(best)
    request = EvaluationRequest(
        number=best.number, files=program.files, split=Split.TEST, seed=campaign.settings.seed
    )
    run.record_test(best.number, await pool.evaluate(request))


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
