"""Commands that search: make a campaign, run it, try its evaluator."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasearch.cli.commands.options import (
    PORT,
    ArchiveOption,
    FolderArgument,
    JsonOption,
    SandboxOption,
)
from metasearch.cli.failures import guarded

if TYPE_CHECKING:
    from metasearch.cli.page import Web

commands = typer.Typer()


class SplitName(StrEnum):
    """What ``evaluate`` measures on."""

    VALIDATION = "validation"
    TEST = "test"


@commands.command(rich_help_panel="Search")
@guarded
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder to make.")],
    template: Annotated[str, typer.Option(metavar="NAME", help="What to begin with.")] = "formula",
    as_json: JsonOption = False,
) -> None:
    """Make a campaign that runs as it is: campaign.toml, program.py, evaluator.py."""
    from metasearch.cli import scaffold
    from metasearch.cli.console import print_json

    following = scaffold.init(folder, template)
    if as_json:
        print_json({"folder": str(folder), "template": template, "next": following})
        return
    typer.echo(f"Made the campaign {folder} ({scaffold.TEMPLATES[template]}). Now:\n")
    for command in following:
        typer.echo(f"  {command}")


@commands.command(rich_help_panel="Search")
@guarded
def run(
    folder: FolderArgument,
    model: Annotated[
        str | None,
        typer.Option(
            envvar="METASEARCH_MODEL", metavar="NAME", help="For all roles; any litellm name."
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(envvar="METASEARCH_STRATEGY", metavar="NAME", help="How to search."),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(envvar="METASEARCH_EVALUATIONS", min=1, help="Budget, of all runs together."),
    ] = None,
    ideas: Annotated[
        int | None,
        typer.Option(envvar="METASEARCH_IDEAS", min=1, help="Budget, for strategies on ideas."),
    ] = None,
    usd: Annotated[
        float | None, typer.Option(envvar="METASEARCH_USD", min=0, help="Budget for model calls.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(envvar="METASEARCH_TOKENS", min=1, help="Budget, in and out.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(envvar="METASEARCH_MINUTES", min=0, help="Budget of time.")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            envvar="METASEARCH_TARGET", help="Stop once the first objective reaches this."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(envvar="METASEARCH_SEED", min=0, help="Of all random choices."),
    ] = None,
    sandbox: SandboxOption = None,
    archive: ArchiveOption = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            envvar="METASEARCH_CONCURRENCY",
            min=1,
            help="Model calls in flight; 1 makes a run reproducible.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Another run, instead of continuing the latest.")
    ] = False,
    accept_evaluator: Annotated[
        bool,
        typer.Option(
            "--accept-evaluator",
            help="Continue although the evaluator changed; earlier scores stay as they are.",
        ),
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tell it there, 1 MB at most, and not here."),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Show its page in a browser, until this command ends.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Of the page; 0 for any that is free.", show_default=str(PORT)
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a campaign, or continue it from where it stopped.

    Options take the place of what campaign.toml says.
    """
    from metasearch.api import Options
    from metasearch.cli import bounded_log, running
    from metasearch.errors import UsageError

    if (port is not None or browser) and not web:
        raise UsageError(f"{'--open' if browser else '--port'} is for the page: give --web, too.")
    if log is not None:
        bounded_log.redirect(log)

    options = Options(
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
    )
    code = running.run(
        folder,
        options,
        archive,
        fresh=fresh,
        accept_evaluator=accept_evaluator,
        as_json=as_json,
        web=_web(port, browser=browser) if web else None,
    )
    raise typer.Exit(code)


def _web(port: int | None, *, browser: bool) -> Web:
    from metasearch.cli.page import Web

    return Web(port, browser)


@commands.command(rich_help_panel="Search")
@guarded
def evaluate(
    folder: FolderArgument,
    program: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="In the place of the seed's main file."),
    ] = None,
    split: Annotated[SplitName, typer.Option(help="Which data to use.")] = SplitName.VALIDATION,
    sandbox: SandboxOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate the seed program, or another one, once. Nothing is archived."""
    from metasearch.cli import running

    code = running.evaluate(folder, program, split.value, sandbox, as_json=as_json)
    raise typer.Exit(code)
