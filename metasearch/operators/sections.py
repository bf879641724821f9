"""Reading a reply under headings: the words that a model puts before its code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from metasearch.formats import file_named

_HEADING = re.compile(r"([#*_> ]{0,12})([A-Za-z]{1,30})([*_]{0,3}\s?:?[*_]{0,3})\s?(.*)$")
_FENCE = re.compile(r" {0,3}(?:`{3,}|~{3,})")
_LIMIT = 4_000


def sections(reply: str, titles: Sequence[str]) -> dict[str, str]:
    """The texts under the titles that a reply has before its first code.

    A title stands at the beginning of a line, as a heading (``## Name``), in bold or with a
    colon (``Name: ...``); its text may begin on the same line. What comes before the first
    title is left out; the first one of each title counts, cut at 4,000 characters.

    Args:
        reply: A model's text.
        titles: In lower case, of one word each.
    """
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in reply.replace("\r\n", "\n").split("\n"):
        if _FENCE.match(line) or file_named(line) is not None:
            break
        match = _HEADING.match(line)
        if match and match[2].lower() in titles and _is_title(match):
            lines = [match[4]]
            found.setdefault(match[2].lower(), lines)
        else:
            lines.append(line)
    texts = {title: "\n".join(of_it).strip()[:_LIMIT] for title, of_it in found.items()}
    return {title: text for title, text in texts.items() if text}


def _is_title(match: re.Match[str]) -> bool:
    """Whether the word is set off from the sentence that it may begin."""
    return ":" in match[3] or "#" in match[1] or ("*" in match[1] and "*" in match[3])
