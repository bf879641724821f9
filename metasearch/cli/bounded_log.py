"""A file that takes what an engine without a terminal tells, and does not grow without end."""

from __future__ import annotations

import io
import sys
from pathlib import Path

LIMIT = 1_000_000
"""Bytes; beyond that the older half goes."""


class BoundedLog(io.TextIOBase):
    """Appends to a file; satisfies what ``print`` and tracebacks need of a stream."""

    encoding = "utf-8"

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._stream = path.open("a+b", buffering=0)
        self._limit = limit

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Append a text."""
        self._stream.write(text.encode(errors="backslashreplace"))
        if self._stream.tell() > self._limit:
            self._stream.seek(-self._limit // 2, io.SEEK_END)
            kept = self._stream.read().partition(b"\n")[2]
            self._stream.truncate(0)
            self._stream.write(kept)
        return len(text)


def redirect(path: Path) -> None:
    """Let all that this process prints from now on go to a file."""
    sys.stdout = sys.stderr = BoundedLog(path)
