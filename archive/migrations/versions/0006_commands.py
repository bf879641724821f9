"""Commands to a campaign, and the steps whose prompts showed what they said."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "command",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.REAL(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("answered", sa.REAL(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.key"]),
        sa.UniqueConstraint("campaign", "number"),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "command_waiting",
        "command",
        ["campaign", "seq"],
        sqlite_where=sa.text("answered IS NULL"),
    )
    op.create_table(
        "steered",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("command", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign", "step"], ["step.campaign", "step.number"]),
        sa.ForeignKeyConstraint(["campaign", "command"], ["command.campaign", "command.number"]),
        sa.PrimaryKeyConstraint("campaign", "command", "step"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("steered_step", "steered", ["campaign", "step"])
