"""The table of facts besides candidates."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint

from metasearch.archive.row import CLUSTERED, Row, integer, primary, words


class FactRow(Row, table=True):
    """What a strategy recorded: an idea, a match, a choice, ..."""

    __tablename__ = "fact"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "step"], ["step.campaign", "step.number"]),
        UniqueConstraint("campaign", "number"),
        UniqueConstraint("campaign", "step", "position"),
        Index("fact_kind", "campaign", "kind", "seq"),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    number: int = integer()
    step: int = integer()
    position: int = integer()
    kind: str = words()
    body: str = words()
    """All its fields as JSON."""
