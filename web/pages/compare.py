"""Campaigns side by side."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from metasearch.web.api.compare import Chosen, chosen
from metasearch.web.comparing import Axis, lines, settings, warnings
from metasearch.web.readers import Reader
from metasearch.web.rendering import page, with_query

router = APIRouter()

AXES: dict[Axis, str] = {"evaluations": "evaluations", "usd": "USD", "time": "time"}


@router.get("/compare")
def compare(
    request: Request,
    archive: Reader,
    c: Chosen,
    x: Axis = "evaluations",
    all: bool = False,  # noqa: A002 - as the address says
) -> Response:
    """2 to 6 campaigns on one axis, with what is different in their settings."""
    sides = chosen(archive, c)
    names = ",".join(side.summary.id for side in sides)
    told = settings(sides)
    return page(
        request,
        "compare.html",
        sides=sides,
        names=names,
        axis=x,
        axes=AXES,
        drawn=lines(sides, x),
        settings=[setting for setting in told if all or setting.differs],
        same=sum(not setting.differs for setting in told),
        all=all,
        warnings=warnings(sides),
        data=with_query("/api/compare", c=names, x=x),
    )
