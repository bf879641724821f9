"""How alike short texts are in their words: TF-IDF vectors and their cosine.

For tips, ideas and thoughts. Programs are compared by :mod:`metasearch.operators.panel`.
"""

from __future__ import annotations

import functools
import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Vector = Mapping[str, float]

_WORD = re.compile(r"[^\W_]+")
_MAX_CHARACTERS = 20_000
"""Longer texts are compared by their beginning."""


def tfidf(texts: Sequence[str]) -> list[Vector]:
    """Each text's words, weighted by ``n (ln((1 + N) / (1 + df)) + 1)``, as unit vectors.

    A word counts more the more often it is in the text (n) and the fewer of the N texts have
    it (df). A text without words has the empty vector.
    """
    counts = [_words(text[:_MAX_CHARACTERS]) for text in texts]
    spread = Counter(word for count in counts for word in count)
    vectors: list[Vector] = []
    for count in counts:
        weights = {
            word: n * (math.log((1 + len(texts)) / (1 + spread[word])) + 1)
            for word, n in count.items()
        }
        length = math.hypot(*weights.values())
        vectors.append({word: weight / length for word, weight in weights.items()})
    return vectors


@functools.lru_cache(maxsize=512)  # one text more, and all are weighed anew
def _words(text: str) -> Mapping[str, int]:
    return Counter(_WORD.findall(text.lower()))


def cosine(a: Vector, b: Vector) -> float:
    """Of two unit vectors, 0 to 1; 0 if one is empty."""
    if len(a) > len(b):
        a, b = b, a
    return min(1.0, math.fsum(weight * b.get(word, 0.0) for word, weight in a.items()))


def relevance(query: str, texts: Sequence[str]) -> list[float]:
    """How alike each text is to the query, 0 to 1."""
    asked, *vectors = tfidf([query, *texts])
    return [cosine(asked, vector) for vector in vectors]


@dataclass(frozen=True)
class Transmission:
    """What is passed on to one generation of texts; mean cosines, 0 without a pair."""

    first: float
    """To the texts of the first generation."""
    within: float
    """Between two texts of this generation."""
    previous: float
    """To the texts of the generation before; of the first one, to itself."""


def transmission(generations: Sequence[Sequence[str]]) -> list[Transmission]:
    """How texts drift and converge, as in *Cultural evolution in populations of LLMs*."""
    flat = iter(tfidf([text for generation in generations for text in generation]))
    vectors = [[next(flat) for _ in generation] for generation in generations]
    return [
        Transmission(
            _between(vectors[0], now),
            _mean([cosine(a, b) for i, a in enumerate(now) for b in now[:i]]),
            _between(vectors[max(0, place - 1)], now),
        )
        for place, now in enumerate(vectors)
    ]


def _between(some: Sequence[Vector], others: Sequence[Vector]) -> float:
    return _mean([cosine(a, b) for a in some for b in others])


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0
