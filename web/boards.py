"""Tournaments of ideas, kept and brought up to date: what judges thought, and what was measured."""

from __future__ import annotations

import statistics
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metasearch.archive import CampaignArchive
from metasearch.facts import Match, Origin, Overview, Plan
from metasearch.operators.calibration import JudgeCheck
from metasearch.operators.idea_board import IdeaBoard, RatedIdea
from metasearch.operators.ranker_health import Agreement

TOP = 20
"""Ideas of the win matrix."""

_KEPT = 8
_CHECKS = 10_000


class Built(NamedTuple):
    """The best program of an idea."""

    candidate: int
    score: float
    """Its first objective."""


class Meeting(NamedTuple):
    """How often one idea met another."""

    played: int
    share: float
    """Of these that the first one won, draws as halves."""


class Tournament(NamedTuple):
    """A tournament as it stands."""

    ranking: tuple[RatedIdea, ...]
    ideas: Mapping[int, RatedIdea]
    """The same by number."""
    matches: Mapping[int, Match]
    plan: Plan | None
    overview: Overview | None
    built: Mapping[int, Built]
    """Ideas that became programs which were scored."""
    agreement: Agreement
    """Of the judge with what was measured, where it was asked without seeing that."""
    correlation: float | None
    """Spearman's, of rating and score, better is larger; ``None`` for fewer than three."""

    @property
    def verdicts(self) -> int:
        """Matches with a verdict that could be read."""
        return sum(match.shares is not None for match in self.matches.values())

    def record(self, each: RatedIdea) -> tuple[int, int, int]:
        """Of an idea's matches those won, lost, and drawn or without a verdict."""
        shares = [
            None if match.shares is None else match.shares[match.contestants.index(each.number)]
            for match in map(self.matches.__getitem__, each.matches)
        ]
        won = sum(share is not None and share > 0.5 for share in shares)
        lost = sum(share is not None and share < 0.5 for share in shares)
        return won, lost, len(shares) - won - lost

    def meetings(self) -> dict[tuple[int, int], Meeting]:
        """How the first of the ranking fared against each other."""
        top = {each.number for each in self.ranking[:TOP]}
        shares: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for match in self.matches.values():
            a, b = match.contestants[:2]
            if match.purpose == "rating" and match.shares and a != b and {a, b} <= top:
                shares[a, b].append(match.shares[0])
                shares[b, a].append(match.shares[1])
        return {pair: Meeting(len(won), sum(won) / len(won)) for pair, won in shares.items()}


class _Kept:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.board = IdeaBoard()
        self.origins: defaultdict[int, list[int]] = defaultdict(list)
        self.scores: dict[int, float] = {}
        self.waiting: list[tuple[int, tuple[int, ...]]] = []
        self.seq = 0


class BoardStore:
    """The tournaments that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def tournament(self, run: CampaignArchive) -> Tournament:
        """A campaign's tournament now; only what is new is read."""
        with self._lock:
            kept = self._kept.setdefault(run.id, _Kept())
            self._kept.move_to_end(run.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        with kept.lock:
            for recorded in run.all_facts(kept.seq):
                kept.seq = recorded.seq
                kept.board.learn(recorded)
                if isinstance(recorded.fact, Origin) and recorded.fact.ideas:
                    kept.waiting.append((recorded.fact.candidate, recorded.fact.ideas))
            _read_scores(kept, run)
            return _standing(kept, run)


def _read_scores(kept: _Kept, run: CampaignArchive) -> None:
    """Take in candidates that were settled since."""
    unsettled = []
    for number, ideas in kept.waiting:
        try:
            candidate = run.candidate(number)
        except KeyError:  # a file from elsewhere may name what is not there
            continue
        if candidate.outcome is None:
            unsettled.append((number, ideas))
        elif candidate.scored and run.objectives:
            kept.scores[number] = candidate.scores[run.objectives[0].name]
            for idea in ideas:
                kept.origins[idea].append(number)
    kept.waiting = unsettled


def _standing(kept: _Kept, run: CampaignArchive) -> Tournament:
    board = kept.board
    ranking = tuple(board.ranking())
    built = {}
    if run.objectives:
        gain = run.objectives[0].gain
        for idea, numbers in kept.origins.items():
            best = max(numbers, key=lambda number: gain(kept.scores[number]))
            built[idea] = Built(best, kept.scores[best])
        gains = {idea: gain(each.score) for idea, each in built.items()}
    else:
        gains = {}
    check = JudgeCheck(_CHECKS)
    for match in board.matches.values():
        a, b = match.contestants[:2]
        if match.purpose == "calibration" and match.shares and {a, b} <= gains.keys():
            check.add(match.shares[0], gains[a] - gains[b])
    rated = [(each.rating.value, gains[each.number]) for each in ranking if each.number in gains]
    return Tournament(
        ranking=ranking,
        ideas={each.number: each for each in ranking},
        matches=dict(board.matches),
        plan=board.plan,
        overview=board.overview,
        built=built,
        agreement=check.agreement,
        correlation=_spearman(rated) if len(rated) > 2 else None,
    )


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Of equal values each has their mean rank; ``None`` if one side is all the same."""
    ranks = []
    for values in zip(*pairs, strict=True):
        order = sorted(values)
        ranks.append([bisect_left(order, v) + bisect_right(order, v) for v in values])
    if any(len(set(ranked)) == 1 for ranked in ranks):
        return None
    return statistics.correlation(*ranks)
