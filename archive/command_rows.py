"""The tables of what people say to a campaign."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text

from metasearch.archive.row import CLUSTERED, Row, integer, of_campaign, primary, real, words


class CommandRow(Row, table=True):
    """A command; the one table that others than the engine write to."""

    __tablename__ = "command"
    __table_args__ = (
        of_campaign(),
        UniqueConstraint("campaign", "number"),
        Index("command_waiting", "campaign", "seq", sqlite_where=text("answered IS NULL")),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    number: int = integer()
    at: float = real()
    who: str = words()
    kind: str = words()
    body: str = words()
    """All its fields as JSON."""
    answered: float | None = real()
    taken: int = integer()
    answer: str = words()


class SteeredRow(Row, table=True):
    """That a step's prompts showed a hint, an idea or a favourite."""

    __tablename__ = "steered"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "step"], ["step.campaign", "step.number"]),
        ForeignKeyConstraint(["campaign", "command"], ["command.campaign", "command.number"]),
        Index("steered_step", "campaign", "step"),
        CLUSTERED,
    )
    campaign: int = primary()
    command: int = primary()
    step: int = primary()
    seq: int = integer()
    """Fact of the showing."""
