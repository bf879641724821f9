"""The command ``serve``: the archive in a browser."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import signal
import socket
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from metasearch.archive import Archive, default_path
from metasearch.cli.scaffold import TEMPLATES
from metasearch.errors import PrerequisiteError, UsageError
from metasearch.web import Access, Workshop, create_app, prepare
from metasearch.web.security import MIN_TOKEN

_PATIENCE = 2
"""Seconds that open connections, such as a live page's, get to end."""

_SWITCH = 0.0005
"""Seconds after which a thread gives way to another. A page gives way at each row that it reads,
and would wait for a thread that counts in the background ten times as long by default."""


def serve(
    file: Path | None,
    host: str,
    port: int,
    token: str | None,
    names: Sequence[str],
    roots: Sequence[Path],
    *,
    browser: bool,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    archive = file or default_path()
    # Says what is wrong with it now and not on the first page; makes it if there is none.
    Archive.open(archive, create=not archive.exists(), read_only=archive.exists()).close()
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"--campaigns {root} is no folder.")
    listener = listen(host, port, token)
    address = _address(host, listener.getsockname()[1])
    access = Access(token=token, hosts=frozenset(name.lower() for name in [host, *names]))
    app = create_app(archive, access, Workshop(archive, roots, TEMPLATES))
    prepare(app)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_PATIENCE,
    )
    sys.stdout.write(f"{archive} is at {address} (Ctrl-C ends this)\n")
    sys.stdout.flush()
    if browser:
        webbrowser.open(address)
    sys.setswitchinterval(_SWITCH)
    # uvicorn sends itself again the signal that ended it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        return


def listen(host: str, port: int, token: str | None) -> socket.socket:
    """A listening socket, at an address that suits the token.

    Raises:
        UsageError: The address is not this machine's alone and there is no good token, or the
            port is taken.
        PrerequisiteError: The address cannot be listened at.
    """
    if token is not None and len(token) < MIN_TOKEN:
        raise UsageError(f"The token has {len(token)} characters; it needs {MIN_TOKEN} or more.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UsageError(
            f"--host {host} is no address of this machine: {error.strerror}."
        ) from None
    family, kind, protocol, _, place = found[0]
    if token is None and not ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback:
        raise UsageError(
            f"--host {host} lets other machines in, and that needs a token. Here is a new one: "
            f"METASEARCH_TOKEN={secrets.token_urlsafe(24)}"
        )
    # asyncio sends small answers at once (TCP_NODELAY) only if the socket names its protocol.
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} of {host} is in use, perhaps by another 'metasearch serve'. Choose "
                f"another one: --port {port + 1 if port < 65535 else 0}, or 0 for any that is free."
            ) from None
        raise PrerequisiteError(f"Cannot listen at {host}:{port}: {error.strerror}.") from None
    return listener


def _address(host: str, port: int) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - not bound here
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
