"""The door of a server with a token."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from metasearch.web.rendering import page
from metasearch.web.security import Access

router = APIRouter()

_PAUSE = 0.5
"""Seconds that a wrong token costs."""


@router.get("/login")
async def ask(request: Request, next: str = "/") -> Response:  # noqa: A002 - as the address says
    """The page that asks for the token."""
    access: Access = request.app.state.access
    if access.admits(request):
        return RedirectResponse(_local(next), status_code=303)
    return page(request, "login.html", next=_local(next), wrong=False)


@router.post("/login")
async def enter(request: Request) -> Response:
    """Open a session, if the token is right."""
    access: Access = request.app.state.access
    form = parse_qs((await request.body())[:10_000].decode(errors="replace"))
    token, following = form.get("token", [""])[0], _local(form.get("next", ["/"])[0])
    if access.token is not None and not access.is_token(token.strip()):
        await asyncio.sleep(_PAUSE)
        return page(request, "login.html", status=403, next=following, wrong=True)
    response = RedirectResponse(following, status_code=303)
    if access.token is not None:
        response.set_cookie(
            access.cookie,
            access.new_session(),
            max_age=7 * 86_400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return response


@router.post("/logout")
async def leave(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(access.cookie, httponly=True, samesite="strict")
    return response


def _local(address: str) -> str:
    """The address if it is one of this server's pages, else the first page."""
    odd = not address.isascii() or not address.isprintable() or "\\" in address
    return "/" if odd or not address.startswith("/") or address.startswith("//") else address
