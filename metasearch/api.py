"""What the command line does, from Python: ``metasearch.run(...)`` and its like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from metasearch.archive import Archive, default_path
from metasearch.campaign import ROLES, Campaign
from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult, Split
from metasearch.errors import UsageError
from metasearch.program import Program

if TYPE_CHECKING:
    from metasearch.engine import Ending, Observer

_T = TypeVar("_T")


@dataclass(frozen=True)
class Options:
    """Settings that take the place of the campaign file's for one run; ``None`` leaves them."""

    model: str | None = None
    strategy: str | None = None
    evaluations: int | None = None
    ideas: int | None = None
    usd: float | None = None
    tokens: int | None = None
    minutes: float | None = None
    target: float | None = None
    seed: int | None = None
    sandbox: str | None = None
    concurrency: int | None = None


def run(
    path: str | Path,
    *,
    model: str | None = None,
    strategy: str | None = None,
    evaluations: int | None = None,
    ideas: int | None = None,
    usd: float | None = None,
    tokens: int | None = None,
    minutes: float | None = None,
    target: float | None = None,
    seed: int | None = None,
    sandbox: str | None = None,
    concurrency: int | None = None,
    archive: str | Path | None = None,
    fresh: bool = False,
    accept_evaluator: bool = False,
    observer: Observer | None = None,
) -> Ending:
    """Run a campaign, or continue it from where it stopped.

    What is not given stands in the campaign's file. Works in a notebook, too; there Ctrl-C
    is the notebook's own, and the next call continues.

    Args:
        path: The campaign's folder, or its ``campaign.toml``.
        model: For all roles; any litellm name.
        strategy: A name of ``metasearch strategies``, or ``package.module:Class``.
        evaluations: Budget. Like the others that follow, of all runs of the campaign together.
        ideas: Budget, for strategies that work on ideas.
        usd: Budget.
        tokens: Budget, input and output together.
        minutes: Budget of engine time.
        target: Stop once the first objective reaches this value.
        seed: Of all random choices.
        sandbox: A sandbox provider's name.
        concurrency: Model calls in flight.
        archive: The archive file; by default the same as the command line's.
        fresh: Start another run instead of continuing the latest.
        accept_evaluator: Continue although the evaluator has changed, because it scores as
            before; earlier scores stay as they are.
        observer: Told what happens.

    Returns:
        The reason for the end and a report with the best candidate.

    Raises:
        metasearch.errors.MetasearchError: What stopped the run; nothing stored is lost.
    """
    from metasearch.engine import run_campaign

    campaign = load(
        Path(path),
        Options(
            model=model,
            strategy=strategy,
            evaluations=evaluations,
            ideas=ideas,
            usd=usd,
            tokens=tokens,
            minutes=minutes,
            target=target,
            seed=seed,
            sandbox=sandbox,
            concurrency=concurrency,
        ),
    )
    file = Path(archive) if archive is not None else default_path()
    return _wait_for(
        lambda: run_campaign(
            campaign, file, fresh=fresh, accept_evaluator=accept_evaluator, observer=observer
        )
    )


def evaluate(
    path: str | Path,
    program: Program | str | Path | None = None,
    *,
    split: Split | str = Split.VALIDATION,
    sandbox: str | None = None,
) -> EvaluationResult:
    """Evaluate the seed program, or another one, once; nothing is archived.

    Args:
        path: The campaign's folder, or its ``campaign.toml``.
        program: A program, or the path of a file that stands in for the seed's main file.
        split: ``validation`` or ``test``.
        sandbox: A sandbox provider's name.

    Raises:
        metasearch.errors.MetasearchError: The campaign, the evaluator or the sandbox failed;
            a failing program is an outcome, not an error.
    """
    from metasearch.engine import evaluate_once

    campaign = load(Path(path), Options(sandbox=sandbox))
    if not campaign.measures:
        raise UsageError(f"{path} is a campaign of ideas alone: it has no program to evaluate.")
    if program is None:
        program = campaign.seed_program
    elif not isinstance(program, Program):
        program = program_from(Path(program), campaign.seed_program)
    chosen, measured = program, Split(split)
    return _wait_for(lambda: evaluate_once(campaign, chosen, measured))


def open_archive(path: str | Path | None = None) -> Archive:
    """The archive file for reading; close it, or use it in a ``with`` block.

    Raises:
        metasearch.errors.ArchiveError: There is none, or it cannot be read; with the remedy.
    """
    return Archive.open(Path(path) if path is not None else default_path(), read_only=True)


def load(path: Path, options: Options) -> Campaign:
    """The campaign with options in the place of its file's settings.

    A model given here answers for every role: who names one means it, and no other model
    may then cost money. Another strategy than the file's starts from its own defaults, since
    the file's ``[strategy.options]`` are not meant for it.

    Raises:
        CampaignError: The file or an option's value is wrong.
    """
    settings: dict[str, object] = {
        "budget.evaluations": options.evaluations,
        "budget.ideas": options.ideas,
        "budget.usd": options.usd,
        "budget.tokens": options.tokens,
        "budget.minutes": options.minutes,
        "budget.target": options.target,
        "seed": options.seed,
        "sandbox.provider": options.sandbox,
        "concurrency": options.concurrency,
        "models.default": options.model,
        **{f"models.{role}": options.model for role in ROLES},
        # Who names one model means no other: the file's fallback may be one that costs money.
        "models.fallback": {} if options.model else None,
    }
    if options.strategy and options.strategy != load_campaign(path).settings.strategy.name:
        settings |= {"strategy.name": options.strategy, "strategy.options": {}}
    return load_campaign(path, settings)


def program_from(file: Path, seed: Program) -> Program:
    """The seed program with another main file.

    Raises:
        UsageError: The file cannot be read as a program.
    """
    try:
        return seed.replace({seed.main: file.read_text("utf-8")})
    except OSError as error:
        raise UsageError(f"The program {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"The program {file} is not usable: {error}") from None


def _wait_for(start: Callable[[], Coroutine[object, object, _T]]) -> _T:
    """The coroutine's result; from a thread of its own where a loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(start())
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(start())).result()
