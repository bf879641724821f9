"""Commands for the archive file itself."""

from __future__ import annotations

import typer

from metasearch.cli.commands.options import ArchiveOption, JsonOption
from metasearch.cli.failures import guarded

commands = typer.Typer(help="Look after the archive file.", no_args_is_help=True)


@commands.command()
@guarded
def upgrade(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Bring an archive of an older version of metasearch up to date."""
    from metasearch.archive import Archive, default_path
    from metasearch.cli.console import print_json

    file = archive or default_path()
    before, after = Archive.upgrade(file)
    if as_json:
        print_json({"archive": str(file), "from": before, "to": after})
    elif before == after:
        typer.echo(f"{file} is up to date (schema {after}).")
    else:
        typer.echo(f"Upgraded {file} from schema {before} to {after}.")
