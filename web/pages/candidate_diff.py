"""How two programs differ, as a page shows it: blocks in colour with the changed words marked.

The blocks are laid out by the style sheet alone: side by side where there is room, else the
removed lines of a block above those that took their place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from metasearch.web.diffs import Line as Compared
from metasearch.web.diffs import compare
from metasearch.web.highlighting import Line, Piece, coloured, visible_line

ROOM = 120_000
"""Characters of markup, roughly, that one page gives to differences."""

WHOLE = 1_000_000
"""Lines of context that leave nothing out."""

_TURN = 50
"""Lines removed, and lines added in their place, that follow each other in a long change."""
_WORDS = re.compile(r"\d[\w.]*|\w+|\s+|.")
_MAX_WORDS = 400
"""In a line that is compared word by word."""
_ALIKE = 0.4
"""Lines that share less than this are simply others."""


class Marked(NamedTuple):
    """Pieces of a line that have changed, or have not."""

    changed: bool
    pieces: tuple[Piece, ...]


class Shown(NamedTuple):
    """One line."""

    kind: Literal["kept", "removed", "added"]
    before: int | None
    after: int | None
    parts: tuple[Marked, ...]


class Block(NamedTuple):
    """Lines that are kept, lines that take the place of others, or lines that are left out."""

    kind: Literal["kept", "change", "gap"]
    lines: tuple[Shown, ...] = ()
    left_out: int = 0
    """Kept lines that a gap stands for; 0 if their number is not known."""


class ShownFile(NamedTuple):
    """One file of the two programs."""

    position: int
    path: str
    status: str
    added: int
    removed: int
    blocks: tuple[Block, ...]
    following: int | None
    """The first of its lines that the page has no room for."""


def differences(
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    context: int = 3,
    only: int | None = None,
    start: int = 0,
) -> list[ShownFile]:
    """What changed from one program to another, as much of it as a page has room for.

    Args:
        before: Path and text of each file.
        after: Likewise.
        context: Kept lines that are shown around a change.
        only: Position of the one file whose lines are shown.
        start: Lines of it that an earlier page has shown.
    """
    room = ROOM
    found = []
    for position, changed in enumerate(compare(before, after, context)):
        first = start if position == only else 0
        in_turn = list(_in_turn(changed.lines))
        lines: Sequence[Compared] = []
        following = None
        if only is None or position == only:
            lines, following = _fitting(in_turn, first, room)
            room -= sum(map(_weight, lines))
        old = before.get(changed.path, "")
        blocks = tuple(_blocks(lines, changed.path, in_turn[:first], old))
        found.append(
            ShownFile(
                position,
                changed.path,
                changed.status,
                changed.added,
                changed.removed,
                blocks,
                following,
            )
        )
    return found


def _in_turn(lines: Sequence[Compared]) -> Iterator[Compared]:
    """The lines with long changes in turns, so that a page has both sides of what it shows."""
    for changed, group in groupby(lines, key=lambda line: line.kind in ("removed", "added")):
        stretch = list(group)
        removed = [line for line in stretch if line.kind == "removed"]
        added = [line for line in stretch if line.kind == "added"]
        if not changed:
            yield from stretch
        for place in range(0, max(len(removed), len(added)), _TURN):
            yield from removed[place : place + _TURN]
            yield from added[place : place + _TURN]


def _fitting(
    lines: Sequence[Compared], start: int, room: int
) -> tuple[Sequence[Compared], int | None]:
    for end in range(start, len(lines)):
        room -= _weight(lines[end])
        if room < 0 and end > start:
            return lines[start:end], end
        if room < 0:  # not even the first one fits any more, or it alone is as large as a page
            return ([], start) if start == 0 else (lines[start : start + 1], start + 1)
    return lines[start:], None


def _weight(line: Compared) -> int:
    return 100 + 2 * len(line.text)


def _blocks(
    lines: Sequence[Compared], path: str, shown_before: Sequence[Compared], before: str
) -> Iterator[Block]:
    end = before.count("\n") + (not before.endswith("\n")) + 1
    last = max((line.before or 0 for line in shown_before), default=0)
    stretches = [list(group) for _, group in groupby(lines, key=lambda line: line.kind == "gap")]
    for place, stretch in enumerate(stretches):
        if stretch[0].kind == "gap":
            # Between two stretches their numbers tell; at the end the length of the file does.
            ahead = stretches[place + 1][0] if place + 1 < len(stretches) else None
            until = end if ahead is None else (ahead.before or 0)
            yield Block("gap", left_out=max(0, until - last - 1))
            continue
        old = coloured(_texts(stretch, "added"), path)
        new = coloured(_texts(stretch, "removed"), path)
        for changed, group in groupby(stretch, key=lambda line: line.kind != "kept"):
            block = list(group)
            older = [line for line in block if line.kind != "added"]
            newer = [line for line in block if line.kind != "removed"]
            olds, old = old[: len(older)], old[len(older) :]
            news, new = new[: len(newer)], new[len(newer) :]
            if changed:
                yield Block("change", tuple(_change(older, newer, olds, news)))
            else:
                shown = zip(block, news, strict=True)
                yield Block("kept", tuple(_plain(line, pieces) for line, pieces in shown))
        last = max([last, *(line.before for line in stretch if line.before is not None)])


def _texts(lines: Sequence[Compared], left_out: str) -> list[str]:
    return [visible_line(line.text) for line in lines if line.kind != left_out]


def _plain(line: Compared, pieces: Line) -> Shown:
    assert line.kind != "gap"
    return Shown(line.kind, line.before, line.after, (Marked(False, pieces),))


def _change(
    older: Sequence[Compared], newer: Sequence[Compared], olds: list[Line], news: list[Line]
) -> Iterator[Shown]:
    marks = [_changed_words(_text(one), _text(other)) for one, other in zip(olds, news)]  # noqa: B905
    for side, (lines, pieces) in enumerate(((older, olds), (newer, news))):
        for place, (line, line_pieces) in enumerate(zip(lines, pieces, strict=True)):
            shown = _plain(line, line_pieces)
            found = marks[place] if place < len(marks) else None
            if found is not None:
                shown = shown._replace(parts=tuple(_mark(line_pieces, found[side])))
            yield shown


def _text(line: Line) -> str:
    return "".join(piece.text for piece in line)


def _changed_words(old: str, new: str) -> tuple[list[bool], list[bool]] | None:
    """For each character of both lines whether it changed; ``None`` for lines that are others."""
    one, other = _WORDS.findall(old), _WORDS.findall(new)
    if max(len(one), len(other)) > _MAX_WORDS:
        return None
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return None
    flags: tuple[list[bool], list[bool]] = ([], [])
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        flags[0].extend([tag != "equal"] * len("".join(one[i1:i2])))
        flags[1].extend([tag != "equal"] * len("".join(other[j1:j2])))
    return flags


def _mark(line: Line, changed: list[bool]) -> Iterator[Marked]:
    characters = (
        (flag, piece_number, piece.kind, character)
        for piece_number, (piece, start) in enumerate(_with_starts(line))
        for flag, character in zip(
            changed[start : start + len(piece.text)], piece.text, strict=True
        )
    )
    for flag, run in groupby(characters, key=lambda each: each[0]):
        pieces = groupby(run, key=lambda each: each[1:3])
        yield Marked(
            flag, tuple(Piece(kind, "".join(c[3] for c in part)) for (_, kind), part in pieces)
        )


def _with_starts(line: Line) -> Iterator[tuple[Piece, int]]:
    start = 0
    for piece in line:
        yield piece, start
        start += len(piece.text)
