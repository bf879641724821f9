"""Programs: the files that evolve, their identity, and which of their text may change.

A program is a handful of text files in any language. When any of them carries
``EVOLVE-BLOCK-START`` / ``EVOLVE-BLOCK-END`` marker lines, only the text between the
markers may change; everything else, files without markers included, is protected.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from pydantic import BaseModel, ConfigDict, field_validator

from metasearch.paths import check_path as check_path

MAX_PROGRAM_BYTES = 4_000_000
"""Larger programs are refused: prompts, diffs and pages carry their whole text."""

_MARKER = re.compile(r"EVOLVE-BLOCK-(START|END)")


class Program(BaseModel):
    """The files of one candidate, immutable; equal files have equal digests."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    files: dict[str, str]
    """Path relative to the program's root -> text. The first one is the main file."""

    @field_validator("files")
    @classmethod
    def _check(cls, files: dict[str, str]) -> dict[str, str]:
        if not files:
            raise ValueError("a program needs at least one file")
        for path in files:
            check_path(path)
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in files.values())
        if size > MAX_PROGRAM_BYTES:
            raise ValueError(f"a program of {size} bytes is over the limit of {MAX_PROGRAM_BYTES}")
        return files

    @property
    def main(self) -> str:
        """Path of the main file."""
        return next(iter(self.files))

    @property
    def source(self) -> str:
        """Text of the main file."""
        return self.files[self.main]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over sorted paths and texts, in hexadecimal; the program's identity."""
        sha = hashlib.sha256()
        for path in sorted(self.files):
            for part in (path, self.files[path]):
                data = part.encode("utf-8", "surrogatepass")
                sha.update(len(data).to_bytes(8, "big") + data)
        return sha.hexdigest()

    def replace(self, changes: Mapping[str, str]) -> Program:
        """This program with some files' texts replaced or added."""
        return Program(files={**self.files, **changes})


NO_PROGRAM = Program.model_construct(files={})
"""In the place of the seed, in a campaign of ideas alone."""


class RegionError(ValueError):
    """The EVOLVE-BLOCK markers of a file do not pair up. Names file and line."""


def blocks(text: str, path: str = "program") -> list[tuple[int, int]] | None:
    """The editable line ranges of one file's text.

    Returns:
        Half-open ranges of 0-based line numbers between the marker lines, or ``None``
        when the file has no markers.

    Raises:
        RegionError: If a START has no END or the other way round.
    """
    found: list[tuple[int, int]] = []
    start: int | None = None
    marked = False
    for index, line in enumerate(text.splitlines()):
        match = _MARKER.search(line)
        if match is None:
            continue
        marked = True
        if match[1] == "START":
            if start is not None:
                raise RegionError(f"{path}, line {index + 1}: EVOLVE-BLOCK-START inside a block")
            start = index + 1
        else:
            if start is None:
                raise RegionError(f"{path}, line {index + 1}: EVOLVE-BLOCK-END without a START")
            found.append((start, index))
            start = None
    if start is not None:
        raise RegionError(f"{path}, line {start}: EVOLVE-BLOCK-START is never closed")
    return found if marked else None


def protected_text(program: Program) -> dict[str, tuple[str, ...]]:
    """What may not change: for each protected file, the texts around its editable blocks.

    Empty when no file carries markers: then everything may change, and files may be added.

    Raises:
        RegionError: If markers do not pair up.
    """
    ranges = {path: blocks(text, path) for path, text in program.files.items()}
    if all(found is None for found in ranges.values()):
        return {}
    return {
        path: tuple(_around(program.files[path].splitlines(keepends=True), found or []))
        for path, found in ranges.items()
    }


def _around(lines: list[str], ranges: list[tuple[int, int]]) -> Iterator[str]:
    end_of_last = 0
    for start, end in ranges:
        yield "".join(lines[end_of_last:start])
        end_of_last = end
    yield "".join(lines[end_of_last:])


def protection_breach(parent: Program, child: Program) -> str | None:
    """Why ``child`` is not an allowed edit of ``parent``, or ``None`` if it is."""
    try:
        before = protected_text(parent)
        after = protected_text(child)
    except RegionError as error:
        return str(error)
    if not before:
        return None
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            return f"{path} is protected and was removed"
        if path not in before:
            return f"{path} was added, but only text inside EVOLVE-BLOCK markers may change"
        if before[path] != after[path]:
            return f"{path}: text outside the EVOLVE-BLOCK markers was changed"
    return None
