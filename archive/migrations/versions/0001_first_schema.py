"""The schema of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "blob",
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("zstd", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "campaign",
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", sa.REAL(), nullable=False),
        sa.Column("objective", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("seed_digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("campaign_name", "campaign", ["name"], unique=False)
    op.create_table(
        "campaign_file",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob"],
            ["blob.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.PrimaryKeyConstraint("campaign", "kind", "seq", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.REAL(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("candidate", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("beat", sa.REAL(), nullable=False),
        sa.Column("released", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.PrimaryKeyConstraint("campaign"),
        sqlite_strict=True,
    )
    op.create_table(
        "progress",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("candidates", sa.Integer(), nullable=False),
        sa.Column("scored", sa.Integer(), nullable=False),
        sa.Column("invalid", sa.Integer(), nullable=False),
        sa.Column("crashed", sa.Integer(), nullable=False),
        sa.Column("timed_out", sa.Integer(), nullable=False),
        sa.Column("out_of_memory", sa.Integer(), nullable=False),
        sa.Column("output_limit", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("usd", sa.REAL(), nullable=False),
        sa.Column("unpriced", sa.Integer(), nullable=False),
        sa.Column("model_seconds", sa.REAL(), nullable=False),
        sa.Column("lost_usd", sa.REAL(), nullable=False),
        sa.Column("lost_unpriced", sa.Integer(), nullable=False),
        sa.Column("lost_tokens", sa.Integer(), nullable=False),
        sa.Column("best_gain", sa.REAL(), nullable=True),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.PrimaryKeyConstraint("campaign"),
        sqlite_strict=True,
    )
    op.create_table(
        "settings",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("evaluator_digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "step",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.PrimaryKeyConstraint("campaign", "number"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "step_unfinished",
        "step",
        ["campaign", "seq"],
        unique=False,
        sqlite_where=sa.text("ended IS NULL"),
    )
    op.create_table(
        "candidate",
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("campaign", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("call", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("island", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("thought", sa.Text(), nullable=False),
        sa.Column("rejection", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("gain", sa.REAL(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "step"],
            ["step.campaign", "step.number"],
        ),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("campaign", "number"),
        sa.UniqueConstraint("campaign", "step", "call"),
        sqlite_strict=True,
    )
    op.create_index(
        "candidate_digest",
        "candidate",
        ["campaign", "digest"],
        unique=True,
        sqlite_where=sa.text("rejection = ''"),
    )
    op.create_index(
        "candidate_gain",
        "candidate",
        ["campaign", sa.text("gain DESC"), "number"],
        unique=False,
        sqlite_where=sa.text("gain IS NOT NULL"),
    )
    op.create_index(
        "candidate_queued",
        "candidate",
        ["campaign", "number"],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "candidate_settled",
        "candidate",
        ["campaign", "seq"],
        unique=False,
        sqlite_where=sa.text("outcome IS NOT NULL"),
    )
    op.create_table(
        "exchange",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asker", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("reserved_usd", sa.REAL(), nullable=True),
        sa.Column("reserved_tokens", sa.Integer(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("usd", sa.REAL(), nullable=True),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "step"],
            ["step.campaign", "step.number"],
        ),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaign.key"],
        ),
        sa.ForeignKeyConstraint(
            ["reply"],
            ["blob.digest"],
        ),
        sa.PrimaryKeyConstraint("campaign", "step", "asker", "call", "generation"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "exchange_pending",
        "exchange",
        ["campaign"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index("exchange_seq", "exchange", ["campaign", "seq"], unique=False)
    op.create_table(
        "candidate_file",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob"],
            ["blob.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["campaign", "candidate"],
            ["candidate.campaign", "candidate.number"],
        ),
        sa.PrimaryKeyConstraint("campaign", "candidate", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evaluation",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("feedback", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.Column("stdout", sa.LargeBinary(), nullable=True),
        sa.Column("stderr", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign", "candidate"],
            ["candidate.campaign", "candidate.number"],
        ),
        sa.ForeignKeyConstraint(
            ["stderr"],
            ["blob.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["stdout"],
            ["blob.digest"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "evaluation_candidate", "evaluation", ["campaign", "candidate", "seq"], unique=False
    )
    op.create_table(
        "improvement",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("evaluations", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.Column("usd", sa.REAL(), nullable=True),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "candidate"],
            ["candidate.campaign", "candidate.number"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lineage",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("child", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "child"],
            ["candidate.campaign", "candidate.number"],
        ),
        sa.ForeignKeyConstraint(
            ["campaign", "parent"],
            ["candidate.campaign", "candidate.number"],
        ),
        sa.PrimaryKeyConstraint("campaign", "child", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("lineage_parent", "lineage", ["campaign", "parent", "child"], unique=False)
    op.create_table(
        "message",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asker", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob"],
            ["blob.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["campaign", "step", "asker", "call", "generation"],
            [
                "exchange.campaign",
                "exchange.step",
                "exchange.asker",
                "exchange.call",
                "exchange.generation",
            ],
        ),
        sa.PrimaryKeyConstraint("campaign", "step", "asker", "call", "generation", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "artifact",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob"],
            ["blob.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["campaign", "seq"],
            ["evaluation.campaign", "evaluation.seq"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stage",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "seq"],
            ["evaluation.campaign", "evaluation.seq"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "score",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("private", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Integer(), nullable=False),
        sa.Column("value", sa.REAL(), nullable=False),
        sa.Column("low", sa.REAL(), nullable=False),
        sa.Column("high", sa.REAL(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "seq", "stage"],
            ["stage.campaign", "stage.seq", "stage.position"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq", "stage", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
