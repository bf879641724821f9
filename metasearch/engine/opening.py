"""What a run starts from: the campaign to continue, its ledger, its prices, its recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, CampaignFile, Price, Role
from metasearch.engine.observer import Observer
from metasearch.errors import CampaignChanged, UsageError
from metasearch.exchange import Exchange, ExchangeState
from metasearch.facts import AnyFact
from metasearch.models import Ledger, Recording, read_recording, source_of
from metasearch.sandboxes.build import build_campaign_image
from metasearch.step import Heir, Strategy, Task


def open_run(
    archive: Archive, campaign: Campaign, *, fresh: bool, accept: bool
) -> tuple[CampaignArchive, bool]:
    """The run to continue, or a new one, and whether it is continued.

    Args:
        archive: Where the campaign is, or will be.
        campaign: As loaded now.
        fresh: Start another run in any case.
        accept: Continue although the evaluator has changed.

    Raises:
        CampaignChanged: New measurements would not compare with those that there are.
    """
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
    if not stored.measures and stored.settings.task != campaign.settings.task:
        changed.append("the research goal")
    seed = run.of_call(0, 0)
    begun = seed.scored if seed is not None else not stored.measures and run.next_step() > 1
    if not begun and (changed or (seed is not None and seed.outcome is not None)):
        return archive.create(campaign), False  # nothing to continue: its seed never scored
    if changed and not (accept and changed == ["the evaluator"]):
        fixed = (
            ", or continue with --accept-evaluator if it scores as before (a mended bug, say)"
            if changed == ["the evaluator"]
            else ""
        )
        raise CampaignChanged(
            f"{' and '.join(changed).capitalize()} of {campaign.name!r} changed since run "
            f"{run.id} began: its {_contents(run, stored)} do not compare with new ones. "
            f"Undo the change to continue{fixed}, or start another run with --fresh."
        )
    return run, True


def _contents(run: CampaignArchive, campaign: Campaign) -> str:
    return f"{run.evaluations()} evaluations" if campaign.measures else "ideas"


async def build_image(campaign: Campaign) -> None:
    """Build the image that the campaign's candidates run in, if it has a Dockerfile."""
    if campaign.settings.sandbox.build:
        await build_campaign_image(campaign.folder / campaign.settings.sandbox.build)


def recordings_for(
    campaign: Campaign, archive: Archive, run: CampaignArchive
) -> dict[str, Recording]:
    """What answers for models that replay a file, or another campaign of the archive.

    Raises:
        UsageError: There is nothing of that name, or it is this very run.
    """
    models = campaign.settings.models
    found = {}
    names = {model for role in get_args(Role) for model in models.models_for(role)}
    for model in names.union(models.fallback.values()):
        source = source_of(model)
        if source is None:
            continue
        found[model] = Recording.for_model(model, _recorded(source, archive, run))
    return found


def _recorded(source: str, archive: Archive, run: CampaignArchive) -> Iterator[Exchange]:
    if Path(source).is_file():
        return read_recording(Path(source))
    try:
        recorded = archive.campaign(source)
    except UsageError as error:
        raise UsageError(
            f"There is no file {source!r} to replay, and no campaign. {error}"
        ) from None
    if recorded.id == run.id:
        raise UsageError(
            f"{source!r} is the run that would replay itself; give the id of an earlier run "
            "('metasearch list')."
        )
    return recorded.all_exchanges()


def take_over(strategy: Strategy, archive: Archive, run: CampaignArchive) -> None:
    """Record what the strategy begins with of other campaigns; once, after the seed is scored.

    Raises:
        UsageError: There is no such campaign, or it is this very run.
    """
    if not isinstance(strategy, Heir) or not strategy.inherits:
        return
    if run.recorded_at(0, 0) is not None or run.of_call(0, 0) is None:
        return
    facts: list[AnyFact] = []
    for name in strategy.inherits:
        other = archive.campaign(name)
        if other.id == run.id:
            raise UsageError(
                f"{name!r} is the run that would inherit from itself; give the id of an earlier "
                "run ('metasearch list')."
            )
        facts += strategy.inherit(other.id, other.resolved().objectives, other.history())
    run.record_all(0, facts)


def close_steps(run: CampaignArchive, strategy: str, observer: Observer) -> None:
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


def task_of(campaign: Campaign) -> Task:
    """What prompts may know of a campaign."""
    settings = campaign.settings
    return Task(
        description=settings.task,
        objectives=campaign.objectives,
        metrics=settings.evaluator.metrics,
        seed_program=campaign.seed_program,
        packages=settings.sandbox.preload,
        seconds=settings.sandbox.timeout,
        memory=settings.sandbox.memory,
        evaluations=settings.budget.evaluations,
    )


def tell_prompts(stored: Campaign, campaign: Campaign, observer: Observer) -> None:
    """Say which prompt templates are others than when the run was last on its way.

    Scores stay comparable, so it goes on with them; the archive keeps the earlier ones.
    """
    names = sorted(
        name
        for name, text in campaign.prompts.items()
        if stored.prompts and stored.prompts.get(name) != text
    )
    if names:
        observer.notice(f"Prompt templates that have changed: {', '.join(names)}.")


def tell_commanded(asked: CampaignFile, in_force: CampaignFile, observer: Observer) -> None:
    """Say what commands have changed of the settings that a run is asked with."""
    limits = dict(in_force.budget) | {"concurrency": in_force.concurrency}
    before = dict(asked.budget) | {"concurrency": asked.concurrency}
    changed = [f"{name} {limit:g}" for name, limit in limits.items() if limit != before[name]]
    if changed:
        observer.notice(
            f"By earlier commands: {', '.join(changed)}. To go by another value, change it in "
            "campaign.toml or name it as an option."
        )


def ledger_of(campaign: Campaign, run: CampaignArchive) -> Ledger:
    """The budget in money and tokens, with what earlier runs have spent and lost of it."""
    budget, held = campaign.settings.budget, run.held()
    return Ledger(
        usd=budget.usd,
        tokens=budget.tokens,
        spent=run.usage(),
        held_usd=held.usd,
        held_tokens=held.tokens,
    )


def with_prices(campaign: Campaign, prices: Mapping[str, Price | None]) -> Campaign:
    """The campaign with its models' prices frozen, so that its bill never changes its mind."""
    known = {model: price for model, price in prices.items() if price is not None}
    models = campaign.settings.models.model_copy(
        update={"prices": {**known, **campaign.settings.models.prices}}
    )
    settings = campaign.settings.model_copy(update={"models": models})
    return campaign.model_copy(update={"settings": settings})
