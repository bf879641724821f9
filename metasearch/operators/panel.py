"""Quality, diversity and complexity of programs, each measured apart.

After *Surveying the Effects of Quality, Diversity, and Complexity in Synthetic Data* (arXiv
2412.02980), with standard metrics: a search that gains one often loses another unseen.
"""

from __future__ import annotations

import ast
import math
import re
import statistics
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOKEN = re.compile(r"\w+|[^\w\s]")
_SHINGLE = 3
_MAX_CHARACTERS = 200_000
"""Longer texts are compared by their beginning."""


@dataclass(frozen=True)
class Complexity:
    """How much there is to a program."""

    compressed: int
    """Bytes after zlib."""
    nodes: int | None
    """Of the syntax tree; ``None`` if the text is no Python."""
    cyclomatic: int | None
    """Decisions plus 1 (McCabe), over the whole text; ``None`` if it is no Python."""


@dataclass(frozen=True)
class Panel:
    """One row: the programs of a window, an operator or an island."""

    count: int
    valid: float
    """Share that has a quality."""
    quality: float
    """Mean quality of the valid ones; 0 if there are none."""
    vendi: float
    """Effective number of different texts, 1 to ``count``; 0 if there are none."""
    distance: float
    """Mean cosine distance between two texts, 0 to 1."""
    compressed: float
    """Mean bytes after zlib."""
    nodes: float | None
    """Mean over the texts that are Python; ``None`` if none is."""
    cyclomatic: float | None


def panel(texts: Sequence[str], qualities: Sequence[float | None]) -> Panel:
    """Measure programs; their comparison is quadratic, so take a window or a sample.

    Args:
        texts: The programs.
        qualities: Each one's quality, from 0 to 1 over the campaign (see
            :func:`metasearch.operators.uct.rank_values`); ``None`` if it failed.
    """
    valid = [quality for quality in qualities if quality is not None]
    kernel = similarity(texts)
    sizes = [complexity(text) for text in texts]
    nodes = [size.nodes for size in sizes if size.nodes is not None]
    decisions = [size.cyclomatic for size in sizes if size.cyclomatic is not None]
    return Panel(
        len(texts),
        len(valid) / len(qualities) if qualities else 0.0,
        math.fsum(valid) / len(valid) if valid else 0.0,
        vendi(kernel),
        mean_distance(kernel),
        statistics.fmean(size.compressed for size in sizes) if sizes else 0.0,
        statistics.fmean(nodes) if nodes else None,
        statistics.fmean(decisions) if decisions else None,
    )


def similarity(texts: Sequence[str]) -> NDArray[np.float64]:
    """Cosine similarity, 0 to 1, of the texts' counts of three tokens in a row.

    Positive semidefinite, with ones on the diagonal. Texts without tokens are all alike.
    """
    from scipy.sparse import csr_array

    if not texts:
        return np.eye(0)
    column: dict[tuple[str, ...], int] = {}
    rows, columns, counts = [], [], []
    for row, text in enumerate(texts):
        for shingle, count in _shingles(text).items():
            rows.append(row)
            columns.append(column.setdefault(shingle, len(column)))
            counts.append(float(count))
    vectors = csr_array((counts, (rows, columns)), shape=(len(texts), len(column)))
    dots: NDArray[np.float64] = (vectors @ vectors.T).toarray()
    norms = np.sqrt(np.diag(dots))
    return np.asarray(np.minimum(dots / np.outer(norms, norms), 1.0))


def vendi(kernel: NDArray[np.float64]) -> float:
    """Vendi score ``exp(-sum l ln l)``, l the eigenvalues of K / n (arXiv 2210.02410).

    n equal items give 1, n unlike ones n.

    Args:
        kernel: K, n x n similarities, positive semidefinite, ones on the diagonal.
    """
    if not len(kernel):
        return 0.0
    eigenvalues = np.linalg.eigvalsh(kernel / len(kernel))
    positive = eigenvalues[eigenvalues > 1e-15]
    return float(np.exp(-np.sum(positive * np.log(positive))))


def mean_distance(kernel: NDArray[np.float64]) -> float:
    """Mean of ``1 - K`` over all pairs; 0 if there is none."""
    pairs = len(kernel) * (len(kernel) - 1)
    return float((1 - kernel).sum() / pairs) if pairs else 0.0


def complexity(text: str) -> Complexity:
    """Size of a program, by three measures."""
    compressed = len(zlib.compress(text.encode("utf-8", "surrogatepass"), 9))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Complexity(compressed, None, None)
    return Complexity(compressed, len(nodes), 1 + sum(map(_decisions, nodes)))


def _decisions(node: ast.AST) -> int:
    """Ways that part at one node of the tree."""
    match node:
        case ast.BoolOp(values=values):
            return len(values) - 1
        case ast.comprehension(ifs=conditions):
            return 1 + len(conditions)
        case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While():
            return 1
        case ast.ExceptHandler() | ast.match_case() | ast.Assert():
            return 1
        case _:
            return 0


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    tokens = _TOKEN.findall(text[:_MAX_CHARACTERS])
    size = min(_SHINGLE, len(tokens))
    return Counter(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))
