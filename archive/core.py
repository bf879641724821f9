"""What reading and writing one campaign have in common: the counters and the fence.

Every public write is one transaction. Each moves the campaign's counters by one statement,
which gives the new fact its number and refuses an engine that has lost its lease.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from metasearch.archive.blobs import Blobs
from metasearch.archive.database import Database
from metasearch.campaign import CampaignFile
from metasearch.candidate import Outcome
from metasearch.errors import CampaignBusy
from metasearch.objectives import Direction, Objective
from metasearch.texts import bounded_text

LONG_TEXT = 20_000
"""Characters of a thought, feedback or error that are kept; model replies are kept whole."""

SHORT_TEXT = 200
"""Characters of a name, operator or role that are kept."""

NOW = 2**63 - 1
"""A place in the order of facts behind all of them."""

_COUNTERS: dict[str, float | int | None] = {
    **dict.fromkeys(("facts", "steps", "candidates"), 0),
    **dict.fromkeys(map(str, Outcome), 0),
    **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens"), 0),
    **dict.fromkeys(("cache_write_tokens", "reasoning_tokens"), 0),
    **dict.fromkeys(("usd", "unpriced", "model_seconds"), 0),
    **dict.fromkeys(("lost_usd", "lost_unpriced", "lost_tokens"), 0),
    "best_gain": None,
}

_ADVANCE = """
UPDATE progress SET
    seq = seq + :facts, steps = steps + :steps, candidates = candidates + :candidates,
    scored = scored + :scored, invalid = invalid + :invalid, crashed = crashed + :crashed,
    timed_out = timed_out + :timed_out, out_of_memory = out_of_memory + :out_of_memory,
    output_limit = output_limit + :output_limit, rejected = rejected + :rejected,
    input_tokens = input_tokens + :input_tokens, output_tokens = output_tokens + :output_tokens,
    cached_tokens = cached_tokens + :cached_tokens,
    cache_write_tokens = cache_write_tokens + :cache_write_tokens,
    reasoning_tokens = reasoning_tokens + :reasoning_tokens,
    usd = usd + :usd, unpriced = unpriced + :unpriced,
    model_seconds = model_seconds + :model_seconds,
    lost_usd = lost_usd + :lost_usd, lost_unpriced = lost_unpriced + :lost_unpriced,
    lost_tokens = lost_tokens + :lost_tokens,
    best_gain = coalesce(:best_gain, best_gain), seconds = seconds + :elapsed
WHERE campaign = :campaign AND (:token IS NULL OR EXISTS
    (SELECT 1 FROM lease WHERE lease.campaign = :campaign AND token = :token AND NOT released))
RETURNING seq, steps, candidates
"""

_PROGRESS = "SELECT * FROM progress WHERE campaign = ?"

_EVENT = """
INSERT INTO event (campaign, seq, at, kind, step, candidate, detail) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class Identity(NamedTuple):
    """The campaign's own row, but for its files."""

    key: int
    id: str
    name: str
    folder: str
    settings: CampaignFile
    objective: Objective | None
    """The first one; none in a campaign of ideas alone."""
    evaluator_digest: str
    seed_digest: str


class Advanced(NamedTuple):
    """The counters after a step forward."""

    seq: int
    steps: int
    candidates: int


class Core:
    """One campaign in an open archive."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._campaign = identity.key
        self._token: str | None = None
        self._clock: float | None = None
        self._clock_read: float | None = None

    @property
    def _blobs(self) -> Blobs:
        return self._database.blobs

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._database.writing() as connection:
            yield connection
        self._clock = self._clock_read

    def _advance(self, connection: sqlite3.Connection, **counts: float | None) -> Advanced:
        """Move the counters; ``facts=1`` makes room for one fact, whose number is ``seq``.

        Raises:
            CampaignBusy: Another engine has taken the campaign over from this one.
        """
        row: dict[str, float | str | None] = {
            **_COUNTERS,
            **counts,
            "campaign": self._campaign,
            "token": self._token,
            "elapsed": self._since_last_write(),
        }
        found = connection.execute(_ADVANCE, row).fetchall()
        if not found:
            raise CampaignBusy(
                f"Another engine has taken over the campaign {self._identity.id} because this one "
                "was not heard of for too long. This one stops; nothing that it stored is lost."
            )
        return Advanced(*found[0])

    def _event(
        self,
        connection: sqlite3.Connection,
        seq: int,
        kind: str,
        *,
        step: int | None = None,
        candidate: int | None = None,
        detail: str = "",
    ) -> None:
        at = time.time()
        connection.execute(_EVENT, (self._campaign, seq, at, kind, step, candidate, detail))

    def _progress(self, connection: sqlite3.Connection) -> sqlite3.Row:
        row: sqlite3.Row = connection.execute(_PROGRESS, (self._campaign,)).fetchone()
        return row

    def _since_last_write(self) -> float:
        """Engine seconds that no transaction has counted yet; none outside of holding."""
        if self._clock is None:
            return 0.0
        self._clock_read = time.monotonic()
        return self._clock_read - self._clock


def evaluated(progress: sqlite3.Row) -> int:
    """How many settled candidates used up an evaluation."""
    return sum(int(progress[outcome]) for outcome in Outcome if outcome.evaluated)


def objective_of(name: str, direction: str) -> Objective | None:
    """The first objective, from its columns."""
    return Objective(name=name, direction=Direction(direction)) if name else None


def stored_text(text: str, limit: int = LONG_TEXT) -> str:
    """Text as a column takes it: valid UTF-8, and its end cut if it is too long."""
    return bounded_text(text, limit)
