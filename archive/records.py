"""Writing one campaign's steps and candidates: facts, each added in one transaction."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence

from metasearch.archive.attachments import Attachments
from metasearch.archive.core import SHORT_TEXT, evaluated, stored_text
from metasearch.archive.facts import StepRecord
from metasearch.archive.neighbours import Near, Neighbours
from metasearch.candidate import Candidate, EvaluationResult, Outcome, Split, StageResult
from metasearch.program import Program

_OPEN_STEP = "INSERT INTO step (campaign, number, seq) VALUES (?, ?, ?)"
_END_STEP = "UPDATE step SET ended = ? WHERE campaign = ? AND number = ? AND ended IS NULL"
_ADD_CANDIDATE = """
INSERT INTO candidate (campaign, number, step, call, queued, digest, length, operator, island, name,
    thought, rejection, outcome, stage, seq, model, temperature)
VALUES (:campaign, :number, :step, :call, :seq, :digest, :length, :operator, :island, :name,
    :thought, :rejection, :outcome, '', :seq, :model, :temperature)
"""
# The plus keeps the planner from going back through the calls of all steps.
_LAST_REPLY = """
SELECT model, json_extract(parameters, '$.temperature') FROM exchange
WHERE campaign = ? AND step = ? AND asker = -1 AND state = 'answered' ORDER BY +seq DESC LIMIT 1
"""
_ADD_FILE = """
INSERT INTO candidate_file (campaign, candidate, position, path, blob) VALUES (?, ?, ?, ?, ?)
"""
_ADD_DUPLICATE = """
INSERT INTO duplicate (campaign, candidate, original, measure, similarity) VALUES (?, ?, ?, ?, ?)
"""
_ADD_PARENT = "INSERT INTO lineage (campaign, child, position, parent) VALUES (?, ?, ?, ?)"
_STATE = "SELECT step, outcome FROM candidate WHERE campaign = ? AND number = ?"
_SETTLE = """
UPDATE candidate SET outcome = :outcome, stage = :stage, gain = :gain, seq = :seq
WHERE campaign = :campaign AND number = :number AND outcome IS NULL
"""
_ADD_EVALUATION = """
INSERT INTO evaluation (campaign, seq, candidate, split, outcome, feedback, error, seconds,
    stdout, stderr, memory)
VALUES (:campaign, :seq, :candidate, :split, :outcome, :feedback, :error, :seconds,
    :stdout, :stderr, :memory)
"""
_ADD_STAGE = """
INSERT INTO stage (campaign, seq, position, stage, passed, seconds) VALUES (?, ?, ?, ?, ?, ?)
"""
_ADD_SCORE = """
INSERT INTO score (campaign, seq, stage, position, metric, private, counts, value, low, high,
    samples)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_EXAMPLES = """
INSERT INTO example_scores (campaign, seq, stage, position, blob) VALUES (?, ?, ?, ?, ?)
"""
_ADD_IMPROVEMENT = """
INSERT INTO improvement (campaign, seq, candidate, evaluations, seconds, usd, score)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class Records(Attachments, Neighbours):
    """The steps and candidates of one campaign, for writing too."""

    def open_step(self) -> StepRecord:
        """Reserve the next step number, for good."""
        with self._writing() as connection:
            seq, steps, _ = self._advance(connection, facts=1, steps=1)
            step = StepRecord(number=steps - 1, seq=seq)
            connection.execute(_OPEN_STEP, (self._campaign, step.number, seq))
            self._event(connection, seq, "opened", step=step.number)
        return step

    def end_step(self, number: int) -> None:
        """Say that a step has run to its end.

        Raises:
            ValueError: It was never opened, or has ended before.
        """
        with self._writing() as connection:
            seq = self._advance(connection, facts=1).seq
            if not connection.execute(_END_STEP, (seq, self._campaign, number)).rowcount:
                raise ValueError(f"step {number} is not open")
            self._event(connection, seq, "ended", step=number)

    def queue_candidate(
        self,
        step: int,
        call: int,
        program: Program | None,
        *,
        parents: Sequence[int] = (),
        operator: str,
        name: str = "",
        thought: str = "",
        island: int | None = None,
        rejection: str = "",
        near: Near | None = None,
    ) -> Candidate:
        """Archive the ``call``-th proposal of a step.

        A second time for the same step and call, as after a crash, it returns what was
        recorded the first time.

        Args:
            step: The step that proposes it, open.
            call: Counts the step's proposals from 0.
            program: Its files; ``None`` if the edit gave none.
            parents: Numbers of what it was made from, the main one first.
            operator: How it was made.
            name: In the proposer's words.
            thought: Likewise.
            island: Where it belongs, for strategies with islands.
            rejection: Why it must not be evaluated. Given for it when the campaign has had
                the same program before, or one that is as good as the same.
            near: Such a one, if there is.

        Returns:
            The candidate: waiting for :meth:`settle`, or rejected with the reason.
        """
        if program is None and not rejection:
            raise ValueError("a proposal without a program needs the reason of its rejection")
        with self._writing() as connection:
            recorded = self.of_call(step, call)
            if recorded is not None:
                return recorded
            digest = None if program is None else bytes.fromhex(program.digest)
            if program is not None and not rejection:
                near = self.twin(program) or near
                rejection = "" if near is None else near.reason
            settled = {Outcome.REJECTED: 1} if rejection else {}
            seq, _, candidates = self._advance(connection, facts=1, candidates=1, **settled)
            number = candidates - 1
            reply = connection.execute(_LAST_REPLY, (self._campaign, step)).fetchone()
            model, temperature = reply or (None, None)
            row = {
                "campaign": self._campaign,
                "number": number,
                "step": step,
                "call": call,
                "seq": seq,
                "digest": digest,
                "length": sum(map(len, program.files.values())) if program else 0,
                "operator": stored_text(operator, SHORT_TEXT),
                "island": island,
                "name": stored_text(name, SHORT_TEXT),
                "thought": stored_text(thought),
                "rejection": stored_text(rejection),
                "outcome": Outcome.REJECTED.value if rejection else None,
                "model": model,
                "temperature": temperature,
            }
            connection.execute(_ADD_CANDIDATE, row)
            for position, (path, text) in enumerate(program.files.items() if program else ()):
                blob = self._blobs.add_text(text)
                connection.execute(_ADD_FILE, (self._campaign, number, position, path, blob))
            if rejection and near is not None:
                row_ = (self._campaign, number, near.original, near.measure, near.similarity)
                connection.execute(_ADD_DUPLICATE, row_)
            for position, parent in enumerate(parents):
                connection.execute(_ADD_PARENT, (self._campaign, number, position, parent))
            kind, detail = ("settled", row["outcome"]) if rejection else ("queued", row["operator"])
            self._event(connection, seq, kind, step=step, candidate=number, detail=str(detail))
            return self.candidate(number)

    def settle(self, number: int, result: EvaluationResult) -> Candidate:
        """Store what became of a queued candidate: all of it, in one transaction.

        Args:
            number: The candidate's.
            result: Of its evaluation on the validation split. Metrics that the campaign's
                settings call private are kept apart.

        Raises:
            ValueError: It is not queued, or a score is missing or not finite.
        """
        if result.split is not Split.VALIDATION:
            raise ValueError("a candidate is settled by its validation; use record_test()")
        objective = self._identity.objective
        if objective is None:
            raise ValueError(f"candidate #{number} cannot be settled: nothing is measured here")
        gain = None
        if result.outcome is Outcome.SCORED:
            if objective.name not in result.scores:
                raise ValueError(f"candidate #{number} is scored without {objective.name!r}")
            if result.stages[-1].passed:  # scores of a cheap stage compare with no others
                gain = objective.gain(result.scores[objective.name].value)
        with self._writing() as connection:
            step = self._step_of(connection, number, queued=True)
            before = self._progress(connection)["best_gain"]
            better = gain is not None and (before is None or gain > before)
            outcome = {result.outcome.value: 1}
            seq = self._advance(
                connection, facts=1, **outcome, best_gain=gain if better else None
            ).seq
            row = {
                "campaign": self._campaign,
                "number": number,
                "outcome": result.outcome.value,
                "stage": stored_text(result.stages[-1].stage, SHORT_TEXT) if result.stages else "",
                "gain": gain,
                "seq": seq,
            }
            connection.execute(_SETTLE, row)
            self._add_evaluation(connection, seq, number, result)
            if better:
                self._add_improvement(connection, seq, number, result.scores[objective.name].value)
            detail = result.outcome.value
            self._event(connection, seq, "settled", step=step, candidate=number, detail=detail)
            return self.candidate(number)

    def record_test(self, number: int, result: EvaluationResult) -> None:
        """Store a measurement on the test split, which leaves the candidate as it is."""
        if result.split is not Split.TEST:
            raise ValueError("record_test() is for the test split; use settle()")
        with self._writing() as connection:
            step = self._step_of(connection, number, queued=False)
            seq = self._advance(connection, facts=1).seq
            self._add_evaluation(connection, seq, number, result)
            detail = result.outcome.value
            self._event(connection, seq, "tested", step=step, candidate=number, detail=detail)

    def _step_of(self, connection: sqlite3.Connection, number: int, *, queued: bool) -> int:
        found = connection.execute(_STATE, (self._campaign, number)).fetchone()
        if found is None:
            raise ValueError(f"the campaign {self.id} has no candidate #{number}")
        step, outcome = found
        if queued == (outcome is not None):
            raise ValueError(f"candidate #{number} is {outcome or 'queued'} already")
        return int(step)

    def _add_evaluation(
        self,
        connection: sqlite3.Connection,
        seq: int,
        number: int,
        result: EvaluationResult,
    ) -> None:
        row = {
            "campaign": self._campaign,
            "seq": seq,
            "candidate": number,
            "split": result.split.value,
            "outcome": result.outcome.value,
            "feedback": stored_text(result.feedback),
            "error": stored_text(result.error),
            "seconds": result.seconds,
            "stdout": self._blobs.add_text(result.stdout) if result.stdout else None,
            "stderr": self._blobs.add_text(result.stderr) if result.stderr else None,
            "memory": result.memory,
        }
        connection.execute(_ADD_EVALUATION, row)
        for position, stage in enumerate(result.stages):
            counts = result.outcome is Outcome.SCORED and position == len(result.stages) - 1
            self._add_stage(connection, seq, position, stage, counts)
        self._attach(connection, seq, number, result)

    def _add_stage(
        self,
        connection: sqlite3.Connection,
        seq: int,
        position: int,
        stage: StageResult,
        counts: bool,
    ) -> None:
        key = (self._campaign, seq, position)
        name = stored_text(stage.stage, SHORT_TEXT)
        connection.execute(_ADD_STAGE, (*key, name, stage.passed, stage.seconds))
        for place, (metric, score) in enumerate(stage.scores.items()):
            if not all(map(math.isfinite, (score.value, score.low, score.high))):
                raise ValueError(f"the score {metric!r} is {score}, not finite")
            flags = (metric in self._identity.settings.evaluator.private, counts)
            values = (score.value, score.low, score.high, score.samples)
            connection.execute(_ADD_SCORE, (*key, place, stored_text(metric), *flags, *values))
            if examples := stage.examples.get(metric):
                blob = self._blobs.add_text(json.dumps(examples, allow_nan=False))
                connection.execute(_ADD_EXAMPLES, (*key, place, blob))

    def _add_improvement(
        self, connection: sqlite3.Connection, seq: int, number: int, score: float
    ) -> None:
        now = self._progress(connection)
        usd = None if now["unpriced"] else now["usd"]
        row = (self._campaign, seq, number, evaluated(now), now["seconds"], usd, score)
        connection.execute(_ADD_IMPROVEMENT, row)
