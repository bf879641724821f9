"""Commands for the sandboxes, their images and what they left behind."""

from __future__ import annotations

from typing import Annotated

import typer

from metasearch.cli.commands.options import JsonOption
from metasearch.cli.failures import guarded

commands = typer.Typer(help="Look after where candidates run.", no_args_is_help=True)


@commands.command()
@guarded
def check(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of a provider.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Open a sandbox of each provider, or of one; say what is missing."""
    from metasearch.cli import sandbox

    raise typer.Exit(sandbox.check(name, as_json=as_json))


@commands.command()
@guarded
def build(
    name: Annotated[str, typer.Argument(metavar="NAME", help="python, torch, or a Dockerfile.")],
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Build on this one; same as --arg BASE=.")
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For the Dockerfile's ARG lines.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="For the build: 'host' where Docker has no bridge."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build an image that candidates can run in."""
    from metasearch.cli import sandbox

    sandbox.build(name, base, arg or [], network, as_json=as_json)


@commands.command()
@guarded
def cleanup(as_json: JsonOption = False) -> None:
    """Remove what killed runs of this machine left behind, and images that can be made again."""
    from metasearch.cli import sandbox

    sandbox.cleanup(as_json=as_json)
