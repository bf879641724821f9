"""Any two candidates side by side, of one campaign or of two."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Candidate
from metasearch.web.api.candidates import program_of
from metasearch.web.api.common import Run
from metasearch.web.errors import BadRequest, find_candidate, find_run
from metasearch.web.pages.candidate_diff import WHOLE, differences
from metasearch.web.pages.candidate_head import address_of
from metasearch.web.readers import Reader
from metasearch.web.rendering import page

router = APIRouter()

Reference = Annotated[
    str, Query(max_length=330, description="12, #12, or CAMPAIGN#12 for another campaign's.")
]


class Side(NamedTuple):
    """One of the two."""

    run: CampaignArchive
    candidate: Candidate
    address: str


class Compared(NamedTuple):
    """A metric that either of them has."""

    name: str
    first: float | None
    second: float | None
    direction: str
    """Of an objective: which way is better; else empty."""


@router.get("/c/{campaign}/diff")
def pair(
    request: Request,
    run: Run,
    archive: Reader,
    a: Reference = "0",
    b: Reference = "",
    n: Annotated[
        list[int], Query(max_length=100, description="The two, as a list sends them.")
    ] = [],  # noqa: B006
    context: Annotated[int, Query(ge=0, le=WHOLE)] = 3,
    file: Annotated[int | None, Query(ge=0, le=10**6)] = None,
    start: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> Response:
    """What is different in b from a; the best against the seed if nobody says which."""
    if n:
        if len(n) != 2:
            raise BadRequest(f"n: mark two candidates, not {len(n)}.")
        a, b = map(str, sorted(n))
    if not b:
        best = run.best()
        b = str(best[0].number) if best else "0"
    first, second = _side(archive, run, a), _side(archive, run, b)
    files = differences(
        program_of(first.run, first.candidate),
        program_of(second.run, second.candidate),
        context=context,
        only=file,
        start=start,
    )
    return page(
        request,
        "candidate_pair.html",
        run=run,
        first=first,
        second=second,
        metrics=_metrics(first, second),
        a=a,
        b=b,
        context=context,
        file=file,
        files=files,
    )


def _side(archive: Archive, run: CampaignArchive, reference: str) -> Side:
    campaign, _, number = reference.strip().rpartition("#")
    if not (number.isascii() and number.isdigit() and len(number) <= 15):
        raise BadRequest(
            "a and b: give the numbers of two candidates, such as 12, or CAMPAIGN#12 for one of "
            "another campaign."
        )
    home = find_run(archive, campaign) if campaign else run
    found = find_candidate(home, int(number))
    return Side(home, found, address_of(home, found.number))


def _metrics(first: Side, second: Side) -> list[Compared]:
    one, other = (
        {**side.candidate.scores, **side.candidate.private_scores} for side in (first, second)
    )
    better = {
        objective.name: "higher" if objective.direction == "maximize" else "lower"
        for objective in (*second.run.objectives, *first.run.objectives)
    }
    names = sorted({**one, **other}, key=lambda name: (name not in better, name))
    return [Compared(name, one.get(name), other.get(name), better.get(name, "")) for name in names]
