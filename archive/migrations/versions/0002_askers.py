"""Model calls by candidates: the asker becomes part of a call's key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_EXCHANGE = (
    "asked, seq, role, model, state, parameters, reserved_usd, reserved_tokens, reply, "
    "finish_reason, error, attempts, input_tokens, output_tokens, cached_tokens, "
    "reasoning_tokens, usd, seconds"
)


def upgrade() -> None:
    """Make both tables anew: SQLite changes no primary key in place."""
    op.drop_index("exchange_pending", "exchange")
    op.drop_index("exchange_seq", "exchange")
    op.rename_table("exchange", "exchange_0001")
    op.rename_table("message", "message_0001")
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
        sa.ForeignKeyConstraint(["campaign", "step"], ["step.campaign", "step.number"]),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.key"]),
        sa.ForeignKeyConstraint(["reply"], ["blob.digest"]),
        sa.PrimaryKeyConstraint("campaign", "step", "asker", "call", "generation"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    key = ("campaign", "step", "asker", "call", "generation")
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
        sa.ForeignKeyConstraint(["blob"], ["blob.digest"]),
        sa.ForeignKeyConstraint(key, [f"exchange.{name}" for name in key]),
        sa.PrimaryKeyConstraint(*key, "position"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO exchange (campaign, step, asker, call, generation, {_EXCHANGE}) "  # noqa: S608
        f"SELECT campaign, step, -1, call, generation, {_EXCHANGE} FROM exchange_0001"
    )
    op.execute(
        "INSERT INTO message (campaign, step, asker, call, generation, position, role, blob) "
        "SELECT campaign, step, -1, call, generation, position, role, blob FROM message_0001"
    )
    op.drop_table("message_0001")
    op.drop_table("exchange_0001")
    op.create_index(
        "exchange_pending",
        "exchange",
        ["campaign"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index("exchange_seq", "exchange", ["campaign", "seq"], unique=False)
