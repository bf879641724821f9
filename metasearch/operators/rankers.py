"""How well a strategy's ranker picks among a parent's children, window by window.

Reward-pass@k of M-STaR (arXiv 2412.17451) for whatever ranks: the ratings of the ideas that
candidates implement, or a value agent's numbers. A fold over candidates and facts, like
:mod:`metasearch.operators.health`; what a judge says of a candidate may arrive after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.candidate import Candidate
from metasearch.facts import Match, Origin, Recorded, Value
from metasearch.objectives import Objective, dominates, gains
from metasearch.operators.lineage import WorkingParents
from metasearch.operators.ranker_health import pass_at_k, random_pass_at_k, reward_pass_at_k
from metasearch.operators.ratings import START, expected

TAKEN = 2
"""k: how many of the ranker's first choices count, as in the paper."""
_K_FACTOR = 32.0


@dataclass(frozen=True)
class Ranking:
    """What a ranker was worth in one window."""

    parents: int
    """With at least two children that it ranked."""
    reached: float
    """Reward-pass@k: share of them with an improvement among its first k."""
    by_chance: float
    """What a ranker without knowledge would reach."""
    at_best: float
    """What a perfect one would reach."""


@dataclass(frozen=True)
class _Child:
    number: int
    parent: int
    improved: bool


class RankerMonitor:
    """The windows so far; the last, incomplete one is not among them."""

    def __init__(self, objectives: Sequence[Objective], *, size: int = 50) -> None:
        self._objectives = objectives
        self._size = size
        self._settled = 0
        self._windows: list[list[_Child]] = []
        self._gains: dict[int, tuple[float, ...]] = {}
        self._parents = WorkingParents()
        self._ratings: dict[int, float] = {}
        self._scores: dict[int, float] = {}

    def observe(self, candidate: Candidate) -> None:
        """Fold in one settled candidate."""
        window, place = divmod(self._settled, self._size)
        self._settled += 1
        if place == 0:
            self._windows.append([])
        if candidate.scored:
            self._gains[candidate.number] = gains(self._objectives, candidate.scores)
        parent = self._parents.observe(candidate)
        if parent is not None and parent in self._gains:
            own = self._gains.get(candidate.number)
            improved = own is not None and dominates(own, self._gains[parent])
            self._windows[window].append(_Child(candidate.number, parent, improved))

    def learn(self, recorded: Recorded) -> None:
        """Fold in one fact: a verdict, a candidate's idea, a value.

        An idea's rating is taken when its candidate is known; no verdict shows a judge what was
        measured.
        """
        match recorded.fact:
            case Value(candidate=number, score=float(score)):
                self._scores[number] = score
            case Match(
                between="ideas", purpose="rating", contestants=(one, other), shares=(share, _)
            ):
                a, b = (self._ratings.get(idea, START) for idea in (one, other))
                moved = _K_FACTOR * (share - expected(a, b))
                self._ratings[one], self._ratings[other] = a + moved, b - moved
            case Origin(candidate=number, ideas=(idea, *_)):
                self._scores[number] = self._ratings.get(idea, START)

    def rankings(self, k: int = TAKEN) -> list[Ranking | None]:
        """One for each full window; ``None`` where nothing ranked two children of a parent."""
        full = self._windows[: self._settled // self._size]
        return [self._ranking(window, k) for window in full]

    def _ranking(self, window: Sequence[_Child], k: int) -> Ranking | None:
        families: dict[int, list[_Child]] = {}
        for child in window:
            if child.number in self._scores:
                families.setdefault(child.parent, []).append(child)
        ranked = [
            [c.improved for c in sorted(family, key=lambda c: (-self._scores[c.number], c.number))]
            for family in families.values()
            if len(family) > 1
        ]
        if not ranked:
            return None
        return Ranking(
            len(ranked), reward_pass_at_k(ranked, k), random_pass_at_k(ranked, k), pass_at_k(ranked)
        )
