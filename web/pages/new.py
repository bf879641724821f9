"""A new campaign: from a folder on this machine or from a template, checked, then started."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from metasearch.archive import Archive, CampaignSummary
from metasearch.errors import UsageError
from metasearch.strategies import strategies
from metasearch.web.drafts import FIELDS, Draft, changed, draft
from metasearch.web.errors import BadRequest, Conflict, NotFound
from metasearch.web.pages.commands import Fields, said
from metasearch.web.readers import Reader
from metasearch.web.rendering import page, segment, with_query
from metasearch.web.workshop import Folder, Job, Workshop, digest

router = APIRouter()

Key = Annotated[str, Query(max_length=1_000)]


class Check(NamedTuple):
    """How the seed program fared."""

    running: bool
    seconds: float
    scores: dict[str, float]
    fault: str
    """Why it was not scored; empty if it was."""


@router.get("/new")
def new(request: Request, archive: Reader, folder: Key = "") -> Response:
    """Choose a folder or a template; then the form of the campaign in it."""
    workshop = _workshop(request)
    if not folder:
        return page(request, "new.html", folders=workshop.folders(), workshop=workshop)
    chosen = workshop.folder(folder)
    text = workshop.text(chosen)
    now = draft(chosen.path, text)
    return _editor(request, archive, chosen, now, digest(text))


@router.post("/new")
def make(request: Request, fields: Fields) -> Response:
    """A folder from a template."""
    root = fields.get("root", "0")
    place = int(root) if root.isascii() and root.isdecimal() else -1
    try:
        folder = _workshop(request).make(place, fields.get("name", ""), fields.get("template", ""))
    except (NotFound, BadRequest, Conflict) as fault:
        return said(request, fault)
    response = said(request, None, f"made {folder.label}")
    response.headers["HX-Redirect"] = with_query("/new", folder=folder.key)
    return response


@router.post("/new/draft")
def try_out(request: Request, archive: Reader, fields: Fields, folder: Key) -> Response:
    """The text with one field changed, read and tried; nothing is written."""
    chosen = _workshop(request).folder(folder)
    text, key = fields.get("text", ""), fields.get("changed", "")
    if key in FIELDS:
        text = changed(text, key, fields.get(key, ""))
    return _editor(request, archive, chosen, draft(chosen.path, text), fields.get("known", ""))


@router.post("/new/check")
def check(request: Request, archive: Reader, fields: Fields, folder: Key) -> Response:
    """Save, and evaluate the seed program once."""
    workshop = _workshop(request)
    chosen = workshop.folder(folder)
    now = draft(chosen.path, fields.get("text", ""))
    if now.campaign is not None:
        try:
            workshop.save(chosen, now.text, fields.get("known", ""))
            workshop.check(chosen)
        except (NotFound, BadRequest, Conflict) as fault:
            return _told(request, fault)
    return _editor(request, archive, chosen, now, _known(fields, now))


@router.get("/new/check")
def checked(request: Request, folder: Key) -> Response:
    """How far the check is."""
    workshop = _workshop(request)
    chosen = workshop.folder(folder)
    return page(request, "check.html", check=_check(workshop.checked(chosen)), chosen=chosen)


@router.post("/new/start")
def start(request: Request, archive: Reader, fields: Fields, folder: Key) -> Response:
    """Save, and start an engine."""
    workshop = _workshop(request)
    chosen = workshop.folder(folder)
    now = draft(chosen.path, fields.get("text", ""))
    if now.campaign is None:
        return _editor(request, archive, chosen, now, fields.get("known", ""))
    try:
        workshop.save(chosen, now.text, fields.get("known", ""))
        workshop.start(chosen, fresh=fields.get("fresh") == "yes")
    except (NotFound, BadRequest, Conflict) as fault:
        return _told(request, fault)
    response = said(request, None, "started")
    response.headers["HX-Redirect"] = with_query("/started", folder=chosen.key)
    return response


@router.get("/started")
def started(request: Request, archive: Reader, folder: Key) -> Response:
    """What became of an engine that was started here: its campaign, or why it ended."""
    workshop = _workshop(request)
    chosen = workshop.folder(folder)
    job = workshop.engine(chosen)
    if job is None:
        return RedirectResponse(with_query("/new", folder=chosen.key), status_code=303)
    code = job.code()
    run = _run_of(archive, chosen, job)
    if run is not None and (run.holder or code == 0):
        address = f"/c/{segment(run.id)}"
        if "hx-request" in request.headers:
            response = Response(status_code=200)
            response.headers["HX-Redirect"] = address
            return response
        return RedirectResponse(address, status_code=303)
    return page(request, "started.html", chosen=chosen, job=job, code=code)


def _workshop(request: Request) -> Workshop:
    workshop: Workshop = request.app.state.workshop
    if not workshop.roots:
        raise NotFound("This server makes no campaigns: start it with --campaigns DIR.")
    return workshop


def _editor(request: Request, archive: Archive, chosen: Folder, now: Draft, known: str) -> Response:
    names = [info.name for info in strategies()]
    runs = False
    if now.campaign is not None:
        runs = archive.has(now.campaign.name)
    faults = {fault.key: fault.text for fault in reversed(now.faults)}
    return page(
        request,
        "editor_form.html" if request.method == "POST" else "editor.html",
        chosen=chosen,
        draft=now,
        known=known,
        labels=FIELDS,
        faults=faults,
        strategies=names,
        runs=runs,
        check=_check(_workshop(request).checked(chosen)),
    )


def _told(request: Request, fault: Exception) -> Response:
    """The fault in its line of the editor, which stays as it is."""
    response = said(request, fault)
    response.headers["HX-Retarget"] = "#told"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _known(fields: dict[str, str], now: Draft) -> str:
    """What the file holds now: the text if it was written, else what it held before."""
    return digest(now.text) if now.campaign is not None else fields.get("known", "")


def _check(job: Job | None) -> Check | None:
    if job is None:
        return None
    code = job.code()
    if code is None:
        return Check(True, 0.0, {}, "")
    output = job.output(20_000)
    for line in reversed(output.splitlines()):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            told = json.loads(line)
            seconds = float(told.get("seconds", 0.0))
            if told.get("outcome") == "scored":
                scores = {str(name): float(value) for name, value in told["scores"].items()}
                return Check(False, seconds, scores, "")
            return Check(False, seconds, {}, str(told["error"])[-2_000:])
    return Check(False, 0.0, {}, output[-2_000:] or f"It ended with exit code {code}.")


def _run_of(archive: Archive, chosen: Folder, job: Job) -> CampaignSummary | None:
    """The run that the engine has taken, or had taken before it ended."""
    latest = None
    for summary in sorted(archive.campaigns(), key=lambda s: s.created):
        if re.match(rf"process {job.pid} on ", summary.holder):
            return summary
        with contextlib.suppress(UsageError):
            if archive.campaign(summary.id).resolved().folder == chosen.path:
                latest = summary
    return latest
