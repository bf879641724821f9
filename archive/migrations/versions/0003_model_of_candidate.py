"""Which model a candidate came of, and at what temperature."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both, and read them off the calls that there are."""
    op.add_column("candidate", sa.Column("model", sa.Text()))
    op.add_column("candidate", sa.Column("temperature", sa.REAL()))
    # The pluses keep the planner to the calls of the candidate's step.
    op.execute(
        """
        UPDATE candidate SET (model, temperature) = (
            SELECT model, json_extract(parameters, '$.temperature') FROM exchange
            WHERE exchange.campaign = candidate.campaign AND exchange.step = candidate.step
            AND asker = -1 AND state = 'answered' AND +exchange.seq < candidate.queued
            ORDER BY +exchange.seq DESC LIMIT 1
        )
        """
    )
