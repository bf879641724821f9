"""Runs the revisions on the connection, and in the transaction, that the archive opened."""

from __future__ import annotations

from alembic import context

from metasearch.archive.rows import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
