"""Edits by quotation: SEARCH/REPLACE blocks and the hunks of unified diffs.

Both say "these lines become those". A quotation has to fit one place of the file: exactly, else
but for trailing blanks, else but for one indentation throughout, else as the only place that is
very much like it. Two places that fit equally well are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from metasearch.formats import file_named
from metasearch.step import Rejected

ALIKE = 0.92
"""Least similarity (2 M / T, matched over total characters) of a quotation with slips."""
ALIKE_LINES = 3
"""Least non-blank lines of one: in a shorter one a slip is as likely the point of the edit."""
_MAX_WINDOWS = 20_000
"""Places tried for a quotation with slips; a longer file has to be quoted exactly."""

# Matched against one line at a time, so that no reply takes more than linear time.
_SEARCH = re.compile(r"<{5,9} ?SEARCH\b")
_DIVIDER = re.compile(r"={5,9}[ \t]*$")
_REPLACE = re.compile(r">{5,9} ?REPLACE\b")
_HUNK = re.compile(r"@@(?: |$)")
_DIFF_PATH = re.compile(r"(?:---|\+\+\+) (?:[ab]/)?([^\t\n]{1,300}?)[ \t]*(?:\t.*)?$")
NOWHERE = "/dev/null"
"""What a unified diff calls the other side of a file that is made or deleted."""


@dataclass(frozen=True)
class Block:
    """Lines that are quoted, and lines that take their place."""

    path: str | None
    """The file, if the reply names one."""
    search: list[str]
    replace: list[str]


@dataclass(frozen=True)
class Creation:
    """A new file of a unified diff."""

    path: str
    lines: list[str]


@dataclass(frozen=True)
class Deletion:
    """A file that a unified diff, or a line that says so, takes away."""

    path: str


def search_replace_blocks(reply: str) -> list[Block]:
    """The SEARCH/REPLACE blocks of a reply, in order; unfinished ones do not count."""
    found = []
    before: list[str] = []
    search: list[str] | None = None
    replace: list[str] | None = None
    for line in reply.split("\n"):
        if _SEARCH.match(line):
            search, replace = [], None
        elif search is None:
            before.append(line)
        elif replace is None:
            if _DIVIDER.match(line):
                replace = []
            else:
                search.append(line)
        elif _REPLACE.match(line):
            found.append(Block(_last_named(before), search, replace))
            before, search, replace = [], None, None
        else:
            replace.append(line)
    return found


def diff_hunks(text: str) -> list[Block | Creation | Deletion]:
    """The hunks of a unified diff, in order.

    The line numbers and counts in it are not believed: models get them wrong. Each hunk is a
    quotation of its context and removed lines.
    """
    found: list[Block | Creation | Deletion] = []
    old = new = ""
    search: list[str] = []
    replace: list[str] = []
    inside = False

    def finish() -> None:
        if inside and (search or replace):
            if old == NOWHERE:
                found.append(Creation(new, list(replace)))
            elif new != NOWHERE:
                found.append(Block(new or old or None, list(search), list(replace)))
        search.clear()
        replace.clear()

    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines):
        header = _DIFF_PATH.match(line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if header and line.startswith("---") and following.startswith("+++ "):
            finish()
            old, new, inside = header[1], "", False
        elif header and line.startswith("+++") and not inside:
            new = header[1]
            if new == NOWHERE:
                found.append(Deletion(old))
        elif _HUNK.match(line):
            finish()
            inside = True
        elif inside and line.startswith("+"):
            replace.append(line[1:])
        elif inside and line.startswith("-"):
            search.append(line[1:])
        elif inside and not line.startswith("\\"):
            kept = line[1:] if line.startswith(" ") else line
            search.append(kept)
            replace.append(kept)
    finish()
    return found


def replace_once(text: str, block: Block) -> str | Rejected:
    """The text with the one place that a block quotes, in whole lines, replaced."""
    if not any(line.strip() for line in block.search):
        return Rejected("is empty; quote the lines to be replaced")
    lines = text.split("\n")
    for places in (
        _equal(lines, block.search),
        _equal([line.rstrip() for line in lines], [line.rstrip() for line in block.search]),
    ):
        if places:
            return _put(lines, places, block.search, block.replace)
    indented = _indented_otherwise(lines, block.search)
    if indented:
        return _put_indented(lines, indented, block)
    if alike := _alike(lines, block.search):
        return _put(lines, alike, block.search, block.replace)
    first = next(line for line in block.search if line.strip())
    return Rejected(f"matches nothing; its first line is {first[:100]!r}")


def _put(
    lines: list[str], places: Sequence[int], search: list[str], replace: list[str]
) -> str | Rejected:
    if len(places) > 1:
        return Rejected(f"matches {len(places)} places; quote more lines around it")
    [start] = places
    return "\n".join([*lines[:start], *replace, *lines[start + len(search) :]])


def _equal(lines: list[str], wanted: list[str]) -> list[int]:
    first, count = wanted[0], len(wanted)
    return [
        start
        for start in range(len(lines) - count + 1)
        if lines[start] == first and lines[start : start + count] == wanted
    ]


def _indented_otherwise(lines: list[str], search: list[str]) -> list[int]:
    """Where the quotation fits if every line of it is moved by one amount."""
    bare = [line.strip() for line in search]
    places = _equal([line.strip() for line in lines], bare)
    return [
        start
        for start in places
        if len(
            {
                _indent(line) - _indent(quoted)
                for line, quoted in zip(lines[start:], search, strict=False)
                if quoted.strip()
            }
        )
        == 1
    ]


def _put_indented(lines: list[str], places: Sequence[int], block: Block) -> str | Rejected:
    at = next(i for i, line in enumerate(block.search) if line.strip())
    by = _indent(lines[places[0] + at]) - _indent(block.search[at])
    moved = [_moved(line, by) for line in block.replace]
    if None in moved:
        return Rejected("has another indentation than the program; quote it exactly")
    return _put(lines, places, block.search, [line for line in moved if line is not None])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _moved(line: str, by: int) -> str | None:
    if not line.strip():
        return line
    if by >= 0:
        return " " * by + line
    return line[-by:] if _indent(line) >= -by else None


def _alike(lines: list[str], search: list[str]) -> list[int]:
    """The one place that is very much like the quotation; all of them if there are several."""
    if sum(1 for line in search if line.strip()) < ALIKE_LINES or len(lines) > _MAX_WINDOWS:
        return []
    wanted = "\n".join(search)
    count = len(search)
    found = []
    for start in range(len(lines) - count + 1):
        here = "\n".join(lines[start : start + count])
        if Indel.normalized_similarity(here, wanted, score_cutoff=ALIKE) >= ALIKE:
            found.append(start)
    return found


def _last_named(lines: list[str]) -> str | None:
    """The file that the last 'File: PATH' line names."""
    return next((path for line in reversed(lines) if (path := file_named(line))), None)
