"""What takes too long for each request of a large campaign: kept, and brought up to date.

Both search health and the bill are added up a piece at a time, and then only what is new.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from metasearch.archive import CampaignArchive, Cost, Grouping, Tally
from metasearch.operators.health import HealthMonitor, Window

SLICE = 1000
"""Candidates that one request folds at most: about 20 ms."""

STEPS = 2_500
"""Steps whose calls are added to a bill at once: about 10 ms."""

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


class _Kept:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tally = Tally()


class CostStore:
    """The bills that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bills: OrderedDict[tuple[str, Grouping], _Kept] = OrderedDict()

    def costs(
        self, run: CampaignArchive, by: Grouping, patience: float = math.inf
    ) -> list[Cost] | None:
        """The campaign's bill; ``None`` if there is more to add up: ask again.

        Args:
            run: The campaign.
            by: What is put together.
            patience: Seconds after which no further piece is added.
        """
        key = (run.id, by)
        with self._lock:
            kept = self._bills.setdefault(key, _Kept())
            self._bills.move_to_end(key)
            while len(self._bills) > 3 * _KEPT:
                self._bills.popitem(last=False)
        end = time.monotonic() + patience
        while True:
            with kept.lock:  # for a piece: others may wait
                kept.tally, whole = run.tally(by, kept.tally, STEPS)
            if whole is not None or time.monotonic() > end:
                return whole
