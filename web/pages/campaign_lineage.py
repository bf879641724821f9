"""Who descends from whom: all candidates by score, or the tree of those that matter."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.web.api.lineage import ELITES, NEWEST
from metasearch.web.api.points import first_address
from metasearch.web.errors import find_candidate, find_run
from metasearch.web.pages.campaign import Named
from metasearch.web.pages.campaign_frame import framed
from metasearch.web.points import MAX_POINTS
from metasearch.web.readers import Reader
from metasearch.web.standing import standing

router = APIRouter(prefix="/c/{campaign}")

ALL_EDGES = 5_000
"""Up to so many candidates all edges may be drawn at once."""

WINDOW_EDGES = 20_000
"""Up to so many, the edges of the visible part."""

_COLUMNS = ("number", "value", "parent", "outcome", "record", "operator")

_MOST = 50
"""Rows of ancestors, and of children."""


class LineageQuery(BaseModel):
    """What is drawn."""

    model_config = ConfigDict(frozen=True)

    view: Literal["score", "tree"] = "score"
    focus: int | None = Field(default=None, ge=0, le=2**53)
    """By default the best."""
    opened: list[Annotated[int, Field(ge=0, le=2**53)]] = Field(default=[], max_length=20)
    """Nodes of the tree whose folded children are drawn."""


class Family(NamedTuple):
    """A candidate among its relatives."""

    candidate: Candidate
    ancestors: list[Candidate]
    """The latest first."""
    more_ancestors: int
    children: list[Candidate]
    """The best first, then those without a score."""


@router.get("/lineage")
def lineage(
    request: Request, archive: Reader, campaign: Named, asked: Annotated[LineageQuery, Query()]
) -> Response:
    """A picture of all, and the relatives of one as tables."""
    run = find_run(archive, campaign)
    now = standing(run)
    best = now.summary.best
    focus = asked.focus
    if focus is None and best is not None:
        focus = best.number
    settled = sum(now.summary.outcomes.values())
    return framed(
        request,
        run,
        "lineage",
        now,
        asked=asked,
        family=None if focus is None else family(run, focus),
        settled=settled,
        level=_level(settled) if asked.view == "score" else _tree_level(settled),
        edges=settled <= WINDOW_EDGES,
        first=[first_address(run.id, _COLUMNS)] if asked.view == "score" else [],
    )


def family(run: CampaignArchive, number: int) -> Family:
    """A candidate with its ancestors and children."""
    candidate = find_candidate(run, number)
    objective = run.objectives[0]

    def standing_of(child: Candidate) -> tuple[bool, float]:
        if not child.scored:
            return True, float(child.number)
        return False, -objective.gain(child.scores[objective.name])

    line = run.lineage(number)[1:]
    return Family(
        candidate=candidate,
        ancestors=line[:_MOST],
        more_ancestors=max(0, len(line) - _MOST),
        children=sorted(run.children(number, _MOST), key=standing_of),
    )


def _level(settled: int) -> str:
    if settled <= ALL_EDGES:
        return f"All {settled} candidates; all edges on demand."
    if settled <= WINDOW_EDGES:
        return f"All {settled} candidates; the edges of what is in sight on demand."
    if settled <= MAX_POINTS:
        return f"All {settled} candidates as dots; of the edges those to the focus."
    return f"{MAX_POINTS} of {settled} candidates as dots, evenly chosen, and each best."


def _tree_level(settled: int) -> str:
    return (
        f"Of {settled} candidates those that became the best, the {ELITES} best, the {NEWEST} "
        "newest, the focus with its children, and all their ancestors. The others are counted "
        "on the node that they descend from; choose it to open it."
    )
