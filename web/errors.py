"""What people and programs are told when something fails: never how it looks inside."""

from __future__ import annotations

import logging
from typing import NamedTuple
from urllib.parse import quote, unquote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Candidate
from metasearch.errors import ArchiveError, UsageError
from metasearch.printable import one_line
from metasearch.web.readers import Readers
from metasearch.web.rendering import page

_log = logging.getLogger("metasearch.web")


class Failure(NamedTuple):
    """A failed request, as it is told."""

    status: int
    title: str
    text: str
    """What is wrong with which value, and what to do."""
    nearest: tuple[tuple[str, str], ...] = ()
    """Labels and addresses of what may have been meant."""


class Problem(BaseModel):
    """The body of every failed API request."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": "The archive has no campaign 'circle_pakcing'.",
                "nearest": ["/c/circle_packing"],
            }
        }
    )

    error: str
    """What is wrong with which value, and what to do."""
    nearest: list[str] = []
    """Addresses of what may have been meant."""


class NotFound(Exception):
    """There is no such campaign, candidate or file."""

    def __init__(self, text: str, *nearest: tuple[str, str]) -> None:
        super().__init__(text)
        self.text = text
        self.nearest = nearest


class NotModified(Exception):
    """The browser has this version already."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


class BadRequest(Exception):
    """A parameter has a value that cannot be."""


def find_run(archive: Archive, reference: str) -> CampaignArchive:
    """A campaign by its id, or the latest run of a name.

    Raises:
        NotFound: There is none. Names the nearest ones.
    """
    try:
        return archive.campaign(reference)
    except UsageError:
        text = f"The archive has no campaign {one_line(reference, 80)!r}."
        raise NotFound(text, *_nearest(archive, reference)) from None


def find_candidate(run: CampaignArchive, number: int) -> Candidate:
    """A candidate by its number.

    Raises:
        NotFound: There is none.
    """
    try:
        return run.candidate(number)
    except (KeyError, OverflowError):
        text = f"The campaign {run.id} has no candidate #{number}."
        raise NotFound(text, (run.id, f"/c/{quote(run.id, safe='')}")) from None


def respond(request: Request, failure: Failure, *, plain: bool = False) -> Response:
    """The failure as a page, or as JSON where a program asks.

    Args:
        request: The request that failed.
        failure: What is told.
        plain: Not as a page: the one who asks may not see any.
    """
    if request.url.path.startswith("/api/"):
        problem = Problem(error=failure.text, nearest=[href for _, href in failure.nearest])
        return JSONResponse(problem.model_dump(), status_code=failure.status)
    if plain:
        return PlainTextResponse(f"{failure.title}. {failure.text}\n", failure.status)
    return page(request, "error.html", status=failure.status, failure=failure)


def install(app: FastAPI) -> None:
    """Tell the application what to answer when an endpoint raises."""
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(NotModified, _not_modified)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ArchiveError, _archive)
    app.add_exception_handler(Exception, _bug)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotFound)
    return respond(request, Failure(404, "Not found", error.text, error.nearest))


async def _not_modified(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotModified)
    return Response(status_code=304, headers={"ETag": error.tag})


async def _bad_request(request: Request, error: Exception) -> Response:
    return respond(request, Failure(422, "That cannot be", str(error)))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    texts = []
    for fault in error.errors()[:5]:
        name = ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0])
        texts.append(f"{one_line(name, 80)}: {one_line(str(fault['msg']), 200)}")
    return respond(request, Failure(422, "That cannot be", "; ".join(texts)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != 404:
        response = respond(request, Failure(error.status_code, error.detail, error.detail))
        response.headers.update(error.headers or {})
        return response
    readers: Readers = request.app.state.readers
    nearest = await run_in_threadpool(_nearest_to, readers, request.url.path)
    return respond(request, Failure(404, "Not found", "There is no such page.", nearest))


async def _archive(request: Request, error: Exception) -> Response:
    # The message names paths of the server; who runs it reads them there.
    _log.error("%s", error)
    text = "The archive cannot be read now. The server's terminal says why."
    return respond(request, Failure(503, "No archive", text))


async def _bug(request: Request, error: Exception) -> Response:
    from metasearch.web.security import HEADERS

    # Starlette raises the error again behind this answer, and uvicorn logs it with its traceback.
    text = "This is a bug in metasearch. The server's terminal has the traceback."
    response = respond(request, Failure(500, "Something broke", text))
    response.headers.update(HEADERS)  # this answer does not pass the guard
    return response


def _nearest_to(readers: Readers, path: str) -> tuple[tuple[str, str], ...]:
    parts = [unquote(part) for part in path.split("/") if part not in ("", "c", "api", "campaigns")]
    if not parts:
        return ()
    try:
        with readers.reader() as archive:
            return _nearest(archive, parts[0])
    except ArchiveError:
        return ()


def _nearest(archive: Archive, reference: str) -> tuple[tuple[str, str], ...]:
    names = archive.nearest(reference)
    return tuple((name, f"/c/{quote(name, safe='')}") for name in names)
