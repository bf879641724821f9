"""The tables of candidates: proposals, programs, lineage, measurements and artifacts."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text

from metasearch.archive.row import (
    CLUSTERED,
    STRICT,
    Row,
    binary,
    content,
    integer,
    of_candidate,
    primary,
    real,
    words,
)


class CandidateRow(Row, table=True):
    """One proposal. ``outcome``, ``stage``, ``gain`` and ``seq`` are set once, by settling."""

    __tablename__ = "candidate"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "step"], ["step.campaign", "step.number"]),
        UniqueConstraint("campaign", "number"),
        UniqueConstraint("campaign", "step", "call"),
        Index(
            "candidate_digest",
            "campaign",
            "digest",
            unique=True,
            sqlite_where=text("rejection = ''"),
        ),
        Index("candidate_queued", "campaign", "number", sqlite_where=text("outcome IS NULL")),
        Index("candidate_settled", "campaign", "seq", sqlite_where=text("outcome IS NOT NULL")),
        Index(
            "candidate_gain",
            "campaign",
            text("gain DESC"),
            "number",
            sqlite_where=text("gain IS NOT NULL"),
        ),
        STRICT,
    )
    key: int = primary()
    campaign: int = integer()
    number: int = integer()
    step: int = integer()
    call: int = integer()
    queued: int = integer()
    """Fact of its arrival."""
    digest: bytes | None = binary()
    length: int = integer()
    """Characters of its files together."""
    operator: str = words()
    island: int | None = integer()
    name: str = words()
    thought: str = words()
    rejection: str = words()
    """Why it was rejected on arrival; empty if it was not."""
    outcome: str | None = words()
    stage: str = words()
    gain: float | None = real()
    """First objective, turned so that larger is better."""
    seq: int = integer()
    """Its last fact; once settled, the evaluation of the same ``seq`` measured it."""
    model: str | None = words()
    """That answered last in its step before it was proposed."""
    temperature: float | None = real()
    """Of that call."""


class CandidateFileRow(Row, table=True):
    """One file of a candidate's program, in the program's order."""

    __tablename__ = "candidate_file"
    __table_args__ = (of_candidate("candidate"), content(), CLUSTERED)
    campaign: int = primary()
    candidate: int = primary()
    position: int = primary()
    path: str = words()
    blob: bytes = binary()


class LineageRow(Row, table=True):
    """That one candidate was made from another; position 0 is the main parent."""

    __tablename__ = "lineage"
    __table_args__ = (
        of_candidate("child"),
        of_candidate("parent"),
        Index("lineage_parent", "campaign", "parent", "child"),
        CLUSTERED,
    )
    campaign: int = primary()
    child: int = primary()
    position: int = primary()
    parent: int = integer()


class EvaluationRow(Row, table=True):
    """One measurement of a candidate on one split."""

    __tablename__ = "evaluation"
    __table_args__ = (
        of_candidate("candidate"),
        content("stdout"),
        content("stderr"),
        Index("evaluation_candidate", "campaign", "candidate", "seq"),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    candidate: int = integer()
    split: str = words()
    outcome: str = words()
    feedback: str = words()
    error: str = words()
    seconds: float = real()
    stdout: bytes | None = binary()
    stderr: bytes | None = binary()
    memory: int | None = integer()
    """Most bytes in use inside at once, if that was measured."""


def _of_evaluation() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["campaign", "seq"], ["evaluation.campaign", "evaluation.seq"])


class StageRow(Row, table=True):
    """One stage of an evaluation."""

    __tablename__ = "stage"
    __table_args__ = (_of_evaluation(), CLUSTERED)
    campaign: int = primary()
    seq: int = primary()
    position: int = primary()
    stage: str = words()
    passed: int = integer()
    seconds: float = real()


class ScoreRow(Row, table=True):
    """One metric of one stage."""

    __tablename__ = "score"
    __table_args__ = (
        ForeignKeyConstraint(
            ["campaign", "seq", "stage"], ["stage.campaign", "stage.seq", "stage.position"]
        ),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    stage: int = primary()
    position: int = primary()
    metric: str = words()
    private: int = integer()
    counts: int = integer()
    """1 for the scores that stand for the candidate: the last stage's of a scored one."""
    value: float = real()
    low: float = real()
    high: float = real()
    samples: int = integer()


class ExampleScoresRow(Row, table=True):
    """What a score is the mean of: a JSON list with one number for each example."""

    __tablename__ = "example_scores"
    __table_args__ = (
        ForeignKeyConstraint(
            ["campaign", "seq", "stage", "position"],
            ["score.campaign", "score.seq", "score.stage", "score.position"],
        ),
        content(),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    stage: int = primary()
    position: int = primary()
    blob: bytes = binary()


class ArtifactRow(Row, table=True):
    """A file that the evaluator attached, and that stays."""

    __tablename__ = "artifact"
    __table_args__ = (_of_evaluation(), content(), CLUSTERED)
    campaign: int = primary()
    seq: int = primary()
    position: int = primary()
    name: str = words()
    media_type: str = words()
    blob: bytes = binary()


class LargeArtifactRow(Row, table=True):
    """A large file that the evaluator attached; its content may be dropped."""

    __tablename__ = "large_artifact"
    __table_args__ = (
        _of_evaluation(),
        of_candidate("candidate"),
        Index(
            "large_artifact_kept",
            "campaign",
            "candidate",
            "size",
            sqlite_where=text("data IS NOT NULL"),
        ),
        STRICT,
    )
    campaign: int = primary()
    seq: int = primary()
    position: int = primary()
    """Counts together with those that stay."""
    candidate: int = integer()
    name: str = words()
    media_type: str = words()
    size: int = integer()
    digest: bytes = binary()
    zstd: int = integer()
    data: bytes | None = binary()


class ImprovementRow(Row, table=True):
    """That a candidate became the best so far, and what it had taken until then."""

    __tablename__ = "improvement"
    __table_args__ = (of_candidate("candidate"), CLUSTERED)
    campaign: int = primary()
    seq: int = primary()
    candidate: int = integer()
    evaluations: int = integer()
    seconds: float = real()
    usd: float | None = real()
    score: float = real()


class DuplicateRow(Row, table=True):
    """That a proposal was rejected because another candidate has the same program, or nearly."""

    __tablename__ = "duplicate"
    __table_args__ = (of_candidate("candidate"), of_candidate("original"), CLUSTERED)
    campaign: int = primary()
    candidate: int = primary()
    original: int = integer()
    measure: str = words()
    """``exact``, ``identity``, ``shingles`` or ``embedding``."""
    similarity: float = real()


class FingerprintRow(Row, table=True):
    """That a candidate can be found by keys of a kind."""

    __tablename__ = "fingerprint"
    __table_args__ = (of_candidate("candidate"), CLUSTERED)
    campaign: int = primary()
    kind: str = words(primary_key=True)
    candidate: int = primary()
    vector: bytes | None = binary()
    """Its embedding as 32-bit floats, if a model made it."""


class FingerprintKeyRow(Row, table=True):
    """A number that similar programs probably share."""

    __tablename__ = "fingerprint_key"
    __table_args__ = (of_candidate("candidate"), CLUSTERED)
    campaign: int = primary()
    key: int = primary()
    candidate: int = primary()
