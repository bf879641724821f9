"""Texts of models and candidates, as they are kept: valid UTF-8 of a bounded length."""

from __future__ import annotations


def bounded_text(text: str, limit: int) -> str:
    """The text as valid UTF-8, its end cut with a note of its length if it is too long."""
    if len(text) > limit:
        note = f" … ({len(text)} characters)"
        text = text[: limit - len(note)] + note
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
