"""How texts of candidates and models stand in a prompt: fenced, and of a bounded size."""

from __future__ import annotations

import re

FEEDBACK_LIMIT = 4_000
"""Characters of feedback, error or printed text shown for one candidate."""


def fence(text: str, language: str = "") -> str:
    """Text in a Markdown fence that it cannot close by itself."""
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{language}\n{text if text.endswith(chr(10)) else text + chr(10)}{ticks}"


def shorten(text: str, limit: int = FEEDBACK_LIMIT) -> str:
    """The text, with its middle left out if it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
