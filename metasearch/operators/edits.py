"""Reading a model's answer as an edit of a program.

Understood are complete files in Markdown fences, SEARCH/REPLACE blocks, unified diffs, and the
text of an EVOLVE-BLOCK alone; files may be made and deleted. An edit applies whole or not at
all. One that does not apply, does not parse, changes nothing or touches protected text is
:class:`metasearch.step.Rejected`, with a reason that the model can act on.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from pydantic import ValidationError

from metasearch.formats import file_deleted, file_named
from metasearch.operators.blocks import (
    Block,
    Creation,
    Deletion,
    diff_hunks,
    replace_once,
    search_replace_blocks,
)
from metasearch.program import Program, blocks, check_path, protection_breach
from metasearch.step import Rejected

_MARKDOWN = MarkdownIt("zero").enable("fence")
_DIFFS = ("diff", "patch", "udiff")
UNCHANGED = Rejected("the edit leaves the program unchanged")


@dataclass(frozen=True)
class Fence:
    """A fenced code block of a reply."""

    path: str | None
    """The file that the line before the fence, or its info string, names."""
    language: str
    text: str


def read_edit(reply: str, parent: Program) -> Program | Rejected:
    """The program that a reply makes of its parent.

    What the reply holds decides: SEARCH/REPLACE blocks if there are any, else a unified diff,
    else complete files. A model that answers in another form than it was asked for is
    understood all the same.
    """
    reply = reply.replace("\r\n", "\n")
    return _checked(_edited(reply, parent), parent)


def apply_edits(
    parent: Program, edits: Sequence[Block | Creation | Deletion]
) -> Program | Rejected:
    """The program that edits make of its parent, each in turn: all of them, or none."""
    return _checked(_changed(parent, edits), parent)


def _checked(edited: Program | Rejected, parent: Program) -> Program | Rejected:
    """The edited program, if it is another one that parses and keeps what is protected."""
    if isinstance(edited, Rejected):
        return edited
    if edited.files == parent.files:
        return UNCHANGED
    if (breach := protection_breach(parent, edited)) is not None:
        return Rejected(breach)
    return does_not_parse(edited) or edited


def _edited(reply: str, parent: Program) -> Program | Rejected:
    quoted: Sequence[Block | Creation | Deletion] = search_replace_blocks(reply)
    if quoted:
        return _changed(parent, [*quoted, *_deletions(reply)])
    found = fences(reply)
    hunks = [hunk for text in _diffs(reply, found) for hunk in diff_hunks(text)]
    if hunks:
        return _changed(parent, [*hunks, *_deletions(reply)])
    whole = [fence for fence in found if fence.language not in _DIFFS]
    if found and not whole:
        return Rejected("the diff has no hunk; each begins with a line @@")
    return _complete_files(whole, _deletions(reply), parent)


def fences(reply: str) -> list[Fence]:
    """The fenced code blocks of a Markdown text, in order, with the files they are for."""
    lines = reply.split("\n")  # as Markdown counts them: a form feed ends no line
    found = []
    end_of_last = 0
    for token in _MARKDOWN.parse(reply):
        if token.type != "fence" or token.map is None:
            continue
        before = reversed(lines[end_of_last : token.map[0]])
        named = next((path for line in before if (path := file_named(line))), None)
        language, _, rest = token.info.strip().partition(" ")
        path = named or rest.strip() or None
        found.append(Fence(path=path, language=language.lower(), text=token.content))
        end_of_last = token.map[1]
    return found


def _diffs(reply: str, found: Sequence[Fence]) -> list[str]:
    """The unified diffs of a reply: fences that say so, or the whole of a bare one."""
    fenced = [fence.text for fence in found if fence.language in _DIFFS]
    if fenced or found:
        return fenced
    return [reply] if reply.lstrip().startswith(("--- ", "diff --git ")) else []


def _deletions(reply: str) -> list[Deletion]:
    return [Deletion(path) for line in reply.split("\n") if (path := file_deleted(line))]


def _changed(parent: Program, edits: Sequence[Block | Creation | Deletion]) -> Program | Rejected:
    """The parent after each edit in turn: all of them, or none."""
    files = dict(parent.files)
    path = parent.main
    for number, edit in enumerate(edits, start=1):
        path = edit.path or path
        if isinstance(edit, Creation):
            if path in files:
                return Rejected(f"block {number} makes {path!r}, which exists already")
            files[path] = "\n".join([*edit.lines, ""])
        elif path not in files:
            return Rejected(f"block {number} edits {path!r}; files: {', '.join(parent.files)}")
        elif isinstance(edit, Deletion):
            del files[path]
        else:
            text = replace_once(files[path], edit)
            if isinstance(text, Rejected):
                return Rejected(f"the quotation of block {number} ({path}) {text.reason}")
            files[path] = text
    return _program(parent, files)


def _complete_files(
    found: Sequence[Fence], deleted: Sequence[Deletion], parent: Program
) -> Program | Rejected:
    if not found and not deleted:
        return Rejected("the answer holds no fenced code block")
    named = {fence.path: fence.text for fence in found if fence.path in parent.files}
    new = {f.path: f.text for f in found if f.path and f.path not in parent.files and _plain(f)}
    if not named and not deleted and len(parent.files) > 1:
        expected = ", ".join(parent.files)
        return Rejected(f"no code block says which file it is; write '### File: PATH' ({expected})")
    if not named and not deleted:
        # A single file: the longest block is the program, others are asides. A path that
        # is not the program's is then a label, not a new file.
        new = {}
        named = {parent.main: max(found, key=lambda fence: len(fence.text)).text}
    files = dict(parent.files)
    for path, text in {**named, **new}.items():
        assert path is not None
        files[path] = _into_block(text, parent.files.get(path, ""))
    for deletion in deleted:
        if deletion.path not in files:
            return Rejected(f"there is no {deletion.path!r} to delete; files: {', '.join(files)}")
        del files[deletion.path]
    return _program(parent, files)


def _plain(fence: Fence) -> bool:
    if fence.path is None or not PurePosixPath(fence.path).suffix or " " in fence.path:
        return False
    try:
        check_path(fence.path)
    except ValueError:
        return False
    return True


def _into_block(text: str, before: str) -> str:
    """The file's new text; asked for or not, models send only what stands between the markers."""
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


def _program(parent: Program, files: dict[str, str]) -> Program | Rejected:
    if parent.main not in files:
        return Rejected(f"{parent.main} is the main file and may not be deleted")
    try:
        return Program(files=files)
    except ValidationError as error:
        return Rejected(error.errors(include_url=False)[0]["msg"])


def does_not_parse(program: Program) -> Rejected | None:
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
