"""The tables of an archive: rows, private to this room and dumb.

They declare the schema and nothing more: ``schema.sql`` is rendered from them (run
``python -m metasearch.archive.rows > archive/schema.sql`` after a change, and write a
migration), and Alembic compares against them. Reading and writing goes by plain SQL, so
that an engine carries no object-relational mapper in memory.

A fact is known by ``(campaign, seq)``: one counter per campaign numbers all that happens.
Every table is ``STRICT``, so a value of a wrong type cannot get in.
"""

from __future__ import annotations

from sqlalchemy import Index, MetaData, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from metasearch.archive import campaign_rows as campaign_rows
from metasearch.archive import candidate_rows as candidate_rows
from metasearch.archive import command_rows as command_rows
from metasearch.archive import fact_rows as fact_rows
from metasearch.archive import lane_rows as lane_rows
from metasearch.archive.row import Row

METADATA: MetaData = Row.metadata


def render() -> str:
    """The whole schema as SQL, in an order that foreign keys allow."""
    dialect = sqlite.dialect()
    parts = []
    for table in METADATA.sorted_tables:
        parts.append(str(CreateTable(table).compile(dialect=dialect)))
        parts += [str(CreateIndex(i).compile(dialect=dialect)) for i in _indexes(table)]
    statements = (
        "\n".join(line.rstrip() for line in part.strip().replace("\t", "    ").splitlines())
        for part in parts
    )
    return "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"


def _indexes(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
