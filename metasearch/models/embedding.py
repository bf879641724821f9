"""Embeddings as texts: what the journal keeps of one, and what may be read from it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TypeGuard

from metasearch.errors import ModelError

EMBED = "embed"
"""The role of calls that ask for an embedding; no strategy's."""

MOST_DIMENSIONS = 16_384


def is_embedding(vector: object) -> TypeGuard[list[float]]:
    """Whether it is a list of finite numbers, not too many, with a direction."""
    return (
        isinstance(vector, list)
        and 0 < len(vector) <= MOST_DIMENSIONS
        and all(isinstance(value, int | float) and math.isfinite(value) for value in vector)
        and any(vector)
    )


def vector_text(vector: Sequence[float]) -> str:
    """As JSON, with the seven digits that 32-bit floats have."""
    return json.dumps([float(f"{value:.7g}") for value in vector], separators=(",", ":"))


def read_vector(text: str) -> list[float]:
    """What :func:`vector_text` wrote.

    Raises:
        ModelError: It is no embedding: a recording that answers something else, say.
    """
    try:
        vector = json.loads(text)
    except ValueError:
        vector = None
    if not is_embedding(vector):
        raise ModelError(f"The stored reply is no embedding: {text[:100]!r}")
    return [float(value) for value in vector]
