"""Facts besides candidates: ideas, matches, values, choices; and which steps were open when."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make their table, and an index on the ends of steps."""
    op.create_table(
        "fact",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "step"],
            ["step.campaign", "step.number"],
        ),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sa.UniqueConstraint("campaign", "number"),
        sa.UniqueConstraint("campaign", "step", "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("step_ended", "step", ["campaign", "ended"], unique=False)
    op.create_index("fact_kind", "fact", ["campaign", "kind", "seq"], unique=False)
