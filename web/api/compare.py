"""The API's comparison of campaigns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from metasearch.archive import Archive
from metasearch.web.api.common import ERRORS
from metasearch.web.comparing import MOST, Axis, Side, lines, warnings
from metasearch.web.errors import BadRequest, find_run
from metasearch.web.readers import Reader

router = APIRouter(tags=["campaigns"], responses=ERRORS)

Chosen = Annotated[
    list[str],
    Query(
        min_length=1,
        max_length=20,
        description=f"Ids or names of 2 to {MOST} campaigns; with commas, or several times.",
        examples=[["circle_packing-ztfwew,circle_packing-qbrntk"]],
    ),
]


class CurveLine(BaseModel):
    """The best so far of one campaign, or of several seeds of the same."""

    label: str
    members: list[str]
    x: list[float]
    middle: list[float]
    low: list[float]
    high: list[float]


class CurveLines(BaseModel):
    """Several of them on one axis."""

    axis: Axis
    objective: str
    direction: str
    lines: list[CurveLine]
    warnings: list[str]


def chosen(archive: Archive, c: list[str]) -> list[Side]:
    """The campaigns that a request names.

    Raises:
        NotFound: One of them is not there.
        BadRequest: Too few, or too many.
    """
    names = dict.fromkeys(name for part in c for name in part[:2_000].split(",") if name)
    if not 2 <= len(names) <= MOST:
        raise BadRequest(f"c: name 2 to {MOST} campaigns, not {len(names)}.")
    runs = [find_run(archive, name) for name in names]
    found = {run.id: run for run in runs}
    for run in found.values():
        if not run.objectives:
            raise BadRequest(f"c: {run.id} has ideas alone, and nothing measured to compare.")
    return [Side(run, run.summary()) for run in found.values()]


@router.get("/compare")
def compare(archive: Reader, c: Chosen, x: Axis = "evaluations") -> CurveLines:
    """Best-so-far curves on one axis: median and range where runs differ by their seed only."""
    sides = chosen(archive, c)
    first = sides[0].run.objectives[0]
    found = [
        CurveLine(
            label=line.label,
            members=list(line.members),
            x=[point.x for point in line.points],
            middle=[point.middle for point in line.points],
            low=[point.low for point in line.points],
            high=[point.high for point in line.points],
        )
        for line in lines(sides, x)
    ]
    return CurveLines(
        axis=x,
        objective=first.name,
        direction=first.direction.value,
        lines=found,
        warnings=warnings(sides),
    )
