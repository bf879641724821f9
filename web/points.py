"""Columns for charts, kept in memory and added to: a candidate that is settled never changes.

The first reading of a large campaign takes a moment, every later one only what is new.
"""

from __future__ import annotations

import json
import struct
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metasearch.archive import CampaignArchive
from metasearch.candidate import Outcome

OUTCOMES = tuple(str(outcome) for outcome in Outcome)
"""Codes of outcomes are places in it."""

MAX_POINTS = 200_000
"""That one answer holds; of more, those in between are left out evenly."""

CHEAP = (
    *("number", "outcome", "value", "record", "parent"),
    *("operator", "model", "island", "evaluations"),
)
"""Columns that every chart needs."""

COSTLY = ("at", "usd", "tokens")
"""Columns whose first reading takes as long again."""

COLUMNS = CHEAP + COSTLY

MAX_NAMES = 255
"""Different operators, or models, that have a code of their own; the last one is all others."""

_KEPT = 8
"""Campaigns in memory: at most about 50 MB each with a million candidates."""

Column = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Points:
    """A campaign's settled candidates, in the order in which they were settled."""

    columns: Mapping[str, Column]
    """Equally long; names as in the API."""
    count: int
    operators: tuple[str, ...]
    models: tuple[str, ...]
    seq: int
    """Of the latest fact that is in it."""
    every: int
    """1, or n if only every n-th is there, and each improvement."""

    def head(self) -> dict[str, object]:
        """What there is to know beside the columns."""
        return {
            "count": self.count,
            "seq": self.seq,
            "every": self.every,
            "outcomes": list(OUTCOMES),
            "operators": list(self.operators),
            "models": list(self.models),
        }

    def packed(self) -> bytes:
        """The columns as bytes, little-endian.

        First the length of the head as uint32, then the head as JSON, then each column at the
        offset behind the head that the head gives, a multiple of 8.
        """
        places: dict[str, dict[str, object]] = {}
        offset = 0
        arrays = {n: c.astype(c.dtype.newbyteorder("<")) for n, c in self.columns.items()}
        for name, array in arrays.items():
            places[name] = {"type": array.dtype.name, "offset": offset}
            offset += -(-array.nbytes // 8) * 8
        head = json.dumps(self.head() | {"columns": places}).encode()
        head += b" " * (-(len(head) + 4) % 8)
        body = b"".join(a.tobytes() + b"\0" * (-a.nbytes % 8) for a in arrays.values())
        return struct.pack("<I", len(head)) + head + body


@dataclass
class _Kept:
    """What is known of one campaign so far."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    seq: int = 0
    evaluations: int = 0
    best: float = -np.inf
    operators: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    metrics: dict[str, Column] = field(default_factory=dict)
    costly: dict[str, Column] = field(default_factory=dict)
    """Those of :data:`COSTLY` that were asked for."""


class PointStore:
    """Columns of the campaigns that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def points(
        self,
        run: CampaignArchive,
        metric: str | None = None,
        after: int = 0,
        columns: Sequence[str] = (),
    ) -> Points:
        """Candidates settled after a fact.

        Args:
            run: The campaign.
            metric: What the values are; ``None`` for the first objective.
            after: ``seq`` of what the caller has already.
            columns: Names of :data:`COLUMNS`; those of :data:`CHEAP` if there are none.
        """
        with self._lock:
            kept = self._kept.setdefault(run.id, _Kept())
            self._kept.move_to_end(run.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        with kept.lock:
            _read_new(kept, run)
            wanted = columns or CHEAP
            if "at" in wanted:
                _read_times(kept, run)
            if "usd" in wanted or "tokens" in wanted:
                _read_spent(kept, run)
            known = kept.columns | kept.costly
            if metric is not None and "value" in wanted:
                known["value"] = _values(kept, run, metric)
            return _chosen(kept, {name: known[name] for name in wanted}, after)


def _read_new(kept: _Kept, run: CampaignArchive) -> None:
    new = run.settled(kept.seq)
    if not new.seqs and kept.columns:
        return
    evaluated = np.array([outcome != Outcome.REJECTED for outcome in new.outcomes], bool)
    sign = run.objectives[0].gain(1.0) if run.objectives else 1.0
    evaluations = np.cumsum(evaluated) + kept.evaluations
    fresh: dict[str, Column] = {
        "fact": np.array(new.seqs, np.int32),
        "number": np.array(new.numbers, np.int32),
        "outcome": np.array([OUTCOMES.index(outcome) for outcome in new.outcomes], np.uint8),
        "value": _drawn([np.nan if g is None else sign * g for g in new.gains]),
        "record": _records(new.gains, kept).astype(np.uint8),
        "parent": np.array([-1 if p is None else p for p in new.parents], np.int32),
        "operator": _codes(new.operators, kept.operators),
        "model": _codes(new.models, kept.models),
        "island": np.array([-1 if i is None else i for i in new.islands], np.int32),
        "evaluations": evaluations.astype(np.int32),
    }
    if kept.columns:
        fresh = {name: np.concatenate([kept.columns[name], fresh[name]]) for name in fresh}
    kept.columns = fresh
    if new.seqs:
        kept.seq = new.seqs[-1]
        kept.evaluations = int(evaluations[-1])


def _drawn(values: list[float]) -> Column:
    """As 32 bits: what is larger than they can hold stands at their end."""
    most = float(np.finfo(np.float32).max)
    return np.clip(np.array(values, np.float64), -most, most).astype(np.float32)


def _records(gains: tuple[float | None, ...], kept: _Kept) -> npt.NDArray[np.bool_]:
    """Which of them became the best so far."""
    known = np.array([-np.inf if gain is None else gain for gain in gains], np.float64)
    before = np.maximum.accumulate(np.concatenate([[kept.best], known]))
    kept.best = float(before[-1])
    return known > before[:-1]


def _codes(names: tuple[str | None, ...], known: dict[str, int]) -> Column:
    codes = np.empty(len(names), np.uint8)
    for place, name in enumerate(names):
        text = name or ""
        if text not in known and len(known) < MAX_NAMES:
            known[text] = len(known)
        codes[place] = known.get(text, MAX_NAMES)
    return codes


def _values(kept: _Kept, run: CampaignArchive, metric: str) -> Column:
    values = kept.metrics.get(metric, np.empty(0, np.float32))
    seqs = kept.columns["fact"]
    if len(values) < len(seqs):
        new = seqs[len(values) :].tolist()
        found = run.values(metric, new[0] - 1, new[-1])
        drawn = _drawn([found.get(seq, np.nan) for seq in new])
        values = kept.metrics[metric] = np.concatenate([values, drawn])
    return values


def _read_times(kept: _Kept, run: CampaignArchive) -> None:
    times = kept.costly.get("at", np.empty(0, np.float64))
    new = kept.columns["fact"][len(times) :].tolist()
    if new:
        found = run.times(new[0] - 1, new[-1])
        times = np.concatenate([times, np.array([found.get(seq, np.nan) for seq in new])])
    kept.costly["at"] = times


def _read_spent(kept: _Kept, run: CampaignArchive) -> None:
    """What all calls that had ended when a candidate was settled have cost together."""
    usd = kept.costly.get("usd", np.empty(0, np.float64))
    tokens = kept.costly.get("tokens", np.empty(0, np.float64))
    seqs = kept.columns["fact"]
    start, new = len(usd), seqs[len(usd) :]
    if len(new):
        since = int(seqs[start - 1]) if start else 0
        spent = run.spent(since, int(new[-1]))
        places = np.searchsorted(np.array(spent.seqs, np.int64), new, "right")
        before = (float(usd[-1]), float(tokens[-1])) if start else (0.0, 0.0)
        paid = np.cumsum([before[0], *(amount or 0.0 for amount in spent.usd)])
        used = np.cumsum([before[1], *spent.tokens])
        usd, tokens = np.concatenate([usd, paid[places]]), np.concatenate([tokens, used[places]])
    kept.costly |= {"usd": usd, "tokens": tokens}


def _chosen(kept: _Kept, columns: Mapping[str, Column], after: int) -> Points:
    start = int(np.searchsorted(kept.columns["fact"], after, "right"))
    count = len(kept.columns["fact"]) - start
    every = max(1, -(-count // MAX_POINTS))
    places = np.arange(start, start + count, every)
    if every > 1:
        records = start + np.flatnonzero(kept.columns["record"][start:])
        places = np.union1d(places, records)
    return Points(
        columns={name: column[places] for name, column in columns.items()},
        count=len(places),
        operators=tuple(kept.operators),
        models=tuple(kept.models),
        seq=kept.seq,
        every=every,
    )
