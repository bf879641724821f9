"""Program text in coloured pieces: classes for the style sheet, never markup.

``python -m metasearch.web.highlighting > web/static/highlight.css`` writes the style sheet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, _TokenType

from metasearch.printable import printable

MAX_LINE = 2_000
"""Characters of a line that are shown."""

_LANGUAGES = frozenset(
    {
        *("bash", "c", "cpp", "cuda", "cython", "fortran", "go", "haskell", "java", "javascript"),
        *("json", "julia", "lean4", "ocaml", "python", "rust", "splus", "sql", "toml"),
        *("typescript", "yaml"),
    }
)
"""As Pygments names them. Neither a hostile name may choose among all that there are, nor a
hostile text: Markdown, whose fences name a language, is not among them."""

_THEMES = ("xcode", "github-dark")
"""Light and dark, both with enough contrast."""

_KINDS = ("c", "cp", "k", "kc", "kt", "m", "nb", "nc", "nd", "nf", "nt", "ow", "s", "sd")
"""Short names of the kinds of text that have a colour; others fall back to a part of theirs."""


class Piece(NamedTuple):
    """A part of a line in one colour."""

    kind: str
    """A class of the style sheet; empty for plain text."""
    text: str


Line = tuple[Piece, ...]


def visible_lines(text: str) -> list[str]:
    """A text's lines with nothing invisible in them, long ones cut."""
    # Not splitlines(), which also ends a line at form feeds and other odd characters.
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [visible_line(line) for line in lines]


def visible_line(line: str) -> str:
    """One line likewise."""
    return printable(line.removesuffix("\r"), MAX_LINE).replace("\n", " ")


def coloured(lines: list[str], path: str) -> list[Line]:
    """Visible lines of a file in pieces.

    Args:
        lines: They must follow each other in the file.
        path: Of the file: its ending tells the language.
    """
    lexer = _lexer(PurePosixPath(path).suffix)
    if lexer is None:
        return [(Piece("", line),) for line in lines]
    found = list(_pieces(lexer, "\n".join(lines)))
    return found[: len(lines)] + [()] * (len(lines) - len(found))


def prepare() -> None:
    """Read Pygments' list of languages, and the rules of the commonest one."""
    coloured(["pass"], "program.py")


def stylesheet() -> str:
    """Colours of the pieces in both themes."""
    light, dark = (get_style_by_name(name) for name in _THEMES)
    kinds = {short: token for token, short in STANDARD_TYPES.items()}
    rules = ["/* Written by python -m metasearch.web.highlighting: do not edit. */"]
    for kind in _KINDS:
        day, night = (style.style_for_token(kinds[kind]) for style in (light, dark))
        colours = [f"#{style['color']}" if style["color"] else "inherit" for style in (day, night)]
        rules.append(f".code .{kind} {{ color: light-dark({', '.join(colours)}); }}")
    return "\n".join(rules) + "\n"


def _pieces(lexer: Lexer, text: str) -> Iterator[Line]:
    line: list[Piece] = []
    for token, part in lexer.get_tokens(text):
        first, *others = part.split("\n")
        kind = _kind(token)
        if first and line and line[-1].kind == kind:
            line[-1] = Piece(kind, line[-1].text + first)
        elif first:
            line.append(Piece(kind, first))
        for other in others:
            yield tuple(line)
            line = [Piece(kind, other)] if other else []
    yield tuple(line)


@cache
def _kind(token: _TokenType) -> str:
    while token.parent is not None:
        if (short := STANDARD_TYPES.get(token, "")) in _KINDS:
            return short
        token = token.parent
    return ""


@lru_cache(256)
def _lexer(suffix: str) -> Lexer | None:
    found = find_lexer_class_for_filename(f"program{suffix}")
    if found is None or not _LANGUAGES.intersection(found.aliases):
        return None
    return found(stripnl=False, ensurenl=False)


if __name__ == "__main__":
    sys.stdout.write(stylesheet())
