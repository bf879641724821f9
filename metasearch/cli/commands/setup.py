"""Commands that tell what there is to search with."""

from __future__ import annotations

from typing import Annotated

import typer

from metasearch.cli.commands.options import ArchiveOption, JsonOption
from metasearch.cli.failures import guarded

commands = typer.Typer()


@commands.command(rich_help_panel="Help")
@guarded
def strategies(as_json: JsonOption = False) -> None:
    """The ways to search, with their papers and options."""
    from metasearch.cli import reading

    reading.strategies(as_json=as_json)


@commands.command(rich_help_panel="Help")
@guarded
def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            envvar="METASEARCH_MODEL",
            metavar="NAME",
            help="Ask it one tiny question, too, and tell latency, price and features.",
        ),
    ] = None,
    api_base: Annotated[
        str | None,
        typer.Option("--api-base", metavar="URL", help="Address of the model's server."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What this machine has for running campaigns, and what it lacks."""
    from metasearch.cli import doctor

    raise typer.Exit(doctor.doctor(archive, model, api_base, as_json=as_json))
