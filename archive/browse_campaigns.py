"""The list of all runs as people browse it: found, sorted and paged without opening each one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import ValidationError

from metasearch.archive.core import evaluated, objective_of
from metasearch.archive.database import Database
from metasearch.archive.facts import State
from metasearch.archive.lease import holder, state_of
from metasearch.archive.mapping import as_usage
from metasearch.campaign import ROLES, CampaignFile
from metasearch.candidate import Outcome
from metasearch.exchange import Usage
from metasearch.objectives import Objective

Order = Literal["begun", "last", "name", "strategy", "evaluations", "usd", "best"]
"""What a list of runs may be sorted by."""

_RUNS = """
SELECT c.id, c.name, c.created, c.objective, c.direction, s.settings, p.*,
    l.released, l.host, l.machine, l.pid, l.started, l.beat, l.token,
    (SELECT at FROM event AS e WHERE e.campaign = c.key ORDER BY e.seq DESC LIMIT 1) AS last,
    (SELECT gain FROM candidate WHERE candidate.campaign = c.key AND number = 0) AS seed_gain
FROM campaign AS c
    JOIN settings AS s ON s.campaign = c.key
        AND s.seq = (SELECT max(seq) FROM settings WHERE campaign = c.key)
    JOIN progress AS p ON p.campaign = c.key
    LEFT JOIN lease AS l ON l.campaign = c.key
ORDER BY c.key DESC
"""
# Thinned out to at most 60 points, the last one always among them.
_EXTENDED = "SELECT DISTINCT campaign FROM command WHERE kind IN ('extend', 'concurrency')"
_LINE = """
SELECT evaluations, score FROM (
    SELECT evaluations, score, row_number() OVER (ORDER BY seq DESC) - 1 AS place,
        count(*) OVER () AS points
    FROM improvement WHERE campaign = :campaign ORDER BY seq)
WHERE place % (points / 60 + 1) = 0
"""
_BEST = """
SELECT number FROM candidate INDEXED BY candidate_gain
WHERE campaign = ? AND gain IS NOT NULL
    AND gain <= (SELECT best_gain FROM progress WHERE progress.campaign = candidate.campaign)
ORDER BY gain DESC, number LIMIT 1
"""


class Wanted(NamedTuple):
    """Which runs a list shows, and in what order."""

    words: str = ""
    """All of them must occur in the run's id, strategy, models or host."""
    state: State | None = None
    strategy: str | None = None
    order: Order = "begun"
    rising: bool = False
    """The smallest first; otherwise the newest or largest first."""
    after: str | None = None
    """Id of the run that the page before ended with."""
    limit: int = 50


class ListedRun(NamedTuple):
    """One run, as a list shows it."""

    key: int
    id: str
    name: str
    created: float
    state: State
    reason: str
    host: str
    """Of the engine that has it, or had it last; empty if none ever had."""
    last: float | None
    """Unix time of its latest event."""
    settings: CampaignFile
    objective: Objective | None
    """The first one; none in a campaign of ideas alone."""
    best_gain: float | None
    seed_gain: float | None
    evaluations: int
    outcomes: dict[str, int]
    """Settled candidates by outcome; every outcome has its place."""
    usage: Usage
    seconds: float
    """Time that engines have held it."""

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.settings.strategy.name

    @property
    def models(self) -> tuple[str, ...]:
        """The models in use, the proposing one first."""
        models = self.settings.models
        return tuple(dict.fromkeys(name for role in ROLES for name in models.models_for(role)))

    @property
    def best(self) -> float | None:
        """The best score of the first objective."""
        if self.best_gain is None or self.objective is None:
            return None
        return self.objective.gain(self.best_gain)

    @property
    def change(self) -> float | None:
        """The best score minus the seed program's."""
        if self.best is None or self.seed_gain is None or self.objective is None:
            return None
        return self.best - self.objective.gain(self.seed_gain)

    @property
    def failed(self) -> int:
        """Candidates that were evaluated and not scored."""
        return self.evaluations - self.outcomes[Outcome.SCORED]

    @property
    def per_minute(self) -> float | None:
        """Evaluations per minute of engine time."""
        return 60 * self.evaluations / self.seconds if self.seconds >= 1 else None


class RunPage(NamedTuple):
    """A part of the list, with what stands around it."""

    runs: tuple[ListedRun, ...]
    matching: int
    """How many runs are wanted, on all pages together."""
    total: int
    """How many there are."""
    following: str | None
    """``after`` of the next page, if there is one."""
    states: tuple[State, ...]
    """Those that occur."""
    strategies: tuple[str, ...]


class Best(NamedTuple):
    """How a run came to its best score."""

    candidate: int
    line: tuple[tuple[int, float], ...]
    """Evaluations and best score so far at each improvement; thinned out if there are many."""


def list_runs(database: Database, wanted: Wanted) -> RunPage:
    """The wanted runs, but for those whose stored settings this version cannot read."""
    with database.reading() as connection:
        rows = connection.execute(_RUNS).fetchall()
    runs = [run for run in map(_run, rows) if run is not None]
    found = [run for run in runs if _matches(run, wanted)]
    found = _sorted(found, wanted)
    places = {run.id: place for place, run in enumerate(found)}
    start = places.get(wanted.after or "", -1) + 1
    shown = found[start : start + wanted.limit]
    more = start + wanted.limit < len(found)
    return RunPage(
        runs=tuple(shown),
        matching=len(found),
        total=len(runs),
        following=shown[-1].id if more else None,
        states=tuple(sorted({run.state for run in runs})),
        strategies=tuple(sorted({run.strategy for run in runs})),
    )


def extended(database: Database) -> set[int]:
    """Keys of the runs whose budget or concurrency a command has changed."""
    with database.reading() as connection:
        return {key for (key,) in connection.execute(_EXTENDED)}


def best_of(database: Database, run: ListedRun) -> Best | None:
    """The number of the best candidate and the way there; ``None`` if nothing is scored."""
    with database.reading() as connection:
        row = connection.execute(_BEST, (run.key,)).fetchone()
        line = connection.execute(_LINE, {"campaign": run.key}).fetchall()
    return None if row is None else Best(row["number"], tuple(tuple(point) for point in line))


def _run(row: sqlite3.Row) -> ListedRun | None:
    settings = _settings(row["settings"])
    if settings is None:
        return None
    lease = None if row["token"] is None else row
    return ListedRun(
        key=row["campaign"],
        id=row["id"],
        name=row["name"],
        created=row["created"],
        state=state_of(row, lease, alive=holder(lease) is not None),
        reason=row["reason"],
        host=row["host"] or "",
        last=row["last"],
        settings=settings,
        objective=objective_of(row["objective"], row["direction"]),
        best_gain=row["best_gain"],
        seed_gain=row["seed_gain"],
        evaluations=evaluated(row),
        outcomes={outcome.value: row[outcome] for outcome in Outcome},
        usage=as_usage(row),
        seconds=row["seconds"],
    )


@lru_cache(maxsize=4096)
def _settings(text: str) -> CampaignFile | None:
    """Read once for all lists: the value is frozen."""
    try:
        return CampaignFile.model_validate_json(text)
    except ValidationError:
        return None


def _matches(run: ListedRun, wanted: Wanted) -> bool:
    if wanted.state not in (None, run.state) or wanted.strategy not in (None, run.strategy):
        return False
    text = " ".join((run.id, run.strategy, *run.models, run.host)).casefold()
    return all(word in text for word in wanted.words.casefold().split())


_KEYS: dict[Order, Callable[[ListedRun], tuple[float, str] | None]] = {
    "begun": lambda run: (run.created, ""),
    "last": lambda run: _number(run.last),
    "name": lambda run: (0.0, run.name),
    "strategy": lambda run: (0.0, run.strategy),
    "evaluations": lambda run: _number(run.evaluations),
    "usd": lambda run: _number(run.usage.usd),
    "best": lambda run: _number(run.best_gain),
}


def _number(value: float | None) -> tuple[float, str] | None:
    return None if value is None else (value, "")


def _sorted(runs: Sequence[ListedRun], wanted: Wanted) -> list[ListedRun]:
    """Runs without the value come last, in both directions; equal ones stay newest first."""
    key = _KEYS[wanted.order]
    known = [(place, run) for run in runs if (place := key(run)) is not None]
    known.sort(key=lambda entry: entry[0], reverse=not wanted.rising)
    return [run for _, run in known] + [run for run in runs if key(run) is None]
