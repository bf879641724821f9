"""What operators and models have brought, and how the islands, the grid and the front look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.objectives import Objective
from metasearch.web.api.breakdown import brought
from metasearch.web.api.points import first_address
from metasearch.web.breakdown import COLUMNS, IslandLine, islands
from metasearch.web.errors import BadRequest, NotFound, find_run
from metasearch.web.folds import CostStore
from metasearch.web.front import front, hypervolume, knee
from metasearch.web.grid import Grid, GridStore, Migration
from metasearch.web.pages.campaign import Named
from metasearch.web.pages.campaign_frame import framed
from metasearch.web.points import PointStore
from metasearch.web.readers import Reader
from metasearch.web.soon import Soon
from metasearch.web.sparklines import curve, ticks
from metasearch.web.standing import has_grid, standing

router = APIRouter(prefix="/c/{campaign}")

_MOST_NAMED = 100
"""Of the front, in its table."""

_SHADES = 5

T = TypeVar("T")


class FrontQuery(BaseModel):
    """Which two objectives."""

    model_config = ConfigDict(frozen=True)

    a: str = Field(default="", max_length=200)
    b: str = Field(default="", max_length=200)


class Front(NamedTuple):
    """The candidates that nothing beats in both objectives."""

    numbers: list[int]
    hypervolume: float
    knee: int | None


@router.get("/operators")
def operators(request: Request, archive: Reader, campaign: Named) -> Response:
    """How often each operator and model was tried, what came of it, and what it cost."""
    run = find_run(archive, campaign)
    points: PointStore = request.app.state.points
    costs: CostStore = request.app.state.costs

    now = standing(run)  # before the counting begins, which would slow it down
    found = _soon(request, run, "operators", lambda own: brought(own, points, costs))
    return framed(request, run, "operators", now, brought=found)


@router.get("/islands")
def islands_page(request: Request, archive: Reader, campaign: Named) -> Response:
    """The best so far of each island, side by side."""
    run = find_run(archive, campaign)
    points: PointStore = request.app.state.points
    grids: GridStore = request.app.state.grids
    sign = run.objectives[0].gain(1.0)

    def count(own: CampaignArchive) -> tuple[list[IslandLine], int, tuple[Migration, ...]]:
        known = points.points(own, columns=COLUMNS)
        end = int(known.columns["number"].max(initial=0))
        return islands(known, sign), end, grids.grid(own).migrations if has_grid(own) else ()

    now = standing(run)
    found = _soon(request, run, "islands", count)
    if found is None:
        return framed(request, run, "islands", now, lines=None)
    lines, end, migrations = found
    scores = [score for line in lines for score in line.scores]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    charts = {
        line.island: curve(line.numbers, line.scores, end, steps=True, low=low, high=high)
        for line in lines
    }
    came = {
        line.island: [each for each in migrations if each.target == line.island] for line in lines
    }
    return framed(
        request,
        run,
        "islands",
        now,
        lines=lines,
        charts=charts,
        came=came,
        ticks={island: ticks([each.at for each in those], end) for island, those in came.items()},
        low=low,
        high=high,
        end=end,
    )


@router.get("/grid")
def grid(request: Request, archive: Reader, campaign: Named) -> Response:
    """The elites of the feature grid as a heat map of the first two features."""
    run = find_run(archive, campaign)
    if not has_grid(run):
        raise NotFound(f"The campaign {run.id} has no feature grid.", (run.id, f"/c/{run.id}"))
    store: GridStore = request.app.state.grids
    now = standing(run)
    found = _soon(request, run, "grid", store.grid)
    cells = None if found is None else _cells(found, run.objectives[0])
    return framed(request, run, "grid", now, grid=found, cells=cells)


@router.get("/front")
def front_page(
    request: Request, archive: Reader, campaign: Named, asked: Annotated[FrontQuery, Query()]
) -> Response:
    """Two objectives against each other, and what nothing beats in both."""
    run = find_run(archive, campaign)
    known = {objective.name: objective for objective in run.objectives}
    if len(known) < 2:
        raise NotFound(f"The campaign {run.id} has one objective.", (run.id, f"/c/{run.id}"))
    first, second = list(known)[:2]
    names = [asked.a or first, asked.b or second]
    for name in names:
        if name not in known:
            raise BadRequest(f"objectives: there are {', '.join(known)}.")
    one, other = known[names[0]], known[names[1]]
    store: PointStore = request.app.state.points
    now = standing(run)
    found = _soon(request, run, f"front {names}", lambda own: _front(own, store, one, other))
    numbers = found.numbers if found else []
    return framed(
        request,
        run,
        "front",
        now,
        one=one,
        other=other,
        objectives=list(known),
        first=[first_address(run.id, ("number", "value"), name) for name in names],
        found=found,
        members=[run.candidate(number) for number in numbers[:_MOST_NAMED]],
    )


class HeatCell(NamedTuple):
    """One cell of the heat map."""

    candidate: Candidate
    score: float
    visits: int
    shade: int
    """By rank among the elites: up to 4 for the best."""
    newest: bool


def _cells(grid: Grid, objective: Objective) -> dict[tuple[int, int], HeatCell]:
    """By places on the first two features; of those that share both the best."""
    gains = {
        elite.cell: objective.gain(elite.candidate.scores[objective.name]) for elite in grid.elites
    }
    visits: Counter[tuple[int, int]] = Counter()
    bests: dict[tuple[int, int], tuple[float, Candidate]] = {}
    for elite in grid.elites:
        place = _place(elite.cell)
        visits[place] += elite.visits
        if place not in bests or gains[elite.cell] > bests[place][0]:
            bests[place] = gains[elite.cell], elite.candidate
    ranked = sorted(gain for gain, _ in bests.values())
    newest = None if grid.newest is None else _place(grid.newest)
    return {
        place: HeatCell(
            candidate=candidate,
            score=candidate.scores[objective.name],
            visits=visits[place],
            shade=round((_SHADES - 1) * (ranked.index(gain) + 1) / len(ranked)),
            newest=place == newest,
        )
        for place, (gain, candidate) in bests.items()
    }


def _place(cell: tuple[int, ...]) -> tuple[int, int]:
    return cell[0] if cell else 0, cell[1] if len(cell) > 1 else 0


def _front(run: CampaignArchive, store: PointStore, one: Objective, other: Objective) -> Front:
    found = store.points(run, one.name, columns=("number", "value"))
    first = one.gain(1.0) * found.columns["value"].astype(np.float64)
    again = store.points(run, other.name, columns=("number", "value"))
    second = other.gain(1.0) * again.columns["value"].astype(np.float64)
    count = min(len(first), len(second))  # more may have been settled in between
    places = front(first[:count], second[:count])
    xs, ys = first[places].tolist(), second[places].tolist()
    bend = knee(xs, ys)
    numbers = [int(found.columns["number"][place]) for place in places]
    return Front(numbers, hypervolume(xs, ys), None if bend is None else numbers[bend])


def _soon(
    request: Request, run: CampaignArchive, name: str, work: Callable[[CampaignArchive], T]
) -> T | None:
    soon: Soon = request.app.state.soon
    return soon.get(run, name, work)
