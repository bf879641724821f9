"""What the rows are made of: their base, their columns, their references."""

from __future__ import annotations

from typing import Any

from sqlalchemy import REAL, ForeignKeyConstraint, Integer, LargeBinary, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

STRICT = {"sqlite_strict": True}
CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""For narrow rows: stored in the order of their key, appended at its end."""


class Row(SQLModel, registry=registry()):
    """Base of all rows; keeps them out of SQLModel's global registry."""


def integer(**options: Any) -> Any:
    """A column of whole numbers."""
    return Field(sa_type=Integer, **options)


def real(**options: Any) -> Any:
    """A column of floating-point numbers."""
    return Field(sa_type=REAL, **options)


def words(**options: Any) -> Any:
    """A column of text."""
    return Field(sa_type=Text, **options)


def binary(**options: Any) -> Any:
    """A column of bytes."""
    return Field(sa_type=LargeBinary, **options)


def primary() -> Any:
    """A column of the primary key, which others may share."""
    return Field(sa_type=Integer, primary_key=True, sa_column_kwargs={"autoincrement": False})


def of_campaign() -> ForeignKeyConstraint:
    """The row belongs to a campaign."""
    return ForeignKeyConstraint(["campaign"], ["campaign.key"])


def of_candidate(column: str) -> ForeignKeyConstraint:
    """The column is the number of one of the campaign's candidates."""
    return ForeignKeyConstraint(["campaign", column], ["candidate.campaign", "candidate.number"])


def content(column: str = "blob") -> ForeignKeyConstraint:
    """The column is the address of a blob."""
    return ForeignKeyConstraint([column], ["blob.digest"])
