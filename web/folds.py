"""Search health, folded a piece at a time: a large campaign's first look takes several requests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from metasearch.archive import CampaignArchive
from metasearch.operators.health import HealthMonitor, Window

SLICE = 3000
"""Candidates that one request folds at most: about 50 ms."""

_KEPT = 16


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
