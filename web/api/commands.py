"""The API's commands: what a person says to a campaign, and what its engine answered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from metasearch.commands import Command, Commanded
from metasearch.web.api.common import ERRORS, TAGGED, Run, UntaggedRun
from metasearch.web.commanding import give
from metasearch.web.errors import NotFound, Problem
from metasearch.web.readers import Readers

router = APIRouter(tags=["commands"], responses=ERRORS)

_EXAMPLES = {
    "pause": {"value": {"kind": "pause"}},
    "extend": {"value": {"kind": "extend", "evaluations": 500}},
    "concurrency": {"value": {"kind": "concurrency", "limit": 16}},
    "hint": {"value": {"kind": "hint", "text": "Try a hexagonal start.", "expires": 20}},
    "withdraw": {"value": {"kind": "withdraw", "hint": 3}},
    "idea": {"value": {"kind": "idea", "text": "Solve the circles' radii as a linear program."}},
    "favourite": {"value": {"kind": "favourite", "candidate": 12}},
    "veto": {"value": {"kind": "veto", "candidate": 12, "reason": "It reads the test data."}},
}

_MOST_STEERED = 2_000
"""Pairs of candidate and command, those of the latest steps: as many rings can be drawn."""

Campaign = Annotated[str, Path(max_length=300, examples=["circle_packing"])]


class CommandItem(BaseModel):
    """One command, and what came of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": 4,
                "seq": 1202,
                "at": 1795291447.2,
                "who": "web",
                "command": {"kind": "concurrency", "limit": 16},
                "answered": 1795291447.4,
                "taken": True,
                "answer": "taken before step 41",
            }
        }
    )

    number: int
    seq: int
    """Its place in the campaign's order of facts."""
    at: float
    """Unix time in seconds."""
    who: str
    """User and host, or ``web``."""
    command: Command
    answered: float | None
    """Unix time; ``null`` while it waits for an engine."""
    taken: bool
    answer: str
    """From which step on it counts, or why it was declined."""


class SteeredItem(BaseModel):
    """A candidate that was born under what a person had said."""

    candidate: int
    commands: list[int]
    """Numbers of the hints and ideas that its prompts showed."""


class SteeredList(BaseModel):
    """Such candidates by number."""

    candidates: list[SteeredItem]
    complete: bool
    """False if only those of the latest steps are here."""


@router.get("/campaigns/{campaign}/commands")
def commands(
    run: UntaggedRun, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[CommandItem]:
    """What people have said to a campaign, newest first."""
    return [_item(each) for each in run.latest_commands(limit)]


@router.get("/campaigns/{campaign}/steered", responses=TAGGED)
def steered(run: Run) -> SteeredList:
    """Candidates whose prompts showed a hint or an idea of a person, those of the latest steps."""
    found = run.born_under_words(_MOST_STEERED)
    return SteeredList(
        candidates=[
            SteeredItem(candidate=number, commands=sorted(commands))
            for number, commands in sorted(found.items())
        ],
        complete=sum(map(len, found.values())) < _MOST_STEERED,
    )


@router.get("/campaigns/{campaign}/commands/{number}")
def command(run: UntaggedRun, number: Annotated[int, Path(ge=0, le=2**53)]) -> CommandItem:
    """One command; ask again to see what an engine has answered."""
    try:
        return _item(run.commanded(number))
    except KeyError:
        raise NotFound(f"The campaign {run.id} has no command {number}.") from None


@router.post(
    "/campaigns/{campaign}/commands",
    status_code=201,
    responses={
        403: {"model": Problem, "description": "Without the header X-Metasearch: 1."},
        409: {"model": Problem, "description": "It needs an engine, and none runs the campaign."},
        413: {"model": Problem, "description": "The body is too large."},
    },
)
def say(
    request: Request,
    campaign: Campaign,
    command: Annotated[Command, Body(openapi_examples=_EXAMPLES)],
) -> CommandItem:
    """Give a command to a campaign. Needs the header ``X-Metasearch: 1``.

    An engine that runs answers within a second. If none does, ``pause``, ``continue`` and
    ``stop`` are refused, and all else waits for the next one.
    """
    readers: Readers = request.app.state.readers
    return _item(give(readers, campaign, command))


def _item(each: Commanded) -> CommandItem:
    return CommandItem.model_validate(each.model_dump())
