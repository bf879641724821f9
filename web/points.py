"""Columns for charts, kept in memory and added to: a candidate that is settled never changes.

A large campaign is read in pieces when it is first looked at, later only what is new. Until all
is read, a sample gives a picture of the whole.
"""

from __future__ import annotations

import json
import math
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from metasearch.archive import CampaignArchive, Settled
from metasearch.candidate import Outcome
from metasearch.web.decoding import CODES, OUTCOMES, Column, Names, decoded, drawn, in_order

MAX_POINTS = 200_000
"""That one answer holds; of more, those in between are left out evenly."""

CHEAP = (
    *("number", "outcome", "value", "record", "parent"),
    *("operator", "model", "island", "evaluations"),
)
"""Columns that every chart needs."""

COSTLY = ("at", "usd", "tokens")
"""Columns whose first reading takes as long again."""

SUMS = ("evaluations", "usd", "tokens")
"""Columns that are sums over all candidates until then: a sample cannot have them."""

PIECE = 2_500
"""Candidates that are read at once: about 15 ms."""

COLUMNS = CHEAP + COSTLY

_KEPT = 8
"""Campaigns in memory: at most about 50 MB each with a million candidates."""


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
    complete: bool = True
    """False if more is to be read: ask again for what comes after ``seq``."""

    def head(self) -> dict[str, object]:
        """What there is to know beside the columns."""
        return {
            "count": self.count,
            "seq": self.seq,
            "every": self.every,
            "complete": self.complete,
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
    best: float = -np.inf
    names: Names = field(default_factory=Names)
    columns: dict[str, Column] = field(default_factory=dict)
    """Those that every candidate has: :data:`CHEAP` and ``fact``."""
    metrics: dict[str, Column] = field(default_factory=dict)
    costly: dict[str, Column] = field(default_factory=dict)
    """Those of :data:`COSTLY` that were asked for. They and metrics may be shorter."""
    total: int = 0
    """Candidates in the archive."""

    @property
    def facts(self) -> Column:
        """The fact that settled each."""
        return self.columns.get("fact", np.empty(0, np.int32))


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
        patience: float = math.inf,
    ) -> Points:
        """Candidates settled after a fact.

        Args:
            run: The campaign.
            metric: What the values are; ``None`` for the first objective.
            after: ``seq`` of what the caller has already.
            columns: Names of :data:`COLUMNS`; those of :data:`CHEAP` if there are none.
            patience: Seconds after which no further piece is read: then some may be missing at
                the end.
        """
        with self._lock:
            kept = self._kept.setdefault(run.id, _Kept())
            self._kept.move_to_end(run.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        wanted = columns or CHEAP
        end = time.monotonic() + patience
        while True:
            with kept.lock:  # for a piece: others may want what is there already
                complete = _read_piece(kept, run, metric, wanted)
                if complete or time.monotonic() > end:
                    return _chosen(kept, _wanted(kept, metric, wanted), after, complete)


def sample(
    run: CampaignArchive, size: int, metric: str | None = None, columns: Sequence[str] = ()
) -> Points:
    """Settled candidates chosen evenly over the whole campaign, and those that became the best.

    Args:
        run: The campaign.
        size: About so many.
        metric: What the values are; ``None`` for the first objective.
        columns: Names of :data:`COLUMNS` without :data:`SUMS`; by default those of
            :data:`CHEAP` without them.
    """
    found, names = run.sample(size), Names()
    known = decoded(found.settled, run, names)
    known["record"] = np.array([n in found.best for n in found.settled.numbers], np.uint8)
    seqs = list(found.settled.seqs)
    wanted = columns or [name for name in CHEAP if name not in SUMS]
    if "at" in wanted:
        known["at"] = in_order(run.times_of(seqs), seqs)
    if metric is not None and "value" in wanted:
        known["value"] = drawn(in_order(run.values_of(metric, seqs), seqs))
    return Points(
        columns={name: known[name] for name in wanted},
        count=len(seqs),
        operators=tuple(names.operators),
        models=tuple(names.models),
        seq=seqs[-1] if seqs else 0,
        every=found.every,
    )


def _read_piece(
    kept: _Kept, run: CampaignArchive, metric: str | None, wanted: Sequence[str]
) -> bool:
    """Read on in what is wanted; true if that was all."""
    facts = kept.facts
    new = run.settled(int(facts[-1]) if len(facts) else 0, PIECE)
    if new.seqs or not kept.columns:
        kept.columns = _joined(kept.columns, _decoded_on(new, run, kept))
        kept.total = sum(run.counts().values())
    if "at" in wanted:
        _read_times(kept, run)
    if "usd" in wanted or "tokens" in wanted:
        _read_spent(kept, run)
    if metric is not None and "value" in wanted:
        _read_values(kept, run, metric)
    shortest = min(len(column) for column in _wanted(kept, metric, wanted).values())
    return len(new.seqs) < PIECE and shortest == len(kept.facts)


def _wanted(kept: _Kept, metric: str | None, wanted: Sequence[str]) -> dict[str, Column]:
    known = kept.columns | kept.costly
    if metric is not None and "value" in wanted:
        known["value"] = kept.metrics[metric]
    return {name: known[name] for name in wanted}


def _decoded_on(new: Settled, run: CampaignArchive, kept: _Kept) -> dict[str, Column]:
    """Likewise, with what goes on from those before."""
    known = decoded(new, run, kept.names)
    gains = np.array([-np.inf if gain is None else gain for gain in new.gains], np.float64)
    before = np.maximum.accumulate(np.concatenate([[kept.best], gains]))
    kept.best = float(before[-1])
    known["record"] = (gains > before[:-1]).astype(np.uint8)
    before_these = int(kept.columns["evaluations"][-1]) if len(kept.facts) else 0
    evaluated = known["outcome"] != CODES[Outcome.REJECTED]
    known["evaluations"] = (before_these + np.cumsum(evaluated)).astype(np.int32)
    return known


def _joined(known: Mapping[str, Column], new: dict[str, Column]) -> dict[str, Column]:
    if not known:
        return new
    return {name: np.concatenate([known[name], column]) for name, column in new.items()}


def _next(kept: _Kept, known: Column) -> list[int]:
    """Facts of the next piece of a column."""
    facts: list[int] = kept.facts[len(known) : len(known) + PIECE].tolist()
    return facts


def _read_values(kept: _Kept, run: CampaignArchive, metric: str) -> None:
    values = kept.metrics.setdefault(metric, np.empty(0, np.float32))
    if new := _next(kept, values):
        found = in_order(run.values(metric, new[0] - 1, new[-1]), new)
        kept.metrics[metric] = np.concatenate([values, drawn(found)])


def _read_times(kept: _Kept, run: CampaignArchive) -> None:
    times = kept.costly.setdefault("at", np.empty(0, np.float64))
    if new := _next(kept, times):
        found = in_order(run.times(new[0] - 1, new[-1]), new)
        kept.costly["at"] = np.concatenate([times, found])


def _read_spent(kept: _Kept, run: CampaignArchive) -> None:
    """What all calls that had ended when a candidate was settled have cost together."""
    usd = kept.costly.setdefault("usd", np.empty(0, np.float64))
    tokens = kept.costly.setdefault("tokens", np.empty(0, np.float64))
    start, new = len(usd), _next(kept, usd)
    if new:
        since = int(kept.facts[start - 1]) if start else 0
        spent = run.spent(since, new[-1])
        places = np.searchsorted(np.array(spent.seqs, np.int64), new, "right")
        before = (float(usd[-1]), float(tokens[-1])) if start else (0.0, 0.0)
        paid = np.cumsum([before[0], *(amount or 0.0 for amount in spent.usd)])
        used = np.cumsum([before[1], *spent.tokens])
        usd, tokens = np.concatenate([usd, paid[places]]), np.concatenate([tokens, used[places]])
    kept.costly |= {"usd": usd, "tokens": tokens}


def _chosen(kept: _Kept, columns: Mapping[str, Column], after: int, complete: bool) -> Points:
    known = min(len(column) for column in columns.values())
    start = min(int(np.searchsorted(kept.facts, after, "right")), known)
    every = max(1, -(-kept.total // MAX_POINTS))
    places = np.arange(start, known)
    if every > 1:
        record = kept.columns["record"][start:known]
        places = places[(places % every == 0) | (record == 1)]
    return Points(
        columns={name: column[places] for name, column in columns.items()},
        count=len(places),
        operators=tuple(kept.names.operators),
        models=tuple(kept.names.models),
        seq=max(after, int(kept.facts[known - 1]) if known else 0),
        every=every,
        complete=complete,
    )
