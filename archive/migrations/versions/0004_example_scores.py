"""What scores are the means of: one number for each example."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "example_scores",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "seq", "stage", "position"],
            ["score.campaign", "score.seq", "score.stage", "score.position"],
        ),
        sa.ForeignKeyConstraint(["blob"], ["blob.digest"]),
        sa.PrimaryKeyConstraint("campaign", "seq", "stage", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
