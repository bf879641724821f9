"""The supervisor's picks in ``co_scientist``: which ideas and programs a task is about."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

from metasearch.operators.funnel import Funnel
from metasearch.operators.ideas import Entry
from metasearch.strategies.co_scientist_options import CoScientistOptions


class Picks:
    """On one state of the picture; what is left open is drawn."""

    def __init__(
        self, funnel: Funnel, options: CoScientistOptions, rng: random.Random, *, measures: bool
    ) -> None:
        """Prepare.

        Args:
            funnel: The picture.
            options: The strategy's.
            rng: The only source of chance.
            measures: Whether there is an evaluator.
        """
        self._funnel = funnel
        self._options = options
        self._rng = rng
        self._measures = measures

    @cached_property
    def ranking(self) -> list[Entry]:
        """The admitted ideas by forecast or measurement, else by rating; best first."""
        entries = self._funnel.admitted
        if self._measures:
            found = self._funnel.forecasts()
            worth = {number: each.mean for number, each in found.items()}
        else:
            worth = {number: each.value for number, each in self._funnel.ratings().items()}
        return sorted(entries, key=lambda e: (-worth[e.number], e.number))

    def to_evolve(self, method: str) -> list[Entry]:
        """The ideas that a new one is made from: of the best ones, and one by chance."""
        top = self.ranking[: self._options.top]
        others = [e for e in self._funnel.admitted if e not in top]
        pool = top + self._rng.sample(others, min(1, len(others)))
        match method:
            case "combine":
                return self._most_distant(top)
            case "inspire" | "out_of_box":
                return pool
            case "ground":
                return [self._rng.choice([e for e in pool if e.gain is not None] or pool)]
            case _:
                return [self._rng.choice(pool)]

    def to_implement(self, entries: Sequence[Entry]) -> Entry:
        """The most promising one, or every so often one by lot."""
        if self.by_lot:
            return self._rng.choice(entries)
        found = self._funnel.forecasts()
        bounds = [found[e.number].optimistic(self._options.kappa) for e in entries]
        best = max(bounds)
        promising = [e for e, bound in zip(entries, bounds, strict=True) if bound == best]
        return self._rng.choice(promising)

    @property
    def by_lot(self) -> bool:
        """Whether this turn is one of those in which the idea is drawn uniformly."""
        share, turn = self._options.random_share, self._funnel.started
        return int((turn + 1) * share) > int(turn * share)

    def programs(self, *entries: Entry) -> tuple[int, ...]:
        """The program to change, then another one.

        They are the best one and one of these ideas or their parents; without such a one,
        another of the best measured ideas.
        """
        kin = [self._funnel.entries.get(n) for e in entries for n in (e.number, *e.idea.parents)]
        others = [e.program for e in kin if e is not None and e.program is not None]
        if not others:
            measured = [e.program for e in self.ranking if e.program is not None]
            others = self._rng.sample(measured[: self._options.top], min(1, len(measured)))
        two = [
            number for number in dict.fromkeys([self._funnel.best, *others]) if number is not None
        ]
        del two[2:]
        self._rng.shuffle(two)
        return tuple(two)

    def _most_distant(self, entries: Sequence[Entry]) -> list[Entry]:
        """The pair with the least in common."""
        similarity = self._funnel.similarity
        pairs = [(a, b) for i, a in enumerate(entries) for b in entries[i + 1 :]]
        far = min(pairs, key=lambda pair: similarity(pair[0].number, pair[1].number))
        return list(far)
