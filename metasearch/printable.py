"""The one place where text that a model or a candidate wrote is made safe to show.

Terminals obey what they print: escape sequences can retitle a window, hide text or write
to the clipboard, and bidirectional marks can make code read as something else. So every
character that is not plainly visible is shown as a symbol or by its code instead.
"""

from __future__ import annotations

import unicodedata

MAX_PRINTED = 200_000
"""Characters of one text that are printed; the whole of it is in the archive."""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, most: int = MAX_PRINTED) -> str:
    """Text of any origin, with line breaks and tabs kept and nothing that acts on a terminal."""
    cut = len(text) - most
    if cut > 0:
        text = text[:most]
    text = text.replace("\r\n", "\n")
    if not text.isascii() or not text.isprintable():
        text = "".join(map(_visible, text))
    return f"{text}\n[{cut} more characters]" if cut > 0 else text


def one_line(text: str, most: int = 200) -> str:
    """Likewise on one line: runs of white space become a space, a long text is cut."""
    words = " ".join(printable(text, 4 * most).split())
    return words if len(words) <= most else words[: most - 1] + "…"


def _visible(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # ␛ for escape, and so on
    return "␡" if code == 0x7F else f"<U+{code:04X}>"
