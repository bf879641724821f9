"""How archives of older versions come up to date: one Alembic revision per released schema.

Loaded for an upgrade only. To change the schema: change ``rows.py``, render ``schema.sql``,
write ``versions/NNNN_what.py`` by hand, and add its name to ``schema.REVISIONS``.
"""
