"""Peak memory of measurements, and large artifacts whose content may be dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a column and a table; artifacts so far stay where they are, and are kept."""
    op.add_column("evaluation", sa.Column("memory", sa.Integer(), nullable=True))
    op.create_table(
        "large_artifact",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("zstd", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["campaign", "seq"], ["evaluation.campaign", "evaluation.seq"]),
        sa.ForeignKeyConstraint(
            ["campaign", "candidate"], ["candidate.campaign", "candidate.number"]
        ),
        sa.PrimaryKeyConstraint("campaign", "seq", "position"),
        sqlite_strict=True,
    )
    op.create_index(
        "large_artifact_kept",
        "large_artifact",
        ["campaign", "candidate", "size"],
        sqlite_where=sa.text("data IS NOT NULL"),
    )
