"""Scripts, styles and pictures: read once, served from memory, each under its version.

A request's path is looked up among the files that there are and never reaches the file system.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"

router = APIRouter()


class Asset(NamedTuple):
    """One file."""

    media_type: str
    content: bytes
    packed: bytes
    """Likewise, as gzip."""


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
def serve(request: Request, path: str) -> Response:
    """A file, for ever: under the same address it never changes."""
    asset = _assets().get(path)
    if asset is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    content = asset.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = asset.packed
    return Response(content, media_type=asset.media_type, headers=headers)


def prepare() -> None:
    """Read and pack all files, so that the first request need not."""
    _assets()


def address(name: str) -> str:
    """Where a page finds a file: ``app.css``, or ``htmx.org-4.0.1/htmx.min.js``.

    Raises:
        KeyError: There is no such file.
    """
    path = name if "/" in name else f"{_edition()}/{name}"
    if path not in _assets():
        raise KeyError(f"there is no {name} in {FOLDER}")
    return f"/static/{path}"


@cache
def _assets() -> dict[str, Asset]:
    """Vendored files under their folder, which has the version; ours under their digest."""
    found = {}
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file():
            place = file.relative_to(FOLDER).as_posix()
            kind, _ = mimetypes.guess_type(file.name)
            if kind == "application/javascript":
                kind = "text/javascript"
            content = file.read_bytes()
            path = place if "/" in place else f"{_edition()}/{place}"
            packed = gzip.compress(content, 6, mtime=0)
            found[path] = Asset(kind or "text/plain", content, packed)
    return found


@cache
def _edition() -> str:
    """A name for all our own files together: they import each other by relative addresses."""
    digest = hashlib.sha256()
    for file in sorted(FOLDER.iterdir()):
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"own-{digest.hexdigest()[:16]}"
