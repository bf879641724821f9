"""The API's view of what is in flight, and of the lanes and GPUs that evaluations had."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from metasearch.archive import DeviceSample, InFlight, Placement
from metasearch.candidate import Outcome
from metasearch.web.api.common import ERRORS, UntaggedRun

router = APIRouter(tags=["campaigns"], responses=ERRORS)

_SAMPLES = 2000


class CallItem(BaseModel):
    """A model call that is out."""

    step: int
    asker: int | None
    """The candidate that asks while it is evaluated; ``null`` for the step itself."""
    role: str
    model: str
    since: float


class WaitingItem(BaseModel):
    """A candidate that waits for a lane."""

    candidate: int
    step: int
    operator: str
    since: float


class PlacementItem(BaseModel):
    """An evaluation on a lane."""

    candidate: int
    lane: int
    """Counts from 0."""
    lanes: int
    """How many there were."""
    devices: list[str]
    """UUIDs of its GPUs."""
    begun: float
    ended: float | None
    """``null`` while it runs, and if it has brought no result."""
    outcome: Outcome | None


class DeviceItem(BaseModel):
    """What a leased GPU did at one moment."""

    at: float
    uuid: str
    name: str
    busy: float | None
    """Share of the last moment in which it computed; ``null`` where the driver does not tell."""
    memory: int
    """Bytes in use, by whomever."""
    total: int


class LanesNow(BaseModel):
    """What is in flight, and where the latest evaluations ran. Times are Unix seconds."""

    lanes: int
    """0 if nothing was ever evaluated."""
    calls: list[CallItem]
    waiting: list[WaitingItem]
    running: list[PlacementItem]
    latest: list[PlacementItem]
    """Newest first, the running ones among them."""
    devices: list[DeviceItem]
    """Samples, newest first."""


@router.get("/campaigns/{campaign}/lanes")
def lanes(
    run: UntaggedRun,
    limit: Annotated[int, Query(ge=1, le=1000, description="Of the latest evaluations.")] = 100,
    since: Annotated[
        float, Query(ge=0, le=1e12, description="Samples of GPUs after this time.")
    ] = 0.0,
) -> LanesNow:
    """Calls, waiting and running candidates; the latest evaluations; what leased GPUs did."""
    flight: InFlight = run.in_flight()
    return LanesNow(
        lanes=flight.lanes,
        calls=[CallItem(**call._asdict()) for call in flight.calls],
        waiting=[WaitingItem(**each._asdict()) for each in flight.waiting],
        running=[_item(each) for each in flight.running],
        latest=[_item(each) for each in run.placements(limit)],
        devices=[_sample(each) for each in run.device_samples(since, _SAMPLES)],
    )


def _item(each: Placement) -> PlacementItem:
    return PlacementItem(
        candidate=each.candidate,
        lane=each.place.lane,
        lanes=each.place.lanes,
        devices=list(each.place.devices),
        begun=each.begun,
        ended=each.ended,
        outcome=each.outcome,
    )


def _sample(each: DeviceSample) -> DeviceItem:
    return DeviceItem(at=each.at, **each.use._asdict())
