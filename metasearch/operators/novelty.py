"""How similar programs are, and keys by which similar ones are found.

*Similarity* is the Jaccard index of token shingles (Broder, "On the resemblance and
containment of documents", 1997) or the cosine of embeddings. Programs of which one holds other
numbers than the other are never similar: a search for constants lives by such steps.

Similar programs are found by keys that they probably share, not by looking at all: MinHash
values (Broder) or signs of random projections (Charikar, STOC 2002), in bands of some rows.

Imported where a campaign sets a threshold, and not before, because of numpy's 20 MB.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metasearch.operators.identity import (
    BRACES,
    NORMALISED,
    encoded,
    parsed,
    signed,
    without_layout,
)
from metasearch.program import Program

SHINGLE = 5
"""Tokens in a row that make one shingle."""
VALUES = 256
"""MinHash values, or signs of projections, of one program."""
FOUND = 0.99
"""Chance with which a program that is just similar enough shares a key."""
DIMENSIONS = 512
"""Of the local embedding."""

_STORED = "<f4"
_TOKEN = re.compile(r"\d[\w.]*|\w+|[^\w\s]")


class Sketch(Protocol):
    """What a measure sees of one program."""

    @property
    def keys(self) -> tuple[int, ...]:
        """Signed 64-bit numbers; similar programs probably share one."""

    def similarity(self, other: Sketch) -> float:
        """To another program's sketch of the same measure; at most 1."""


def tokens(program: Program) -> list[str]:
    """Words, numbers and signs of all files; Python's without comments and docstrings."""
    found: list[str] = []
    for path in sorted(program.files):
        text = program.files[path]
        if path.endswith(".py") and len(text) <= NORMALISED:
            tree = parsed(text)
            if tree is not None:
                with contextlib.suppress(RecursionError, MemoryError):  # then its plain text
                    text = ast.unparse(tree)
        elif PurePosixPath(path).suffix in BRACES:
            text = "".join(without_layout(text))
        found += [f"\n{path}", *_TOKEN.findall(text)]
    return found


def numbers(found: Iterable[str]) -> tuple[str, ...]:
    """The numbers among tokens, in the order of their text."""
    return tuple(sorted(token for token in found if token[0].isdigit()))


@dataclass(frozen=True, eq=False)
class Shingles:
    """A program as the set of its shingles."""

    keys: tuple[int, ...]
    numbers: tuple[str, ...]
    shingles: NDArray[np.uint64]
    """Their hashes: sorted, and each once."""

    @classmethod
    def of(cls, program: Program, rows: int) -> Shingles:
        """Take the sketch, with its keys in bands of so many rows."""
        found = tokens(program)
        hashes = np.unique(_hashes(found, SHINGLE))
        held = numbers(found)
        return cls(_keys(_minhash(hashes), held, rows), held, hashes)

    def similarity(self, other: Sketch) -> float:
        """The Jaccard index; 0 if the numbers differ."""
        if not isinstance(other, Shingles) or other.numbers != self.numbers:
            return 0.0
        both = len(np.intersect1d(self.shingles, other.shingles, assume_unique=True))
        return both / (len(self.shingles) + len(other.shingles) - both)


@dataclass(frozen=True, eq=False)
class Embedded:
    """A program as a vector."""

    keys: tuple[int, ...]
    numbers: tuple[str, ...]
    vector: NDArray[np.float64]
    """Of length 1."""

    @classmethod
    def of(cls, program: Program, vector: ArrayLike, rows: int) -> Embedded:
        """Take the sketch of a program whose embedding is given.

        Raises:
            ValueError: The vector has no direction.
        """
        whole = np.asarray(vector, np.float64)
        length = float(np.linalg.norm(whole)) if whole.size else 0.0
        if not math.isfinite(length) or length == 0:
            raise ValueError("the embedding has no direction: its length is 0 or not finite")
        found = numbers(tokens(program))
        signs = (_planes(whole.size) @ whole > 0).astype(np.uint64)
        return cls(_keys(signs, found, rows), found, whole / length)

    def similarity(self, other: Sketch) -> float:
        """The cosine; 0 if the numbers differ, or the vectors are of different models."""
        if not isinstance(other, Embedded) or other.numbers != self.numbers:
            return 0.0
        if other.vector.size != self.vector.size:
            return 0.0
        return float(self.vector @ other.vector)


def stored(vector: ArrayLike) -> bytes:
    """A vector as it is kept: 32-bit floats."""
    return np.asarray(vector, _STORED).tobytes()


def sketch_of(program: Program, measure: str, rows: int, vector: bytes | None = None) -> Sketch:
    """The sketch of a program by a measure of ``[novelty]``.

    Args:
        program: What to look at.
        measure: ``shingles`` or ``embedding``.
        rows: Of a band, as :func:`rows_for` says.
        vector: A :func:`stored` embedding; :func:`local_embedding` if not given.
    """
    if measure == "shingles":
        return Shingles.of(program, rows)
    if vector is None:
        return Embedded.of(program, local_embedding(program), rows)
    return Embedded.of(program, np.frombuffer(vector, _STORED), rows)


def rows_for(measure: str, threshold: float) -> int:
    """Rows of a band for a measure and the similarity of interest."""
    return (rows_for_shingles if measure == "shingles" else rows_for_vectors)(threshold)


def local_embedding(program: Program) -> list[float]:
    """An embedding that needs no model: tokens and pairs of them, hashed into dimensions.

    Feature hashing with signs (Weinberger et al., arXiv 0902.2206), counts by their logarithm.
    """
    found = tokens(program)
    features = np.concatenate([_hashes(found, 1), _hashes(found, 2)])
    unique, counts = np.unique(features, return_counts=True)
    weights = (1 + np.log(counts)) * np.where(unique >> np.uint64(63), 1.0, -1.0)
    vector = np.zeros(DIMENSIONS)
    np.add.at(vector, (unique % np.uint64(DIMENSIONS)).astype(np.intp), weights)
    return [float(value) for value in vector]


def rows_for_shingles(threshold: float) -> int:
    """Rows of a band for a Jaccard index of interest: it is the chance that values agree."""
    return _rows(threshold)


def rows_for_vectors(threshold: float) -> int:
    """Rows of a band for a cosine of interest: signs agree for the rest of the half turn."""
    return _rows(1 - math.acos(min(1.0, threshold)) / math.pi)


def _rows(agreement: float) -> int:
    """The most rows, so the fewest false finds, that still find a similar one by :data:`FOUND`."""
    return next(
        (r for r in (64, 32, 16, 8, 4, 2) if 1 - (1 - agreement**r) ** (VALUES // r) >= FOUND), 1
    )


def _keys(values: NDArray[np.uint64], held: tuple[str, ...], rows: int) -> tuple[int, ...]:
    salt = hashlib.sha256(" ".join(held).encode()).digest()
    bands = values.reshape(-1, rows)
    return tuple(
        signed(hashlib.sha256(salt + band.to_bytes(2, "big") + part.tobytes()).digest())
        for band, part in enumerate(bands)
    )


def _minhash(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The least hash under each of the mappings, which multiply and add modulo 2**64."""
    values = np.full(VALUES, np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, len(hashes), 1024):
        mapped = hashes[start : start + 1024] * _FACTORS + _SHIFTS
        values = np.minimum(values, mapped.min(axis=1))
    return values


@lru_cache(maxsize=2)
def _planes(dimensions: int) -> NDArray[np.float64]:
    """Random directions, the same in every process."""
    return np.random.default_rng(dimensions).standard_normal((VALUES, dimensions))


def _hashes(found: Sequence[str], size: int) -> NDArray[np.uint64]:
    """A hash for each run of so many tokens; for all together if there are fewer."""
    single = np.array([_unsigned(token) for token in found] or [0], np.uint64)
    if len(single) < size:
        single = np.concatenate([single, np.zeros(size - len(single), np.uint64)])
    runs = np.zeros(len(single) - size + 1, np.uint64)
    for place in range(size):
        runs = (runs ^ single[place : place + len(runs)]) * _MIXER
        runs ^= runs >> np.uint64(29)
    return runs


def _unsigned(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(encoded(text), digest_size=8).digest(), "big")


_MIXER = np.uint64(0x9E3779B97F4A7C15)
_FACTORS, _SHIFTS = (
    np.array([[_unsigned(f"{name} {n}") | 1] for n in range(VALUES)], np.uint64)
    for name in ("factor", "shift")
)
