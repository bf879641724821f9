"""How near ideas are to each other, by their words: TF-IDF and the cosine.

Serves to drop repetitions, to find what was tried nearby, and to let similar ideas meet.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_READ = 20_000
"""Characters of a text that are read."""


@dataclass(frozen=True)
class Near:
    """One text and how similar it is."""

    number: int
    similarity: float
    """0 with no word in common, 1 for the same words equally often."""


class Proximity:
    """Texts by number. Rare words count more: weight ``tf * (1 + ln((1 + n) / (1 + df)))``."""

    def __init__(self) -> None:
        self._words: dict[int, Counter[str]] = {}
        self._holders: Counter[str] = Counter()

    def add(self, number: int, text: str) -> None:
        """Hold a text."""
        words = Counter(_WORD.findall(text[:_READ].casefold()))
        self._words[number] = words
        self._holders.update(words.keys())

    def remove(self, number: int) -> None:
        """Hold it no longer."""
        gone = self._words.pop(number)
        self._holders.subtract(gone.keys())
        for word in gone:
            if not self._holders[word]:
                del self._holders[word]

    def similarity(self, number: int, other: int) -> float:
        """Cosine of two held texts."""
        return self._cosine(self._words[number], self._words[other])

    def similarities(self, number: int, others: Collection[int]) -> dict[int, float]:
        """Cosines of a held text with others."""
        return {other: self.similarity(number, other) for other in others}

    def nearest(self, number: int, others: Collection[int], limit: int) -> list[Near]:
        """The most similar ones first; the older one on ties."""
        near = [Near(n, s) for n, s in self.similarities(number, others).items()]
        return sorted(near, key=lambda each: (-each.similarity, each.number))[:limit]

    def _cosine(self, one: Mapping[str, int], other: Mapping[str, int]) -> float:
        if len(other) < len(one):
            one, other = other, one
        product = math.fsum(
            count * other[word] * self._rarity(word) ** 2
            for word, count in one.items()
            if word in other
        )
        return min(1.0, product / (self._length(one) * self._length(other))) if product else 0.0

    def _length(self, words: Mapping[str, int]) -> float:
        return math.sqrt(
            math.fsum((count * self._rarity(word)) ** 2 for word, count in words.items())
        )

    def _rarity(self, word: str) -> float:
        return 1 + math.log((1 + len(self._words)) / (1 + self._holders[word]))
