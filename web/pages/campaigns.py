"""All campaigns: the first page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from metasearch.web.api.campaigns import SORTS, Filter, FilterQuery
from metasearch.web.readers import Reader
from metasearch.web.rendering import page, with_query
from metasearch.web.sparklines import step_line

router = APIRouter()


@router.get("/")
def campaigns(request: Request, archive: Reader, asked: FilterQuery) -> Response:
    """All runs in a table, newest first, as the filter says."""
    found = archive.browse(asked.wanted)
    bests = {run.id: archive.best_of(run) for run in found.runs}
    lines = {
        run.id: step_line(best.line, run.evaluations)
        for run in found.runs
        if (best := bests[run.id]) is not None
    }
    return page(
        request,
        "campaigns.html",
        found=found,
        bests=bests,
        lines=lines,
        asked=asked,
        sorts=SORTS,
        following=_address(asked, after=found.following) if found.following else None,
        live=any(run.state in ("running", "waiting") for run in found.runs),
        here=_address(asked, after=asked.after),
    )


def _address(asked: Filter, after: str | None) -> str:
    said = asked.model_dump(exclude_defaults=True, mode="json") | {"after": after}
    return with_query("/", **said)
