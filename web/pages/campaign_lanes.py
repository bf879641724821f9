"""What of a campaign is in flight, on which lanes, and what its GPUs do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from metasearch.web.errors import find_run
from metasearch.web.lanes import MOST_BARS, WIDTH, devices, timeline
from metasearch.web.pages.campaign import Named
from metasearch.web.pages.campaign_frame import framed
from metasearch.web.readers import Reader

router = APIRouter(prefix="/c/{campaign}")


@router.get("/lanes")
def lanes(request: Request, archive: Reader, campaign: Named) -> Response:
    """Calls, waiting and running candidates; the latest hour of lanes and GPUs."""
    run = find_run(archive, campaign)
    flight = run.in_flight()
    return framed(
        request,
        run,
        "lanes",
        flight=flight,
        timeline=timeline(run, flight),
        devices=devices(run, flight),
        most=MOST_BARS,
        width=WIDTH,
    )
