"""Changing a text that is a line of symbols in brackets, such as ``[C][=O][Ring1]``.

Nothing is known of what a symbol means: they are put in, taken out, replaced and moved by
chance. What comes out is such a line again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence

Line = list[str]

_SYMBOL = r"\[[^\[\]\s]{1,40}\]"
_SYMBOLS = re.compile(_SYMBOL)
_WHOLE = re.compile(rf"(?:{_SYMBOL})+", re.ASCII)
_LISTED = re.compile(rf"(?:{_SYMBOL}){{4,}}", re.ASCII)
LONGEST = 2_000
"""Symbols above which a line only shrinks."""


def symbols_of(text: str) -> Line | None:
    """The symbols of a text that is one line of them; ``None`` if it is anything else."""
    line = text.strip()
    return _SYMBOLS.findall(line) if _WHOLE.fullmatch(line) else None


def symbols_shown(texts: Iterable[str]) -> tuple[str, ...]:
    """All symbols that stand in texts in a row of four or more, each once.

    Fewer than four in a row may be anything, such as a link.
    """
    likely = (text for text in texts if "][" in text)  # a hundred times faster than looking
    rows = (row for text in likely for row in _LISTED.findall(text))
    return tuple(dict.fromkeys(symbol for row in rows for symbol in _SYMBOLS.findall(row)))


def vary(
    line: Line,
    donors: Sequence[Line],
    alphabet: Sequence[str],
    rounds: int,
    rng: random.Random,
) -> tuple[Line, tuple[str, ...]]:
    """A changed line, and what was done to it.

    Args:
        line: The symbols; at least one.
        donors: Other lines that parts may be taken from.
        alphabet: Symbols that may be put in, besides those of the line.
        rounds: How many changes.
        rng: All choices are its.
    """
    known = list(dict.fromkeys([*alphabet, *line]))
    done = []
    for _ in range(rounds):
        donor = rng.choice(donors) if donors else None
        names = [
            name
            for name in _MUTATIONS
            if (donor or name not in _WITH_DONOR)
            and (len(line) > 1 or name != "delete symbols")
            and (len(line) < LONGEST or name in _SHRINKING)
        ]
        name = rng.choices(names, [_MUTATIONS[name][1] for name in names])[0]
        line = _MUTATIONS[name][0](line, donor or [], known, rng)[:LONGEST]
        done.append(name)
    return line, tuple(done)


def _replace(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    place = rng.randrange(len(line))
    return [*line[:place], rng.choice(known), *line[place + 1 :]]


def _insert(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    place = rng.randint(0, len(line))
    return [*line[:place], rng.choice(known), *line[place:]]


def _delete(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    start, end = _stretch(line, rng)
    return [*line[:start], *line[end:]]


def _move(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    start, end = _stretch(line, rng)
    rest = [*line[:start], *line[end:]]
    place = rng.randint(0, len(rest))
    return [*rest[:place], *line[start:end], *rest[place:]]


def _repeat(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    start, end = _stretch(line, rng)
    return [*line[:end], *line[start:end], *line[end:]]


def _join(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    """The head of one and the tail of the other, which comes first by chance."""
    first, second = (line, donor) if rng.random() < 0.5 else (donor, line)
    return [*first[: rng.randint(1, len(first))], *second[rng.randrange(len(second)) :]]


def _take_over(line: Line, donor: Line, known: Line, rng: random.Random) -> Line:
    start, end = _stretch(line, rng)
    first, last = _stretch(donor, rng)
    return [*line[:start], *donor[first:last], *line[end:]]


def _stretch(line: Line, rng: random.Random) -> tuple[int, int]:
    """Where a stretch begins and ends: short ones mostly, never all of a longer line."""
    longest = max(1, len(line) // 2)
    length = min(longest, 1 + int(rng.expovariate(0.5)))
    start = rng.randint(0, len(line) - length)
    return start, start + length


_Mutation = Callable[[Line, Line, Line, random.Random], Line]

_MUTATIONS: dict[str, tuple[_Mutation, float]] = {
    "replace a symbol": (_replace, 4),
    "insert a symbol": (_insert, 4),
    "delete symbols": (_delete, 3),
    "move symbols": (_move, 1),
    "repeat symbols": (_repeat, 1),
    "join two lines": (_join, 1.5),
    "take over symbols": (_take_over, 2),
}
"""Name -> mutation of a line, a donor and an alphabet, and its weight."""
_WITH_DONOR = frozenset({"join two lines", "take over symbols"})
_SHRINKING = frozenset({"replace a symbol", "delete symbols"})
