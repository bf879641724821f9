"""The server's process of ``run --web``, which :mod:`metasearch.cli.page` starts as a module."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from metasearch.cli import bounded_log


def main() -> None:
    """Serve at the socket that was handed down, until the engine has gone."""
    archive, descriptor, log = sys.argv[1:]
    bounded_log.redirect(Path(log))
    from metasearch.cli.serve import serve_beside

    token = os.environ.get("METASEARCH_TOKEN")
    serve_beside(Path(archive), socket.socket(fileno=int(descriptor)), token)


if __name__ == "__main__":
    main()
