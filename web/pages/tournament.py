"""The tournament of ideas, one idea, and one match."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.facts import Match, Recorded
from metasearch.operators.idea_board import RatedIdea
from metasearch.web.boards import TOP, BoardStore, Meeting, Tournament
from metasearch.web.errors import NotFound, find_run
from metasearch.web.pages.campaign_frame import framed
from metasearch.web.readers import Reader
from metasearch.web.rendering import page, segment, with_query

router = APIRouter(prefix="/c/{campaign}")


def measured(archive: Reader, campaign: str) -> None:
    """Lead from the pages of scores to the tournament, if a campaign has ideas alone."""
    run = find_run(archive, campaign)
    if not run.objectives:
        address = f"/c/{segment(run.id)}/tournament"
        raise HTTPException(303, "This campaign has ideas alone.", {"Location": address})


IDEAS, MATCHES = 100, 50
"""In one page."""

SHOWN = 8
"""Candidates of one match; those that are compared are two, of a panel more."""

WIDTH = 160
"""Pixels of a rating's bar."""

Number = Annotated[int, Path(ge=0, le=2**53)]


class Bar(NamedTuple):
    """A rating and its interval as places on a bar."""

    low: float
    value: float
    high: float


class View(NamedTuple):
    """What of a tournament one page shows."""

    ideas: Sequence[RatedIdea]
    skip: int
    """Ideas of the ranking before them."""
    bars: Mapping[int, Bar]
    more: str | None
    """Address of the next ideas."""
    meetings: Mapping[tuple[int, int], Meeting]
    matches: Sequence[int]
    older: str | None
    """Address of the matches before them."""
    among: Sequence[Recorded]
    """The latest matches of candidates."""
    top: int = TOP
    width: int = WIDTH


@router.get("/tournament")
def tournament(
    request: Request,
    archive: Reader,
    campaign: str,
    skip: Annotated[int, Query(ge=0, le=10**6)] = 0,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """Ratings, win matrix, matches and overview."""
    run = find_run(archive, campaign)
    board = _now(request, run)
    shown = board.ranking[skip : skip + IDEAS]
    numbers = [n for n in sorted(board.matches, reverse=True) if before is None or n < before]
    here = f"/c/{segment(run.id)}/tournament"
    more = len(board.ranking) > skip + IDEAS
    older = len(numbers) > MATCHES
    view = View(
        ideas=shown,
        skip=skip,
        bars=_bars(shown),
        more=with_query(here, skip=skip + IDEAS) if more else None,
        meetings=board.meetings(),
        matches=numbers[:MATCHES],
        older=with_query(here, before=numbers[MATCHES - 1]) if older else None,
        among=[
            each
            for each in run.facts("match", 4 * MATCHES)
            if isinstance(each.fact, Match) and each.fact.between == "candidates"
        ][:MATCHES],
    )
    return framed(request, run, "tournament", board=board, view=view)


@router.get("/ideas/{number}")
def idea(request: Request, archive: Reader, campaign: str, number: Number) -> Response:
    """An idea: its text, its reviews, its matches, and what came of it."""
    run = find_run(archive, campaign)
    now = _now(request, run)
    found = now.ideas.get(number)
    if found is None:
        raise NotFound(f"The campaign {run.id} has no idea {number}.", _all(run))
    children = [each.number for each in now.ranking if number in each.idea.parents]
    return page(
        request,
        "idea.html",
        run=run,
        base=f"/c/{segment(run.id)}",
        now=now,
        found=found,
        place=[each.number for each in now.ranking].index(number) + 1,
        children=sorted(children)[:100],
        matches=sorted(found.matches, reverse=True)[:MATCHES],
    )


@router.get("/matches/{number}")
def match(request: Request, archive: Reader, campaign: str, number: Number) -> Response:
    """A match: the two ideas or candidates, what was said, and the verdict."""
    run = find_run(archive, campaign)
    now = _now(request, run)
    found = now.matches.get(number) or _between_candidates(run, number)
    return page(
        request,
        "match.html",
        run=run,
        base=f"/c/{segment(run.id)}",
        now=now,
        number=number,
        found=found,
        candidates={} if found.between == "ideas" else _candidates(run, found),
    )


def _between_candidates(run: CampaignArchive, number: int) -> Match:
    try:
        fact = run.fact(number).fact
    except KeyError:
        fact = None
    if isinstance(fact, Match) and fact.between == "candidates":
        return fact
    raise NotFound(f"The campaign {run.id} has no match {number}.", _all(run))


def _candidates(run: CampaignArchive, found: Match) -> dict[int, Candidate]:
    known = {}
    for number in found.contestants[:SHOWN]:
        # A file from elsewhere may name what is not there.
        with contextlib.suppress(KeyError):
            known[number] = run.candidate(number)
    return known


def _now(request: Request, run: CampaignArchive) -> Tournament:
    boards: BoardStore = request.app.state.boards
    return boards.tournament(run)


def _all(run: CampaignArchive) -> tuple[str, str]:
    return "its tournament", f"/c/{segment(run.id)}/tournament"


def _bars(shown: Sequence[RatedIdea]) -> dict[int, Bar]:
    """Where ratings stand between the lowest and the highest end of all that are shown."""
    ends = [end for each in shown for end in each.rating.interval]
    if not ends:
        return {}
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def at(rating: float) -> float:
        return round(4 + (WIDTH - 8) * (rating - low) / span, 1)

    return {
        each.number: Bar(
            at(each.rating.interval[0]), at(each.rating.value), at(each.rating.interval[1])
        )
        for each in shown
    }
