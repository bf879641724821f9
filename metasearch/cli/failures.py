"""How a command ends when something fails: one clear message, and an exit code that says why."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec

import typer

OK, FAILED, USAGE, PREREQUISITE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes."""

_P = ParamSpec("_P")


def guarded(command: Callable[_P, None]) -> Callable[_P, None]:
    """The command, with every way in which it can fail translated to message and exit code."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except typer.Exit:
            raise
        except BrokenPipeError:  # the reader of our output has gone, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(OK) from None
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted.\n")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            _fail(error, as_json=bool(kwargs.get("as_json")))

    return run


def _fail(error: Exception, *, as_json: bool) -> NoReturn:
    from metasearch.cli.console import print_json
    from metasearch.errors import MetasearchError
    from metasearch.printable import printable

    if isinstance(error, MetasearchError):
        # Closing what failed may fail for the same reason: one is enough.
        texts = dict.fromkeys([str(error), *getattr(error, "__notes__", ())])
        text, code = "\n".join(texts), error.exit_code
        sys.stderr.write(f"Error: {printable(text)}\n")
    else:
        import traceback

        text, code = f"{type(error).__name__}: {error}", FAILED
        sys.stderr.write(printable("".join(traceback.format_exception(error))))
        sys.stderr.write(
            "This is a bug in metasearch. Nothing that the archive holds is lost; "
            "the same command continues a run.\n"
        )
    sys.stderr.flush()
    if as_json:
        print_json({"event": "error", "type": type(error).__name__, "error": text})
    raise typer.Exit(code) from error
