"""Open archives for many requests at once: read-only, each used by one request at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Annotated

from fastapi import Depends, Request

from metasearch.archive import Archive

_KEPT = 16
"""Idle readers that stay open."""


class Readers:
    """Opens the archive file as often as requests need it at the same time.

    Reading never blocks the engine that writes: the file is opened ``mode=ro``, and each
    reading sees one committed state.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: LifoQueue[tuple[tuple[int, int], Archive]] = LifoQueue()

    @contextmanager
    def reader(self) -> Iterator[Archive]:
        """The archive, for this block alone.

        Raises:
            ArchiveError: There is none, or it cannot be read.
        """
        file = self._file()
        archive = self._take(file) or Archive.open(self.path, read_only=True)
        try:
            yield archive
        finally:
            if self._idle.qsize() < _KEPT:
                self._idle.put((file, archive))
            else:
                archive.close()

    def close(self) -> None:
        """Close all readers that nobody uses."""
        while True:
            try:
                self._idle.get_nowait()[1].close()
            except Empty:
                return

    def _take(self, file: tuple[int, int]) -> Archive | None:
        while True:
            try:
                opened, archive = self._idle.get_nowait()
            except Empty:
                return None
            if opened == file:
                return archive
            archive.close()  # Another file has taken the place of the one that it reads.

    def _file(self) -> tuple[int, int]:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - the two numbers are all that is wanted
        except OSError:
            return -1, -1
        return status.st_dev, status.st_ino


def _reader(request: Request) -> Iterator[Archive]:
    readers: Readers = request.app.state.readers
    with readers.reader() as archive:
        yield archive


Reader = Annotated[Archive, Depends(_reader)]
"""Parameter of an endpoint: the archive, open for this request alone."""
