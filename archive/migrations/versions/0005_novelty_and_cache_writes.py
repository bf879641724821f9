"""Duplicates as facts, fingerprints to find them by, and tokens written to a provider's cache."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add three tables and a column in two; duplicates so far are read from their reasons."""
    op.create_table(
        "duplicate",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("original", sa.Integer(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("similarity", sa.REAL(), nullable=False),
        _of_candidate("candidate"),
        _of_candidate("original"),
        sa.PrimaryKeyConstraint("campaign", "candidate"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO duplicate SELECT c.campaign, c.number, twin.number, 'exact', 1.0 "
        "FROM candidate AS c JOIN candidate AS twin ON twin.campaign = c.campaign "
        "AND twin.number < c.number AND twin.digest = c.digest AND twin.rejection = '' "
        "WHERE c.rejection <> ''"
    )
    op.create_table(
        "fingerprint",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        _of_candidate("candidate"),
        sa.PrimaryKeyConstraint("campaign", "kind", "candidate"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fingerprint_key",
        sa.Column("campaign", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate", sa.Integer(), autoincrement=False, nullable=False),
        _of_candidate("candidate"),
        sa.PrimaryKeyConstraint("campaign", "key", "candidate"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("progress", table_kwargs={"sqlite_strict": True}) as progress:
        progress.add_column(_cache_writes())
    with op.batch_alter_table(
        "exchange", table_kwargs={"sqlite_strict": True, "sqlite_with_rowid": False}
    ) as exchange:
        exchange.add_column(_cache_writes())


def _of_candidate(column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["campaign", column], ["candidate.campaign", "candidate.number"])


def _cache_writes() -> sa.Column[int]:
    return sa.Column(
        "cache_write_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False
    )
