"""``run --web``: the page of the running campaign, from a server beside the engine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from metasearch.cli.commands.options import PORT
from metasearch.cli.listening import address, listen
from metasearch.errors import UsageError

if TYPE_CHECKING:
    import socket

    from metasearch.candidate import Candidate
    from metasearch.engine import Observer, Report
    from metasearch.facts import Recorded

_HOST = "127.0.0.1"
_PATIENCE = 10.0
"""Seconds that the server gets to end."""


class Web(NamedTuple):
    """How a page is asked for."""

    port: int | None
    """Where; by default the usual one or, if that is in use, any that is free."""
    browser: bool
    """Whether a browser opens it."""


class Page:
    """A server of the archive for as long as the engine runs; see :func:`opened`.

    It is a process of its own and knows the archive only, so neither takes the other along when
    it fails. It sees the engine end, by whatever way, because then its standard input does.
    """

    def __init__(self, archive: Path, listener: socket.socket, log: Path, *, browser: bool) -> None:
        self._browser = browser
        self._archive = archive
        self._listener = listener
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def show(self, campaign: str) -> str:
        """Start the server, once the archive has the campaign; the page's address.

        The socket listens already: a browser that comes at once waits for the server.
        """
        descriptor = self._listener.fileno()
        words = [str(self._archive.absolute()), str(descriptor), str(self._log)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "metasearch.cli.beside", *words],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
                start_new_session=True,  # a Ctrl-C for the engine lets it finish its work first
            )
        port = self._listener.getsockname()[1]
        self._listener.close()
        place = f"{address(_HOST, port)}c/{quote(campaign, safe='')}"
        if self._browser:
            webbrowser.open(place)
        return place

    def fault(self) -> str:
        """Why the server has ended, told once; empty while it runs."""
        if self._process is None or (code := self._process.poll()) is None:
            return ""
        self._process = None
        said = self._log.read_text(errors="replace").strip().splitlines()
        return said[-1] if said else f"exit code {code}"

    def close(self) -> None:
        """End the server, once open pages have heard that the engine has ended."""
        self._listener.close()
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def opened(archive: Path, web: Web) -> Iterator[Page]:
    """A page server whose address is taken already, and which ends with the block.

    Args:
        archive: The file; it need not be there yet.
        web: As it is asked for.

    Raises:
        UsageError: The port is in use, or ``METASEARCH_TOKEN`` is too short.
    """
    token = os.environ.get("METASEARCH_TOKEN")
    try:
        listener = listen(_HOST, PORT if web.port is None else web.port, token)
    except UsageError:
        if web.port is not None:
            raise
        listener = listen(_HOST, 0, token)
    with tempfile.TemporaryDirectory(prefix="metasearch-page-") as folder:
        page = Page(archive, listener, Path(folder, "log"), browser=web.browser)
        try:
            yield page
        finally:
            page.close()


class WithPage:
    """An observer that also tells where the page is, and when its server has failed."""

    def __init__(self, observer: Observer, page: Page, tell: Callable[[str], None]) -> None:
        """Set up.

        Args:
            observer: Is told all that this one is told.
            page: Is shown once the campaign is open.
            tell: Tells a person the page's address.
        """
        self._observer = observer
        self._page = page
        self._tell = tell

    def started(self, report: Report, resumed: bool) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._observer.started(report, resumed)
        self._tell(self._page.show(report.campaign))

    def settled(self, candidate: Candidate, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._observer.settled(candidate, report)

    def recorded(self, recorded: Recorded) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._observer.recorded(recorded)

    def progressed(self, report: Report) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._observer.progressed(report)
        if fault := self._page.fault():
            self.notice(
                f"The page's server has ended ({fault}); the run goes on. 'metasearch serve' "
                "shows it."
            )

    def notice(self, text: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._observer.notice(text)

    def finished(self, report: Report, reason: str) -> None:
        """See :class:`metasearch.engine.Observer`."""
        self._observer.finished(report, reason)
