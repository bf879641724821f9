"""Where evaluations ran, and what their GPUs did meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "placement",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("lanes", sa.Integer(), nullable=False),
        sa.Column("devices", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "candidate"], ["candidate.campaign", "candidate.number"]
        ),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("placement_candidate", "placement", ["campaign", "candidate", "seq"])
    op.create_index("placement_lane", "placement", ["campaign", "lane", "seq"])
    op.create_index(
        "event_started", "event", ["campaign", "seq"], sqlite_where=sa.text("kind = 'started'")
    )
    op.create_table(
        "device_sample",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.REAL(), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("busy", sa.REAL(), nullable=True),
        sa.Column("memory", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.key"]),
        sa.PrimaryKeyConstraint("campaign", "at", "uuid"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
