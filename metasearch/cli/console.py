"""Where the command line prints: people's text by rich, machines' text as JSON lines.

Nothing that is printed here is read as markup. Text is passed through
:func:`metasearch.printable.printable` by whoever brings it in from an archive.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from rich.console import Console

_PIPE_WIDTH = 1_000

Json = Mapping[str, object] | Sequence[object]


class _Out(Console):
    """A console that leaves it to the command what a closed pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        """Called where the exception is handled: hand it on."""
        raise


def console() -> Console:
    """A console on stdout that takes brackets and colons for what they are.

    Off a terminal it neither wraps nor colours, so that its lines can be searched.
    """
    return _Out(
        width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_json(document: Json) -> None:
    """One JSON document on one line of stdout, in ASCII: safe on any terminal and pipe."""
    sys.stdout.write(json.dumps(document, ensure_ascii=True, allow_nan=False) + "\n")
    sys.stdout.flush()
