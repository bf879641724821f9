"""Reading a model's answer as an edit of a program.

Two formats are understood: complete files in Markdown fences, and SEARCH/REPLACE blocks. An
edit applies whole or not at all; one that does not apply, does not parse, changes nothing
or touches protected text is :class:`metasearch.step.Rejected`, with a reason that the model
can act on.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from pydantic import ValidationError

from metasearch.formats import file_named
from metasearch.program import Program, blocks, check_path, protection_breach
from metasearch.step import Rejected

_MARKDOWN = MarkdownIt("zero").enable("fence")

# Matched against one line at a time: over a whole reply, patterns with several open ends
# take time that grows with the square or the cube of its length.
_SEARCH = re.compile(r"<{5,9} ?SEARCH\b")
_DIVIDER = re.compile(r"={5,9}[ \t]*$")
_REPLACE = re.compile(r">{5,9} ?REPLACE\b")


@dataclass(frozen=True)
class Block:
    """A SEARCH/REPLACE block of a reply, as lines."""

    path: str | None
    """The file that a line before the block names, if one does."""
    search: list[str]
    replace: list[str]


@dataclass(frozen=True)
class Fence:
    """A fenced code block of a reply."""

    path: str | None
    """The file that the line before the fence, or its info string, names."""
    language: str
    text: str


def read_edit(reply: str, parent: Program) -> Program | Rejected:
    """The program that a reply makes of its parent.

    SEARCH/REPLACE blocks are taken if there are any, complete files otherwise.
    """
    reply = reply.replace("\r\n", "\n")
    found = search_replace_blocks(reply)
    edited = _search_replace(found, parent) if found else _complete_files(reply, parent)
    if isinstance(edited, Rejected):
        return edited
    if edited.files == parent.files:
        return Rejected("the edit leaves the program unchanged")
    if (breach := protection_breach(parent, edited)) is not None:
        return Rejected(breach)
    return _parses(edited) or edited


def fences(reply: str) -> list[Fence]:
    """The fenced code blocks of a Markdown text, in order, with the files they are for."""
    lines = reply.split("\n")  # as Markdown counts them: a form feed ends no line
    found = []
    end_of_last = 0
    for token in _MARKDOWN.parse(reply):
        if token.type != "fence" or token.map is None:
            continue
        named = _named(lines[end_of_last : token.map[0]])
        language, _, rest = token.info.strip().partition(" ")
        path = named or rest.strip() or None
        found.append(Fence(path=path, language=language.lower(), text=token.content))
        end_of_last = token.map[1]
    return found


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
            found.append(Block(_named(before), search, replace))
            before, search, replace = [], None, None
        else:
            replace.append(line)
    return found


def _named(lines: list[str]) -> str | None:
    """The file that the last 'File: PATH' line names."""
    for line in reversed(lines):
        if (path := file_named(line)) is not None:
            return path
    return None


def _complete_files(reply: str, parent: Program) -> Program | Rejected:
    found = fences(reply)
    if not found:
        return Rejected("the answer holds no fenced code block")
    named = {fence.path: fence.text for fence in found if fence.path in parent.files}
    new = {f.path: f.text for f in found if f.path and f.path not in parent.files and _plain(f)}
    if not named and len(parent.files) > 1:
        expected = ", ".join(parent.files)
        return Rejected(f"no code block says which file it is; write '### File: PATH' ({expected})")
    if not named:
        # A single file: the longest block is the program, others are asides. A path that
        # is not the program's is then a label, not a new file.
        new = {}
        named = {parent.main: max(found, key=lambda fence: len(fence.text)).text}
    changes = {}
    for path, text in {**named, **new}.items():
        assert path is not None
        changes[path] = _into_block(text, parent.files.get(path, ""))
    return _replaced(parent, changes)


def _plain(fence: Fence) -> bool:
    if fence.path is None or not PurePosixPath(fence.path).suffix or " " in fence.path:
        return False
    try:
        check_path(fence.path)
    except ValueError:
        return False
    return True


def _into_block(text: str, before: str) -> str:
    """The file's new text; models often send only what stands between the markers."""
    ranges = blocks(before)
    if not ranges or len(ranges) != 1 or "EVOLVE-BLOCK-" in text:
        return text
    lines = before.splitlines(keepends=True)
    start, end = ranges[0]
    around = [line.strip() for line in lines[: start - 1] + lines[end + 1 :]]
    if any(line and line in text for line in around if len(line) > 3):
        return text  # a whole file without its markers: the protection check says so
    body = text if text.endswith("\n") else text + "\n"
    return "".join(lines[:start]) + body + "".join(lines[end:])


def _search_replace(found: list[Block], parent: Program) -> Program | Rejected:
    changes: dict[str, str] = {}
    path = parent.main
    for number, block in enumerate(found, start=1):
        path = block.path or path
        if path not in parent.files:
            return Rejected(f"block {number} edits {path!r}; files: {', '.join(parent.files)}")
        edited = _replace_once(changes.get(path, parent.files[path]), block)
        if isinstance(edited, Rejected):
            return Rejected(f"SEARCH of block {number} ({path}): {edited.reason}")
        changes[path] = edited
    return _replaced(parent, changes)


def _replace_once(text: str, block: Block) -> str | Rejected:
    """The text with the one place that SEARCH quotes, in whole lines, replaced."""
    if not any(line.strip() for line in block.search):
        return Rejected("is empty; quote the lines to be replaced")
    lines = text.split("\n")
    places = _places(lines, block.search)
    if not places:  # trailing blanks are what models most often lose
        places = _places([line.rstrip() for line in lines], [s.rstrip() for s in block.search])
    if len(places) == 1:
        end = places[0] + len(block.search)
        return "\n".join([*lines[: places[0]], *block.replace, *lines[end:]])
    if places:
        return Rejected(f"matches {len(places)} places; quote more lines around it")
    first = next(line for line in block.search if line.strip())
    return Rejected(f"matches nothing; its first line is {first[:100]!r}")


def _places(lines: list[str], wanted: list[str]) -> list[int]:
    first, count = wanted[0], len(wanted)
    return [
        start
        for start in range(len(lines) - count + 1)
        if lines[start] == first and lines[start : start + count] == wanted
    ]


def _replaced(parent: Program, changes: dict[str, str]) -> Program | Rejected:
    try:
        return parent.replace(changes)
    except ValidationError as error:
        return Rejected(error.errors(include_url=False)[0]["msg"])


def _parses(program: Program) -> Rejected | None:
    """Why a Python file of the program is no Python, or ``None``."""
    for path, text in program.files.items():
        if not path.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return Rejected(f"{path}{_place(error, text)} does not parse: {_reason(error)}")
    return None


def _place(error: Exception, text: str) -> str:
    """The line of a syntax error, quoted: the model may have sent only a part of the file."""
    lines = text.split("\n")
    if not isinstance(error, SyntaxError) or not 0 < (error.lineno or 0) <= len(lines):
        return ""
    assert error.lineno is not None
    return f", line {error.lineno} ({lines[error.lineno - 1].strip()[:100]!r}),"


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)
