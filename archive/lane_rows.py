"""The tables of where evaluations ran, and of what their GPUs did meanwhile."""

from __future__ import annotations

from sqlalchemy import REAL, Index, Text
from sqlmodel import Field

from metasearch.archive.row import (
    CLUSTERED,
    Row,
    integer,
    of_campaign,
    of_candidate,
    primary,
    real,
    words,
)


class PlacementRow(Row, table=True):
    """That a candidate's evaluation has got a lane, and begins."""

    __tablename__ = "placement"
    __table_args__ = (
        of_candidate("candidate"),
        Index("placement_lane", "campaign", "lane", "seq"),
        Index("placement_candidate", "campaign", "candidate", "seq"),
        CLUSTERED,
    )
    campaign: int = primary()
    seq: int = primary()
    candidate: int = integer()
    lane: int = integer()
    """Counts from 0."""
    lanes: int = integer()
    """How many the engine had."""
    devices: str = words()
    """UUIDs of the leased GPUs as a JSON list."""


class DeviceSampleRow(Row, table=True):
    """What a leased GPU did at one moment."""

    __tablename__ = "device_sample"
    __table_args__ = (of_campaign(), CLUSTERED)
    campaign: int = primary()
    at: float = Field(sa_type=REAL, primary_key=True)
    """Unix time in seconds."""
    uuid: str = Field(sa_type=Text, primary_key=True)
    name: str = words()
    busy: float | None = real()
    """Share of the last moment in which it computed; none where the driver does not tell."""
    memory: int = integer()
    """Bytes in use."""
    total: int = integer()
