"""Tracebacks of the user's code: their frames, without ours."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

import metasearch.errors
import metasearch.sandboxes.base

_OURS = (
    *(str(Path(module.__file__ or "").parent) for module in (metasearch.errors, importlib)),
    str(Path(metasearch.sandboxes.base.__file__).parent),
    "<frozen importlib",
)
_MOST = 16_384
"""Characters of a traceback or message that is kept."""


def user_traceback(error: BaseException) -> str:
    """The traceback of an exception as Python prints it, without this package's frames."""
    tree = traceback.TracebackException.from_exception(error, limit=-50)
    _strip(tree)
    return shorten("".join(tree.format()).rstrip())


def _strip(tree: traceback.TracebackException) -> None:
    seen, waiting = set(), [tree]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        part.stack = traceback.StackSummary.from_list(
            [frame for frame in part.stack if not frame.filename.startswith(_OURS)]
        )
        waiting += [cause for cause in (part.__cause__, part.__context__) if cause is not None]
        waiting += part.exceptions or []


def shorten(text: str, most: int = _MOST) -> str:
    """The text, with its middle left out if it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
