"""The controls of a campaign: commands, their answers, and starting an engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from metasearch.archive import CampaignArchive
from metasearch.commands import Hint, Idea
from metasearch.engine.preview import Preview, preview
from metasearch.errors import MetasearchError
from metasearch.printable import one_line
from metasearch.web.commanding import command_of, give
from metasearch.web.errors import BadRequest, Conflict, NotFound, find_candidate, find_run
from metasearch.web.readers import Reader, Readers
from metasearch.web.rendering import page, segment, with_query
from metasearch.web.workshop import Workshop

router = APIRouter()

MAX_PREVIEW = 20_000
"""Candidates of a campaign whose next prompt is shown here: all of it is folded for that."""

_MAX_FIELDS = 40
_AROUND = 900
"""Characters that are shown before and after."""


async def _fields(request: Request) -> dict[str, str]:
    try:
        said = parse_qs((await request.body()).decode(), max_num_fields=_MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise BadRequest("The form cannot be read.") from None
    return {name: values[-1] for name, values in said.items()}


Fields = Annotated[dict[str, str], Depends(_fields)]
"""What a form says; of fields with one name the last one."""

_FAULTS = (NotFound, BadRequest, Conflict)


def said(request: Request, fault: Exception | None, text: str = "") -> Response:
    """A line beside the form that was sent."""
    status = 200
    if fault is not None:
        text = fault.text if isinstance(fault, NotFound) else str(fault)
        status = 404 if isinstance(fault, NotFound) else 422
        status = 409 if isinstance(fault, Conflict) else status
    response = page(request, "said.html", status=status, text=text, failed=fault is not None)
    if fault is None:
        response.headers["HX-Trigger"] = "commanded"
    return response


@router.get("/c/{campaign}/commands")
def show(request: Request, archive: Reader, campaign: str) -> Response:
    """The controls as a page of their own, and the latest commands."""
    run = find_run(archive, campaign)
    seq, state = run.version()
    base = f"/c/{segment(run.id)}"
    return page(request, "commanding.html", run=run, base=base, seq=seq, state=state)


@router.post("/c/{campaign}/commands")
def say(request: Request, campaign: str, fields: Fields) -> Response:
    """Give a command."""
    readers: Readers = request.app.state.readers
    try:
        told = give(readers, campaign, command_of(fields))
    except _FAULTS as fault:
        return said(request, fault)
    return said(request, None, f"asked: {one_line(str(told.command), 80)}")


@router.post("/c/{campaign}/preview")
def show_next(request: Request, archive: Reader, campaign: str, fields: Fields) -> Response:
    """Where a hint would stand in the next prompt."""
    try:
        word = command_of(fields)
        if not isinstance(word, Hint | Idea):
            raise BadRequest("Only hints and ideas stand in prompts.")
        found = _previewed(find_run(archive, campaign), word)
    except _FAULTS as fault:
        return said(request, fault)
    places = list(_places(found, word.text))
    return page(request, "preview.html", found=found, places=places)


class Place(NamedTuple):
    """Where words stand in a message."""

    role: str
    before: str
    words: str
    after: str


def _places(found: Preview, text: str) -> Iterator[Place]:
    for message in found.prompt.messages:
        for words in (text, text.splitlines()[0]):
            before, hit, after = message.content.partition(words)
            if hit:
                yield Place(message.role, before[-_AROUND:], hit, after[:_AROUND])
                break


def _previewed(run: CampaignArchive, word: Hint | Idea) -> Preview:
    if sum(run.counts().values()) > MAX_PREVIEW:
        raise BadRequest(
            f"A campaign of more than {MAX_PREVIEW:,} candidates takes too long for this: give "
            f"the hint, and look with 'metasearch prompt {run.id}'."
        )
    try:
        return preview(run, max(run.next_step(), 1), word)
    except MetasearchError as error:
        raise BadRequest(one_line(str(error), 400)) from None


@router.post("/c/{campaign}/start")
def start(request: Request, archive: Reader, campaign: str) -> Response:
    """Start an engine that continues the campaign."""
    workshop: Workshop = request.app.state.workshop
    try:
        run = find_run(archive, campaign)
        summary = run.summary()
        if summary.holder:
            raise Conflict(f"{summary.holder} runs it already.")
        if archive.find(summary.name).id != run.id:
            raise Conflict(f"{run.id} is not the latest run of {summary.name}, which continues.")
        folder = workshop.folder_at(run.resolved().folder)
        if folder is None:
            raise Conflict("Its folder is not below those that the server was given.")
        job = workshop.start(folder, fresh=False)
    except _FAULTS as fault:
        return said(request, fault)
    address = with_query("/started", folder=folder.key)
    text = f"started: process {job.pid}"
    response = said(request, None, text)
    response.headers["HX-Redirect"] = address
    return response


@router.post("/c/{campaign}/{number}/branch")
def branch(
    request: Request,
    archive: Reader,
    campaign: str,
    number: Annotated[int, Path(ge=0, le=2**53)],
    fields: Fields,
) -> Response:
    """A new campaign that begins with the candidate's program."""
    workshop: Workshop = request.app.state.workshop
    try:
        run = find_run(archive, campaign)
        find_candidate(run, number)
        root = fields.get("root", "0")
        place = int(root) if root.isascii() and root.isdecimal() else -1
        folder = workshop.branch(place, fields.get("name", ""), f"{run.id}#{number}")
    except _FAULTS as fault:
        return said(request, fault)
    response = said(request, None, f"made {folder.label}")
    response.headers["HX-Redirect"] = with_query("/new", folder=folder.key)
    return response
