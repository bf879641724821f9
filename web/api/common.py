"""What the routes of the API share: the campaign in their path, its version, their errors."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.web.errors import NotModified, Problem, find_candidate, find_run
from metasearch.web.readers import Reader

MAX_TEXT = 1_000_000
"""Characters of one text in an answer; the archive has the whole of it."""

ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such campaign, candidate or file."},
    422: {"model": Problem, "description": "A parameter has a value that cannot be."},
    503: {"model": Problem, "description": "The archive cannot be read now."},
}
"""How requests fail."""

TAGGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing has changed since the version in If-None-Match."},
    **ERRORS,
}
"""Likewise, for what has a version."""


def _run(
    archive: Reader,
    campaign: Annotated[
        str,
        Path(
            max_length=300,
            description="An id, or a name: then its latest run.",
            examples=["circle_packing"],
        ),
    ],
) -> CampaignArchive:
    return find_run(archive, campaign)


UntaggedRun = Annotated[CampaignArchive, Depends(_run)]
"""The campaign in the path, for answers that may change although no fact was added."""


def _tagged(request: Request, response: Response, run: UntaggedRun) -> CampaignArchive:
    seq, state = run.version()
    tag = f'W/"{run.id}-{seq}-{state}"'
    if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
        raise NotModified(tag)
    response.headers["ETag"] = tag
    return run


Run = Annotated[CampaignArchive, Depends(_tagged)]
"""The campaign in the path. Its version is the answer's ``ETag``; a known one gets 304."""


def _candidate(run: Run, number: Annotated[int, Path(ge=0, le=2**53, examples=[12])]) -> Candidate:
    return find_candidate(run, number)


Found = Annotated[Candidate, Depends(_candidate)]
"""The candidate in the path."""


def cut(text: str) -> str:
    """A text of a bounded length, which says so if it was longer."""
    more = len(text) - MAX_TEXT
    return text if more <= 0 else f"{text[:MAX_TEXT]}\n[{more} more characters]"
