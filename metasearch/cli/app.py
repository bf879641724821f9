"""The command ``metasearch``, put together from the commands of the modules in ``commands``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from metasearch.cli.commands import archive, results, sandbox, search, setup, steering, web

app = typer.Typer(
    name="metasearch",
    help="Evolve programs, models and agents with language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 something is missing, 130 interrupted.",
)
# In the order of the help.
for _module in (search, steering, results, web, setup):
    app.add_typer(_module.commands)
app.add_typer(archive.commands, name="archive", rich_help_panel="Help")
app.add_typer(sandbox.commands, name="sandbox", rich_help_panel="Help")


def main() -> None:
    """The console command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its code, not an exception.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from metasearch import __version__

        typer.echo(f"metasearch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Evolve programs, models and agents with language models."""
