"""The command that shows the archive in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metasearch.cli.commands.options import PORT, ArchiveOption
from metasearch.cli.failures import guarded

commands = typer.Typer()


@commands.command(rich_help_panel="Results")
@guarded
def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Another than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(envvar="METASEARCH_TOKEN", metavar="TEXT", help="Everyone must bring it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name by which browsers call this server."),
    ] = None,
    campaigns: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Pages may make and run campaigns below it.", show_default="."
        ),
    ] = None,
    archive: ArchiveOption = None,
    browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """The archive in a browser, and as a JSON API, until Ctrl-C."""
    from metasearch.cli import serve as command

    roots = campaigns or [Path()]
    command.serve(archive, host, port, token, allow_host or [], roots, browser=browser)
