"""One campaign, live: strip, tiles, main chart, best card and the list of candidates."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from metasearch.archive import ArtifactEntry, CampaignArchive, CandidatePage
from metasearch.candidate import Candidate
from metasearch.web.api.candidates import ORDERS, CandidateFilter, cursor, listed
from metasearch.web.api.points import first_address
from metasearch.web.api.progress import metrics_of
from metasearch.web.errors import BadRequest, find_run
from metasearch.web.pages.campaign_frame import framed
from metasearch.web.points import SUMS
from metasearch.web.readers import Reader
from metasearch.web.rendering import page, segment, with_query
from metasearch.web.standing import Standing, path_to, standing

router = APIRouter(prefix="/c/{campaign}")

Named = Annotated[str, Path(max_length=300)]
"""A campaign's id, or a name: then its latest run."""

AXES = {
    "number": "number",
    "evaluations": "evaluations",
    "at": "time",
    "usd": "USD",
    "tokens": "tokens",
}
COLOURS = ("outcome", "operator", "model", "island")
DISTANCE = "distance"
"""Instead of a metric: how far from the target, on a logarithmic axis."""

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_SHOWN_FIRST = 25


class ChartQuery(BaseModel):
    """What the main chart shows."""

    model_config = ConfigDict(frozen=True)

    x: Literal["number", "evaluations", "at", "usd", "tokens"] = "number"
    y: str = Field(default="", max_length=200)
    by: Literal["outcome", "operator", "model", "island"] = "outcome"


class BestCard(NamedTuple):
    """The best candidate at a glance."""

    candidate: Candidate
    path: list[Candidate]
    picture: ArtifactEntry | None


@router.get("")
def campaign(
    request: Request, archive: Reader, campaign: Named, chart: Annotated[ChartQuery, Query()]
) -> Response:
    """All at a glance, and the newest candidates."""
    run = find_run(archive, campaign)
    now = standing(run)
    metrics = metrics_of(run)
    target = run.settings.budget.target
    ways = [*metrics, *([DISTANCE] if target is not None else [])]
    if chart.y and chart.y not in ways:
        raise BadRequest(f"y: there are {', '.join(ways)}.")
    return framed(
        request,
        run,
        "overview",
        now,
        best=best_card(run, now),
        chart=chart,
        first=_first(run, chart),
        axes=AXES,
        ways=ways,
        colours=COLOURS,
        target=target,
        found=run.browse(limit=_SHOWN_FIRST),
        asked=CandidateFilter(),
        orders=ORDERS,
        fault="",
        following=None,
    )


@router.get("/strip")
def strip(request: Request, archive: Reader, campaign: Named) -> Response:
    """The strip anew, for a page that is open."""
    return page(request, "campaign_strip.html", now=standing(find_run(archive, campaign)))


@router.get("/now")
def now(request: Request, archive: Reader, campaign: Named) -> Response:
    """All but the chart anew, for a page that is open: the chart follows the stream."""
    run = find_run(archive, campaign)
    current = standing(run)
    return page(
        request,
        "campaign_now.html",
        now=current,
        best=best_card(run, current),
        run=run,
        found=run.browse(limit=_SHOWN_FIRST),
    )


@router.get("/candidates")
def candidates(
    request: Request, archive: Reader, campaign: Named, asked: Annotated[CandidateFilter, Query()]
) -> Response:
    """All candidates in pages, as the filter says."""
    run = find_run(archive, campaign)
    fault = ""
    try:
        found = listed(run, asked)
    except BadRequest as error:
        found, fault = CandidatePage((), None), str(error).removeprefix("q: ")
    return framed(
        request,
        run,
        "candidates",
        found=found,
        asked=asked,
        orders=ORDERS,
        fault=fault,
        following=_following(run, asked, found),
        status=422 if fault else 200,
    )


def _first(run: CampaignArchive, chart: ChartQuery) -> list[str]:
    """What the chart's script asks for first."""
    names = ("fact", "number", "outcome", "value", "record", "operator", "model", "island")
    columns = dict.fromkeys((*names, chart.x))
    if columns.keys() & set(SUMS):
        return []
    return [first_address(run.id, tuple(columns), "" if chart.y == DISTANCE else chart.y)]


def best_card(run: CampaignArchive, now: Standing) -> BestCard | None:
    """The best with its path and its first picture; ``None`` if there is none yet."""
    best = now.summary.best
    if best is None:
        return None
    entries = run.artifact_entries(best.number)
    pictures = [entry for entry in entries if entry.kept and entry.media_type in _PICTURES]
    return BestCard(best, path_to(run, best), pictures[0] if pictures else None)


def _following(run: CampaignArchive, asked: CandidateFilter, found: CandidatePage) -> str | None:
    if found.following is None:
        return None
    said = asked.model_dump(exclude_defaults=True, mode="json") | {"after": cursor(found)}
    return with_query(f"/c/{segment(run.id)}/candidates", **said)
