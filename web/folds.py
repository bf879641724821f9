"""What takes too long for each request of a large campaign: kept, and brought up to date.

Search health is folded a piece at a time. The bill is added up anew, but not each time.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

from metasearch.archive import CampaignArchive, Cost, Grouping, PairCost
from metasearch.operators.health import HealthMonitor, Window

SLICE = 1000
"""Candidates that one request folds at most: about 20 ms."""

FRESH = 10.0
"""Seconds for which a bill counts as new although calls have been added."""

_KEPT = 16

T = TypeVar("T")


class Folded(NamedTuple):
    """The windows so far."""

    windows: tuple[Window, ...]
    complete: bool
    """False if there are more candidates to fold: ask again."""


class _Fold:
    def __init__(self, run: CampaignArchive, size: int) -> None:
        self.lock = threading.Lock()
        self.monitor = HealthMonitor(run.objectives, size=size)
        self.seq = 0


class HealthStore:
    """The folds that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folds: OrderedDict[tuple[str, int], _Fold] = OrderedDict()

    def health(self, run: CampaignArchive, size: int) -> Folded:
        """The windows of so many candidates, as far as they are folded."""
        key = (run.id, size)
        with self._lock:
            if key not in self._folds:
                self._folds[key] = _Fold(run, size)
            fold = self._folds[key]
            self._folds.move_to_end(key)
            while len(self._folds) > _KEPT:
                self._folds.popitem(last=False)
        with fold.lock:
            count = 0
            for candidate in run.candidates(fold.seq, SLICE):
                fold.monitor.observe(candidate)
                fold.seq = candidate.seq
                count += 1
            return Folded(tuple(fold.monitor.windows), count < SLICE)


class CostStore:
    """The bills that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bills: OrderedDict[tuple[str, str], tuple[int, float, object]] = OrderedDict()

    def costs(self, run: CampaignArchive, by: Grouping) -> list[Cost]:
        """The campaign's bill, at most :data:`FRESH` seconds old."""
        return self._fresh(run, by, lambda: run.costs(by))

    def pairs(self, run: CampaignArchive) -> list[PairCost]:
        """Likewise by operator and model at once."""
        return self._fresh(run, "pairs", run.pair_costs)

    def _fresh(self, run: CampaignArchive, name: str, read: Callable[[], T]) -> T:
        key, seq, now = (run.id, name), run.version()[0], time.monotonic()
        with self._lock:
            known = self._bills.get(key)
        if known is not None and (known[0] == seq or now - known[1] < FRESH):
            return cast("T", known[2])
        bill = read()
        with self._lock:
            self._bills[key] = seq, now, bill
            self._bills.move_to_end(key)
            while len(self._bills) > 3 * _KEPT:
                self._bills.popitem(last=False)
        return bill
