"""Reading a prompt: the programs in it, and the form in which the answer is wanted."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from markdown_it import MarkdownIt

from metasearch.formats import COMPLETE_FILES, JSON, SEARCH_REPLACE, file_named
from metasearch.models.offline import symbols
from metasearch.models.offline.opinions import Schema

Files = dict[str, str]

_MARKDOWN = MarkdownIt("zero").enable(["fence", "heading"])
_MARKDOWN.core.ruler.enableOnly(["normalize", "block"])  # what is inside a line does not matter
_CURRENT = re.compile(r"\b(current|parent|original|seed)\b.*\b(program|code|solution)\b", re.I)
_OTHER = re.compile(r"\b(inspiration|top|best|previous|other|elite)\b.*(program|code|#?\d)", re.I)
_CODE = frozenset({"python", "py", "python3"})
_LONG_WORD = re.compile(r"\b[^\W\d_]{7,20}\b")
_TOPICAL = 20_000
"""Characters of the first message that topics are taken from."""
_READ = 2_000_000
"""Characters of one message that are read; the rest is not looked at."""


class Format(Enum):
    """How the answer is to be given."""

    FILES = COMPLETE_FILES
    BLOCKS = SEARCH_REPLACE
    JSON = JSON
    PROSE = ""


@dataclass(frozen=True)
class Request:
    """What a prompt asks for."""

    format: Format
    program: Files
    """The current program's files; empty if the prompt shows none."""
    inspirations: tuple[Files, ...]
    schema: Schema | None
    text: str
    """The last message, for its words."""
    topics: tuple[str, ...] = ()
    """Long words of the first message, which says what it is all about."""
    alphabet: tuple[str, ...] = ()
    """Symbols in brackets that the messages show in a row."""


@dataclass(frozen=True)
class _Section:
    heading: str
    files: Files
    bare: list[tuple[str, str]]
    """Fences without a file's name: language and text."""


def read(messages: Sequence[Mapping[str, Any]], schema: Schema | None = None) -> Request:
    """What the messages of a chat ask for.

    Args:
        messages: With ``role`` and ``content``; content in parts is joined.
        schema: A JSON schema that came beside the messages.
    """
    texts = [_content(message) for message in messages if message.get("role") != "assistant"]
    asked = _format_asked(texts)
    sections = [section for text in texts for section in _sections(text)]
    program, inspirations = _programs(sections)
    if schema is None and asked is Format.JSON:
        schema = _schema(texts)
    if schema is not None:
        form = Format.JSON
    elif asked is not None:
        form = asked
    elif not program:
        form = Format.PROSE
    elif any("<<<<<<< SEARCH" in text for text in texts):
        form = Format.BLOCKS
    else:
        form = Format.FILES
    last = texts[-1] if texts else ""
    return Request(
        form,
        program,
        tuple(inspirations),
        schema,
        last,
        _topics(texts[:1]),
        symbols.symbols_shown(texts),
    )


def _topics(texts: Sequence[str]) -> tuple[str, ...]:
    words = (word.lower() for text in texts for word in _LONG_WORD.findall(text[:_TOPICAL]))
    return tuple(dict.fromkeys(words))


def _format_asked(texts: Sequence[str]) -> Format | None:
    """The form that the last line naming one asks for."""
    for line in reversed("\n".join(texts).split("\n")):
        for form in (Format.FILES, Format.BLOCKS, Format.JSON):
            if line.startswith(form.value):
                return form
    return None


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    return content[:_READ] if isinstance(content, str) else ""


@functools.lru_cache(maxsize=8)  # a conversation shows its first messages again
def _sections(text: str) -> list[_Section]:
    """The text cut at its headings; headings of files stay with the section they are in."""
    sections = [_Section("", {}, [])]
    path: str | None = None
    heading = False
    for token in _MARKDOWN.parse(text):
        if token.type == "heading_open":
            heading = True
        elif token.type == "inline":
            named = [path for line in token.content.split("\n") if (path := file_named(line))]
            if named:
                path = named[-1]
            elif heading:
                sections.append(_Section(token.content, {}, []))
                path = None
            heading = False
        elif token.type == "fence":
            language = token.info.strip().partition(" ")[0].lower()
            if path is not None:
                sections[-1].files.setdefault(path, token.content)
                path = None
            else:
                sections[-1].bare.append((language, token.content))
    return sections


def _programs(sections: Sequence[_Section]) -> tuple[Files, list[Files]]:
    current: Files = {}
    others: list[Files] = []
    unnamed: list[Files] = []
    for section in sections:
        files = section.files
        bare = [found for fence in section.bare if (found := _bare_program(*fence))]
        if not files and bare:
            files = bare[0]
        if not files:
            continue
        if _CURRENT.search(section.heading):
            current = files
        elif _OTHER.search(section.heading):
            others.append(files)
        else:
            unnamed.append(files)
    if not current and unnamed:
        current = unnamed.pop()
    if not current:
        fences = [text for section in sections for language, text in section.bare if not language]
        current = {"program.py": fences[-1]} if fences and _looks_like_code(fences[-1]) else {}
    return current, [files for files in [*others, *unnamed] if files != current]


def _bare_program(language: str, text: str) -> Files:
    """The program that a fence without a file's name holds: Python, or a line of symbols."""
    if language in _CODE:
        return {"program.py": text}
    return {"program.txt": text} if symbols.symbols_of(text) else {}


def _looks_like_code(text: str) -> bool:
    return any(mark in text for mark in ("def ", "import ", " = ", "{", ";"))


def _schema(texts: Sequence[str]) -> Schema | None:
    """The schema in the fence after the last line that asks for JSON."""
    for text in reversed(texts):
        place = text.rfind(JSON)
        if place < 0:
            continue
        for token in _MARKDOWN.parse(text[place:]):
            if token.type == "fence":
                try:
                    found = json.loads(token.content)
                except (ValueError, RecursionError):
                    continue
                if isinstance(found, dict):
                    return found
    return None
