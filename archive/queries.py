"""Reading one campaign: indexed queries that cost the same at any size of the archive."""

# ruff: noqa: S608 - the queries are put together from constants of this file

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from metasearch.archive.commands import Commands
from metasearch.archive.core import NOW, evaluated
from metasearch.archive.database import damaged
from metasearch.archive.facts import CurvePoint, Evaluation, Event, StepRecord
from metasearch.archive.mapping import (
    as_candidate,
    as_curve_point,
    as_evaluation,
    as_event,
    as_score,
)
from metasearch.archive.recordings import Recordings
from metasearch.campaign import Budget, Campaign, CampaignFile
from metasearch.candidate import Candidate, Outcome, Score
from metasearch.errors import ArchiveError
from metasearch.facts import Kind, Recorded
from metasearch.objectives import Objective
from metasearch.program import NO_PROGRAM, Program

_CHUNK = 1000
"""Candidates read at once: few round trips, little memory, no long-lived snapshot."""

CANDIDATES = """
SELECT c.number, c.step, c.outcome, c.digest, c.operator, c.island, c.stage, c.name, c.thought,
    c.length, coalesce(e.feedback, ''), coalesce(e.error, c.rejection),
    coalesce(e.seconds, 0.0), c.seq, c.gain IS NOT NULL, c.model, c.temperature, d.original,
    e.memory
FROM candidate AS c LEFT JOIN evaluation AS e ON e.campaign = c.campaign AND e.seq = c.seq
    LEFT JOIN duplicate AS d ON d.campaign = c.campaign AND d.candidate = c.number
WHERE c.campaign = :campaign AND
"""
_ONE = CANDIDATES + "c.number = :number"
_SETTLED = CANDIDATES + "c.outcome IS NOT NULL AND c.seq > :after ORDER BY c.seq LIMIT :limit"
_RECENT = CANDIDATES + (
    "c.outcome IS NOT NULL AND c.seq <= :until ORDER BY c.seq DESC LIMIT :limit"
)
_QUEUED = CANDIDATES + "c.outcome IS NULL ORDER BY c.number"
_BEST = CANDIDATES + (
    "c.gain IS NOT NULL AND c.seq <= :until ORDER BY c.gain DESC, c.number LIMIT :limit"
)
_OF_STEPS = (
    CANDIDATES
    + "c.outcome IS NOT NULL AND c.step >= :since AND c.step < :before ORDER BY c.step, c.call"
)
_AT = CANDIDATES + "c.step = :step AND c.call = :call"
_CHILDREN = (
    CANDIDATES
    # The plus keeps the planner from going through all facts up to there.
    + "c.outcome IS NOT NULL AND +c.seq <= :until AND c.number IN (SELECT child FROM lineage "
    + "WHERE campaign = :campaign AND parent = :number) ORDER BY c.number DESC LIMIT :limit"
)
_LINE = (
    CANDIDATES
    + """c.number IN (
    WITH RECURSIVE line(number) AS (
        VALUES (:number)
        UNION ALL
        SELECT parent FROM line JOIN lineage
        ON lineage.campaign = :campaign AND child = line.number AND position = 0
        -- A parent is older than its child; a file from elsewhere may claim a circle.
        WHERE parent < line.number
    )
    SELECT number FROM line
) ORDER BY c.number DESC"""
)
_SCORES = """
SELECT seq, metric, value, private FROM score
WHERE campaign = ? AND seq IN (SELECT value FROM json_each(?)) AND counts
ORDER BY seq, stage, position
"""
_SCORE = """
SELECT value, low, high, samples FROM score
WHERE campaign = ? AND seq = ? AND metric = ? AND counts AND NOT private
"""
_PARENTS = """
SELECT child, parent FROM lineage
WHERE campaign = ? AND child IN (SELECT value FROM json_each(?)) ORDER BY child, position
"""
_FILES = """
SELECT path, blob FROM candidate_file WHERE campaign = ? AND candidate = ? ORDER BY position
"""
_CAMPAIGN_FILES = """
SELECT path, blob FROM campaign_file WHERE campaign = :campaign AND kind = :kind AND seq =
    (SELECT max(seq) FROM campaign_file WHERE campaign = :campaign AND kind = :kind)
ORDER BY position
"""
# INDEXED BY: without statistics SQLite prefers to read all evaluations of the campaign.
_EVALUATIONS = """
SELECT * FROM evaluation INDEXED BY evaluation_candidate
WHERE campaign = ? AND candidate = ? ORDER BY seq
"""
_STAGES = "SELECT * FROM stage WHERE campaign = ? AND seq = ? ORDER BY position"
_STAGE_SCORES = "SELECT * FROM score WHERE campaign = ? AND seq = ? ORDER BY stage, position"
_EXAMPLES = """
SELECT stage, metric, private, counts, blob
FROM score JOIN example_scores USING (campaign, seq, stage, position)
WHERE campaign = ? AND seq = ? ORDER BY stage, position
"""
_OUTPUT = """
SELECT stdout, stderr FROM evaluation INDEXED BY evaluation_candidate
WHERE campaign = ? AND candidate = ? AND split = 'validation' ORDER BY seq DESC LIMIT 1
"""
_UNFINISHED = "SELECT number, seq FROM step WHERE campaign = ? AND ended IS NULL ORDER BY seq"
# Two indexes: the steps that are open now, and those that ended after the place.
_OPEN = """
SELECT number FROM (
    SELECT number, seq FROM step INDEXED BY step_unfinished
    WHERE campaign = :campaign AND ended IS NULL
    UNION ALL
    SELECT number, seq FROM step INDEXED BY step_ended WHERE campaign = :campaign AND ended > :until
) WHERE seq < :until ORDER BY number
"""
_EVENTS = "SELECT * FROM event WHERE campaign = ? AND seq > ? ORDER BY seq LIMIT ?"
_CURVE = "SELECT * FROM improvement WHERE campaign = ? ORDER BY seq"


_NUMBERS = TypeAdapter(tuple[FiniteFloat, ...])


class Queries(Recordings, Commands):
    """The facts of one campaign, to read."""

    @property
    def id(self) -> str:
        """The run's name in the archive."""
        return self._identity.id

    @property
    def evaluator_digest(self) -> str:
        """Of the evaluator that the campaign was started with, or last continued with."""
        return self._identity.evaluator_digest

    @property
    def seed_digest(self) -> str:
        """Of the seed program that the campaign was started with."""
        return self._identity.seed_digest

    @property
    def settings(self) -> CampaignFile:
        """With which the campaign was last run."""
        return self._identity.settings

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """In the file's order; best and curve go by the first one."""
        return self.settings.listed_objectives

    def resolved(self) -> Campaign:
        """The campaign as it was last run: settings, seed program and evaluator."""
        identity = self._identity
        seed = self._campaign_files("seed")
        with self._database.checked():
            return Campaign(
                name=identity.name,
                folder=Path(identity.folder),
                settings=identity.settings,
                seed_program=Program(files=seed) if seed else NO_PROGRAM,
                evaluator_files=self._campaign_files("evaluator"),
                prompts=self._campaign_files("prompts"),
            )

    def as_of(self, seq: int) -> PastView:
        """The archive as a step sees it that was opened at this place in the order of facts."""
        return PastView(self, seq)

    def candidate(self, number: int) -> Candidate:
        """One candidate; ``KeyError`` if there is none of this number."""
        found = self._candidates(_ONE, number=number)
        if not found:
            raise KeyError(f"the campaign {self.id} has no candidate #{number}")
        return found[0]

    def program(self, candidate: Candidate) -> Program:
        """Its files; ``KeyError`` if it never had any."""
        with self._database.reading() as connection:
            rows = connection.execute(_FILES, (self._campaign, candidate.number)).fetchall()
            files = {path: self._blobs.read_text(blob) for path, blob in rows}
        if not files:
            raise KeyError(f"candidate #{candidate.number} has no program")
        try:
            return Program(files=files)
        except ValidationError as error:
            raise ArchiveError(
                f"The program of candidate #{candidate.number} in {self._database.path} is not "
                f"valid: {error.errors()[0]['msg']}"
            ) from None

    def best(self, limit: int = 1, *, until: int = NOW) -> list[Candidate]:
        """The best scored ones by the first objective, best first; older first on ties.

        Those that a person has vetoed are left out.
        """
        vetoed = self.marks(until=until).vetoes
        found = self._candidates(_BEST, limit=limit + len(vetoed), until=until)
        return [candidate for candidate in found if candidate.number not in vetoed][:limit]

    def recent(self, limit: int, *, until: int = NOW) -> list[Candidate]:
        """The latest settled ones, newest first."""
        return self._candidates(_RECENT, limit=limit, until=until)

    def children(self, number: int, limit: int = 100, *, until: int = NOW) -> list[Candidate]:
        """The latest settled ones made from this one, newest first."""
        return self._candidates(_CHILDREN, number=number, limit=limit, until=until)

    def parents(self, number: int) -> list[Candidate]:
        """What a candidate was made from, the main one first."""
        return [self.candidate(parent) for parent in self.candidate(number).parents]

    def lineage(self, number: int) -> list[Candidate]:
        """A candidate, its main parent, and so on up to the seed."""
        return self._candidates(_LINE, number=number)

    def output(self, candidate: Candidate) -> tuple[str, str]:
        """What it printed: the stored tails of stdout and stderr."""
        with self._database.reading() as connection:
            row = connection.execute(_OUTPUT, (self._campaign, candidate.number)).fetchone()
            if row is None:
                return "", ""
            return self._blobs.read_text(row["stdout"]), self._blobs.read_text(row["stderr"])

    def examples(self, candidate: Candidate) -> dict[str, tuple[float, ...]]:
        """Public metric -> the one number for each example whose mean is its score, if kept."""
        with self._database.reading() as connection:
            rows = connection.execute(_EXAMPLES, (self._campaign, candidate.seq)).fetchall()
            return {
                row["metric"]: self._example_scores(row["blob"])
                for row in rows
                if row["counts"] and not row["private"]
            }

    def score(self, candidate: Candidate, metric: str) -> Score:
        """One public metric of a settled candidate, with its interval.

        Raises:
            KeyError: It has no such metric.
        """
        key = (self._campaign, candidate.seq, metric)
        with self._database.reading() as connection:
            row = connection.execute(_SCORE, key).fetchone()
        if row is None:
            raise KeyError(f"candidate #{candidate.number} has no public metric {metric!r}")
        with self._database.checked():
            return as_score(row)

    def candidates(self, after_seq: int = 0, limit: int | None = None) -> Iterator[Candidate]:
        """Settled candidates with facts after ``after_seq``, in the archive's order.

        Facts that arrive while the caller iterates come too.
        """
        left = limit
        while left is None or left > 0:
            size = _CHUNK if left is None else min(_CHUNK, left)
            chunk = self._candidates(_SETTLED, after=after_seq, limit=size)
            yield from chunk
            if len(chunk) < size:
                return
            after_seq = chunk[-1].seq
            left = None if left is None else left - size

    def history(self) -> Iterator[Candidate | Recorded]:
        """Settled candidates and recorded facts up to now, in the archive's order.

        Facts that arrive while the caller iterates do not come.
        """
        with self._database.reading() as connection:
            now = self._progress(connection)["seq"]
        candidates: Iterator[Candidate | Recorded] = self.candidates()
        merged = heapq.merge(candidates, self.all_facts(), key=lambda fact: fact.seq)
        return itertools.takewhile(lambda fact: fact.seq <= now, merged)

    def of_steps(self, before: int, since: int = 0) -> list[Candidate]:
        """Settled candidates of steps in ``[since, before)``, by step and place in it."""
        return self._candidates(_OF_STEPS, before=before, since=since)

    def of_call(self, step: int, call: int) -> Candidate | None:
        """What the ``call``-th evaluation of a step recorded, if it came that far."""
        found = self._candidates(_AT, step=step, call=call)
        return found[0] if found else None

    def queued(self) -> list[Candidate]:
        """Candidates that wait for, or are in, evaluation, oldest first."""
        return self._candidates(_QUEUED)

    def counts(self) -> dict[str, int]:
        """Settled candidates by outcome; every outcome has its place."""
        with self._database.reading() as connection:
            progress = self._progress(connection)
        return {outcome.value: progress[outcome] for outcome in Outcome}

    def evaluations(self) -> int:
        """How many candidates have used up an evaluation of the budget."""
        with self._database.reading() as connection:
            return evaluated(self._progress(connection))

    def seconds(self) -> float:
        """Engine time so far, summed over all runs, this one's last moments included."""
        with self._database.reading() as connection:
            return float(self._progress(connection)["seconds"]) + self._since_last_write()

    def evaluations_of(self, number: int) -> list[Evaluation]:
        """All measurements of a candidate, with stages and intervals, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_EVALUATIONS, (self._campaign, number)).fetchall()
            return [self._evaluation(connection, row) for row in rows]

    def unfinished_steps(self) -> list[StepRecord]:
        """Steps that were opened and not ended, in the order of their opening."""
        with self._database.reading() as connection:
            rows = connection.execute(_UNFINISHED, (self._campaign,)).fetchall()
        return [StepRecord(*row) for row in rows]

    def next_step(self) -> int:
        """The number that the next new step will get."""
        with self._database.reading() as connection:
            steps: int = self._progress(connection)["steps"]
        return steps

    def open_steps(self, *, until: int = NOW) -> list[int]:
        """Numbers of the steps that were open at a place in the order of facts, oldest first."""
        place = {"campaign": self._campaign, "until": until}
        with self._database.reading() as connection:
            return [number for (number,) in connection.execute(_OPEN, place)]

    def events(self, after_seq: int = 0, limit: int = 1000) -> list[Event]:
        """What happened after a fact, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_EVENTS, (self._campaign, after_seq, limit)).fetchall()
        return [as_event(row) for row in rows]

    def curve(self) -> list[CurvePoint]:
        """When the best got better, and what it had taken until then."""
        with self._database.reading() as connection:
            rows = connection.execute(_CURVE, (self._campaign,)).fetchall()
        return [as_curve_point(row) for row in rows]

    def _candidates(self, query: str, **parameters: str | float | None) -> list[Candidate]:
        """The candidates that a query finds, with their scores and parents: three reads."""
        with self._database.reading() as connection:
            rows = connection.execute(query, {"campaign": self._campaign, **parameters}).fetchall()
            if not rows:
                return []
            public: defaultdict[int, dict[str, float]] = defaultdict(dict)
            private: defaultdict[int, dict[str, float]] = defaultdict(dict)
            seqs = json.dumps([row["seq"] for row in rows])
            for seq, metric, value, secret in connection.execute(_SCORES, (self._campaign, seqs)):
                (private if secret else public)[seq][metric] = value
            parents: defaultdict[int, tuple[int, ...]] = defaultdict(tuple)
            numbers = json.dumps([row["number"] for row in rows])
            for child, parent in connection.execute(_PARENTS, (self._campaign, numbers)):
                parents[child] += (parent,)
        with self._database.checked():
            return [
                as_candidate(row, public[row["seq"]], private[row["seq"]], parents[row["number"]])
                for row in rows
            ]

    def _evaluation(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Evaluation:
        key = (self._campaign, row["seq"])
        scores: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
        for score in connection.execute(_STAGE_SCORES, key):
            scores[score["stage"]].append(score)
        examples: defaultdict[int, dict[str, tuple[float, ...]]] = defaultdict(dict)
        for kept in connection.execute(_EXAMPLES, key):
            examples[kept["stage"]][kept["metric"]] = self._example_scores(kept["blob"])
        with self._database.checked():
            stages = connection.execute(_STAGES, key).fetchall()
            return as_evaluation(row, stages, scores, examples)

    def _example_scores(self, blob: bytes) -> tuple[float, ...]:
        try:
            return _NUMBERS.validate_json(self._blobs.read_text(blob))
        except ValidationError:
            raise ArchiveError(damaged(self._database.path, "scores by example")) from None

    def _campaign_files(self, kind: str) -> dict[str, str]:
        with self._database.reading() as connection:
            rows: Sequence[sqlite3.Row] = connection.execute(
                _CAMPAIGN_FILES, {"campaign": self._campaign, "kind": kind}
            ).fetchall()
            return {path: self._blobs.read_text(blob) for path, blob in rows}


class PastView:
    """The facts up to a place in their order; satisfies :class:`metasearch.step.View`.

    A step that is run again after a crash must find what it found when it first opened,
    whatever has been settled since. A candidate that was vetoed by then is invalid.
    """

    def __init__(self, queries: Queries, until: int) -> None:
        self._queries = queries
        self._until = until
        self._marks = queries.marks(until=until)

    def candidate(self, number: int) -> Candidate:
        """See :class:`metasearch.step.View`."""
        return self._marks.seen(self._queries.candidate(number))

    def program(self, candidate: Candidate) -> Program:
        """See :class:`metasearch.step.View`."""
        return self._queries.program(candidate)

    def best(self, limit: int = 1) -> list[Candidate]:
        """See :class:`metasearch.step.View`."""
        return self._queries.best(limit, until=self._until)

    def recent(self, limit: int) -> list[Candidate]:
        """See :class:`metasearch.step.View`."""
        return [self._marks.seen(c) for c in self._queries.recent(limit, until=self._until)]

    def children(self, number: int, limit: int = 100) -> list[Candidate]:
        """See :class:`metasearch.step.View`."""
        found = self._queries.children(number, limit, until=self._until)
        return [self._marks.seen(candidate) for candidate in found]

    def output(self, candidate: Candidate) -> tuple[str, str]:
        """See :class:`metasearch.step.View`."""
        return self._queries.output(candidate)

    def examples(self, candidate: Candidate) -> dict[str, tuple[float, ...]]:
        """See :class:`metasearch.step.View`."""
        return self._queries.examples(candidate)

    def score(self, candidate: Candidate, metric: str) -> Score:
        """See :class:`metasearch.step.View`."""
        return self._queries.score(candidate, metric)

    def fact(self, number: int) -> Recorded:
        """See :class:`metasearch.step.View`."""
        return self._queries.fact(number)

    def facts(self, kind: Kind | None = None, limit: int = 100) -> list[Recorded]:
        """See :class:`metasearch.step.View`."""
        return self._queries.facts(kind, limit, until=self._until)

    def open_steps(self) -> list[int]:
        """See :class:`metasearch.step.View`."""
        return self._queries.open_steps(until=self._until)

    def budget(self) -> Budget:
        """See :class:`metasearch.step.View`."""
        return self._queries.settings_in_force(until=self._until).budget
