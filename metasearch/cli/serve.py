"""The command ``serve``: the archive in a browser."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from metasearch.archive import Archive, default_path
from metasearch.cli.listening import address, listen
from metasearch.cli.scaffold import TEMPLATES
from metasearch.errors import UsageError
from metasearch.web import Access, Workshop, create_app, prepare

_PATIENCE = 2
"""Seconds that open connections, such as a live page's, get to end."""
_SWITCH = 0.0005
"""Seconds after which a thread gives way to another. A page gives way at each row that it reads,
and would wait for a thread that counts in the background ten times as long by default."""
_LAST_WORDS = 1.0
"""Seconds in which open pages hear that the engine has ended."""


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
    place = address(host, listener.getsockname()[1])
    access = Access(token=token, hosts=frozenset(name.lower() for name in [host, *names]))
    server = _server(archive, access, roots)
    sys.stdout.write(f"{archive} is at {place} (Ctrl-C ends this)\n")
    sys.stdout.flush()
    if browser:
        webbrowser.open(place)
    # uvicorn sends itself again the signal that ended it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return


def serve_beside(archive: Path, listener: socket.socket, token: str | None) -> None:
    """Serve until standard input ends, which it does when the engine that holds it has gone."""
    server = _server(archive, Access(token=token), [Path()])

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):  # no buffer: its lock would outlive this thread
            pass
        time.sleep(_LAST_WORDS)
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """One that does not wait for live pages, which never end by themselves."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let them go, then end."""
        self._end_streams()
        await super().shutdown(sockets)


def _server(archive: Path, access: Access, roots: Sequence[Path]) -> uvicorn.Server:
    app = create_app(archive, access, Workshop(archive, roots, TEMPLATES))
    prepare(app)
    sys.setswitchinterval(_SWITCH)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_PATIENCE,
    )
    return _Server(config, app.state.feed.end)
