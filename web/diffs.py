"""What changed between two programs, line by line, for reading side by side or one below other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel

MAX_LINES = 5_000
"""Of a file. Comparing may take time by the square of it."""

MAX_LINE = 2_000
"""Characters of a line that are compared and shown."""


class Line(BaseModel):
    """One line: kept, removed or added; ``gap`` stands for kept lines that are left out."""

    kind: Literal["kept", "removed", "added", "gap"]
    before: int | None = None
    """Its number in the older file, from 1."""
    after: int | None = None
    """Its number in the newer file."""
    text: str = ""


class FileDiff(BaseModel):
    """What changed in one file."""

    path: str
    status: Literal["added", "removed", "changed", "same", "too large"]
    added: int
    """Lines."""
    removed: int
    lines: list[Line]


def compare(
    before: Mapping[str, str], after: Mapping[str, str], context: int = 3
) -> list[FileDiff]:
    """The differences of two programs, file by file: those of the older one first.

    Args:
        before: Path and text of each file.
        after: Likewise.
        context: Kept lines that are shown around a change.
    """
    paths = dict.fromkeys((*before, *after))
    return [_file(path, before.get(path), after.get(path), context) for path in paths]


def _file(path: str, before: str | None, after: str | None, context: int) -> FileDiff:
    if before == after:
        return FileDiff(path=path, status="same", added=0, removed=0, lines=[])
    old, new = _lines(before), _lines(after)
    if max(len(old), len(new)) > MAX_LINES:
        return FileDiff(path=path, status="too large", added=0, removed=0, lines=[])
    lines = list(_changes(old, new, context))
    return FileDiff(
        path=path,
        status="added" if before is None else "removed" if after is None else "changed",
        added=sum(line.kind == "added" for line in lines),
        removed=sum(line.kind == "removed" for line in lines),
        lines=lines,
    )


def _changes(old: list[str], new: list[str], context: int) -> Iterator[Line]:
    matcher = difflib.SequenceMatcher(None, old, new)
    shown = 0
    for group in matcher.get_grouped_opcodes(context):
        if group[0][1] > shown:
            yield Line(kind="gap")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                    yield Line(kind="kept", before=i + 1, after=j + 1, text=old[i])
                continue
            for i in range(i1, i2):
                yield Line(kind="removed", before=i + 1, text=old[i])
            for j in range(j1, j2):
                yield Line(kind="added", after=j + 1, text=new[j])
        shown = group[-1][2]
    if 0 < shown < len(old):
        yield Line(kind="gap")


def _lines(text: str | None) -> list[str]:
    # Not splitlines(), which also ends a line at form feeds and other odd characters.
    lines = (text or "").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:MAX_LINE] for line in lines]
