"""The programs of candidates as files, to be saved or copied."""

from __future__ import annotations

import io
import zipfile
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response

from metasearch.web.api.candidates import program_of
from metasearch.web.api.common import Found, Run
from metasearch.web.api.records import SANDBOX
from metasearch.web.errors import NotFound
from metasearch.web.pages.candidate_head import saved_name

router = APIRouter()

_HERE = "/c/{campaign}/{number:int}/program"


@router.get(_HERE)
def program(run: Run, found: Found) -> Response:
    """The whole program: its file, or several in a ZIP archive."""
    files = _files(program_of(run, found), found.number)
    if len(files) == 1:
        return file(run, found, 0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files:
            archive.writestr(zipfile.ZipInfo(path), text.encode(), zipfile.ZIP_DEFLATED)
    return _saved(packed.getvalue(), "application/zip", f"{run.id}_{found.number}.zip")


@router.get(_HERE + "/{position}")
def file(run: Run, found: Found, position: Annotated[int, Path(ge=0, le=10**6)]) -> Response:
    """One file of it, as it is."""
    files = _files(program_of(run, found), found.number)
    if position >= len(files):
        raise NotFound(f"The program of #{found.number} has no file {position}.")
    path, text = files[position]
    return _saved(text.encode(), "text/plain; charset=utf-8", saved_name(found.number, path))


def _files(program: dict[str, str], number: int) -> list[tuple[str, str]]:
    if not program:
        raise NotFound(f"Candidate #{number} has no program: its edit gave none.")
    return list(program.items())


def _saved(content: bytes, media_type: str, name: str) -> Response:
    headers = {
        "Content-Security-Policy": SANDBOX,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Type": media_type,
    }
    return Response(content, headers=headers)
