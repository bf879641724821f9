"""The API's ideas: how they are rated, and what was measured of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from metasearch.web.api.common import TAGGED, Run
from metasearch.web.boards import BoardStore

router = APIRouter(tags=["campaigns"], responses=TAGGED)


class IdeaItem(BaseModel):
    """An idea in the ranking."""

    number: int
    title: str
    state: str
    """``admitted``, ``discarded`` or ``new``."""
    operator: str
    parents: list[int]
    rating: float
    low: float
    """About 95 %."""
    high: float
    won: int
    lost: int
    undecided: int
    candidate: int | None
    """Its best program."""
    score: float | None


class Ranking(BaseModel):
    """Ideas, the best rated first."""

    ideas: list[IdeaItem]
    total: int
    matches: int
    """With a verdict."""
    correlation: float | None
    """Spearman's, of rating and score."""
    agreement: float | None
    """Of masked verdicts with what was measured; ``null`` without any."""


@router.get("/campaigns/{campaign}/ideas")
def ideas(
    request: Request,
    run: Run,
    skip: Annotated[int, Query(ge=0, le=10**6)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Ranking:
    """The ideas of a campaign by their rating."""
    boards: BoardStore = request.app.state.boards
    now = boards.tournament(run)
    items = []
    for each in now.ranking[skip : skip + limit]:
        built = now.built.get(each.number)
        won, lost, undecided = now.record(each)
        low, high = each.rating.interval
        items.append(
            IdeaItem(
                number=each.number,
                title=each.idea.title,
                state=each.state,
                operator=each.idea.operator,
                parents=list(each.idea.parents),
                rating=each.rating.value,
                low=low,
                high=high,
                won=won,
                lost=lost,
                undecided=undecided,
                candidate=built.candidate if built else None,
                score=built.score if built else None,
            )
        )
    return Ranking(
        ideas=items,
        total=len(now.ranking),
        matches=now.verdicts,
        correlation=now.correlation,
        agreement=now.agreement.share if now.agreement.judged else None,
    )
