"""How answers are to be given: the lines by which prompts name a form, and replies name files.

Prompts, the reading of replies and the offline model keep to these, so they stand in one place.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

COMPLETE_FILES = "Answer format: complete files"
SEARCH_REPLACE = "Answer format: search/replace blocks"
UNIFIED_DIFF = "Answer format: unified diff"
BLOCK = "Answer format: the block alone"
JSON = "Answer format: JSON"

EditName = Literal["files", "search_replace", "diff", "block"]
"""The forms of an edit, as options of strategies name them."""

EDITS: dict[EditName, str] = {
    "files": COMPLETE_FILES,
    "search_replace": SEARCH_REPLACE,
    "diff": UNIFIED_DIFF,
    "block": BLOCK,
}
"""Option -> line of the prompt."""

_LANGUAGES = {
    ".py": "python",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cu": "cuda",
    ".go": "go",
    ".java": "java",
    ".js": "javascript",
    ".jl": "julia",
    ".json": "json",
    ".md": "markdown",
    ".rs": "rust",
    ".sh": "bash",
    ".toml": "toml",
    ".ts": "typescript",
    ".yaml": "yaml",
    ".yml": "yaml",
}


def language_of(path: str) -> str:
    """What a fence calls the language of a file, by its ending; empty if it is not known."""
    return _LANGUAGES.get(PurePosixPath(path).suffix, "")


# Matched against one line at a time: over a whole text, patterns with several open ends take
# time that grows with the square or the cube of its length.
_FILE = re.compile(r"[#* ]{0,12}File: {0,3}`?([^`*]{1,300}?)`?[ *]{0,6}$", re.IGNORECASE)
_DELETED = re.compile(r"[#* ]{0,12}Delete file: {0,3}`?([^`*]{1,300}?)`?[ *]{0,6}$", re.IGNORECASE)


def file_named(line: str) -> str | None:
    """The path in a line such as ``### File: program.py``; ``None`` if it is no such line."""
    match = _FILE.match(line)
    return match[1].strip() if match else None


def file_deleted(line: str) -> str | None:
    """The path in a line such as ``### Delete file: old.py``; ``None`` if it is no such line."""
    match = _DELETED.match(line)
    return match[1].strip() if match else None
