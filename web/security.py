"""Who may talk to this server, and what a browser may do with its answers.

Without a token only this machine may: the server listens on loopback, and every request must
name a loopback host, so that a hostile name that resolves to 127.0.0.1 (DNS rebinding) gets
nothing. With a token every request must carry it, as a bearer or in the login page's cookie.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metasearch.web.errors import Failure, respond

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""No inline script or style, no evaluated text, nothing from another host, no framing."""

HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "private, no-cache",
}
"""Of every answer that does not bring its own."""

CUSTOM_HEADER = "X-Metasearch"
"""Must be on every request that changes something: a form of another site cannot set it."""

MAX_BODY = 1_000_000
"""Bytes of a request's body."""

MIN_TOKEN = 16
"""Characters of a token."""

_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN = ("/login", "/static/")
"""What everybody may have: the door, and files without secrets."""
_DAY = 86_400


@dataclass(frozen=True)
class Access:
    """Who may use the server.

    Attributes:
        token: Everyone must bring it; ``None`` leaves the server to this machine.
        hosts: Names besides ``localhost`` by which it is called.
    """

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset()

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header names this server.

        An address cannot be rebound; a name can.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name in self.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return self.token is not None and name in {socket.gethostname().lower(), _domain()}
        return address.is_loopback or self.token is not None

    def is_token(self, given: str) -> bool:
        """Whether it is the token, in a time that does not tell how much of it is right."""
        return self.token is not None and _same(given, self.token)

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers share cookies among all ports of a host."""
        return f"metasearch-{self._sign('name')[:8]}"

    def new_session(self) -> str:
        """What the cookie holds after a login: it ends in a week, and does not tell the token."""
        until = str(int(time.time()) + 7 * _DAY)
        return f"{until}.{self._sign(until)}"

    def admits(self, request: Request) -> bool:
        """Whether the request carries the token, or a session that it once opened."""
        if self.token is None:
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_token(given.strip())
        until, _, signature = request.cookies.get(self.cookie, "").partition(".")
        if not _same(signature, self._sign(until)):
            return False
        return until.isascii() and until.isdigit() and int(until) > time.time()

    def _sign(self, text: str) -> str:
        key = (self.token or "").encode()
        return hmac.new(key, f"metasearch session {text}".encode(), "sha256").hexdigest()


class Guard:
    """Middleware around everything: refuses strangers, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.knows(hosts[0]):
            text = (
                "This server is not called by that name. Use the address that 'metasearch serve' "
                "printed, or allow the name with --allow-host NAME."
            )
            return respond(request, Failure(421, "Unknown host", text), plain=True)
        if failure := _foreign(request, headers):
            return respond(request, failure, plain=True)
        path = request.url.path
        if path.startswith(_OPEN) or self._access.admits(request):
            return None
        if path.startswith("/api/"):
            text = "Send the server's token: 'Authorization: Bearer TOKEN'."
            response = respond(request, Failure(401, "Token needed", text))
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        here = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(here, safe='')}", status_code=303)


def _foreign(request: Request, headers: Headers) -> Failure | None:
    """What is wrong with where a request comes from, or with its size."""
    if request.method in _SAFE:
        # Another site may link here, but not read, embed or probe anything.
        from_elsewhere = headers.get("sec-fetch-site") == "cross-site"
        if from_elsewhere and headers.get("sec-fetch-mode") != "navigate":
            return Failure(403, "Refused", "Another site may not load this.")
        return None
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers["host"]:
        return Failure(403, "Refused", "This request came from another site.")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return Failure(403, "Refused", "This request came from another site.")
    if request.url.path != "/login" and CUSTOM_HEADER not in headers:
        return Failure(403, "Refused", f"A request that changes something needs {CUSTOM_HEADER}: 1")
    length = headers.get("content-length", "")
    if not length.isdecimal() and "transfer-encoding" in headers:
        return Failure(411, "Length needed", "Send the body with a Content-Length.")
    if length.isdecimal() and int(length) > MAX_BODY:
        return Failure(413, "Too large", f"A request's body may have {MAX_BODY:,} bytes.")
    return None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def _domain() -> str:
    return socket.getfqdn().lower()
