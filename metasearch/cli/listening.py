"""Where the server listens: this machine's own address, or another one with a token."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket

from metasearch.errors import PrerequisiteError, UsageError


def listen(host: str, port: int, token: str | None) -> socket.socket:
    """A listening socket, at an address that suits the token.

    Raises:
        UsageError: The address is not this machine's alone and there is no good token, or the
            port is taken.
        PrerequisiteError: The address cannot be listened at.
    """
    if token is not None:
        from metasearch.web.security import MIN_TOKEN

        if len(token) < MIN_TOKEN:
            raise UsageError(
                f"The token has {len(token)} characters; it needs {MIN_TOKEN} or more."
            )
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


def address(host: str, port: int) -> str:
    """Of the first page."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - not bound here
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
