"""Content-addressed blobs: programs, prompts, replies, logs and artifacts, each stored once.

What is read back is checked against its address, and an archive from elsewhere cannot make
this process unpack more than :data:`MAX_BLOB_BYTES`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import zstandard

from metasearch.errors import ArchiveError

MAX_BLOB_BYTES = 64 * 1024**2
"""Of one blob's content. Larger ones are refused on both ways."""

_WORTHWHILE = 128
"""Bytes below which compressing saves nothing."""

_ADD = """
INSERT INTO blob (digest, size, zstd, data) VALUES (:digest, :size, :zstd, :data)
"""
_KNOWN = "SELECT 1 FROM blob WHERE digest = ?"
_READ = "SELECT size, zstd, data FROM blob WHERE digest = ? AND length(data) <= ?"


class Blobs:
    """The blobs of one open archive."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._decompressor = zstandard.ZstdDecompressor()

    def add(self, content: bytes) -> bytes:
        """Store content unless it is there; its address. Within a write transaction.

        Raises:
            ArchiveError: If it is larger than :data:`MAX_BLOB_BYTES`.
        """
        digest = hashlib.sha256(content).digest()
        if self._connection.execute(_KNOWN, (digest,)).fetchone() is None:
            zstd, data = self.packed(content)
            row = {"digest": digest, "size": len(content), "zstd": zstd, "data": data}
            self._connection.execute(_ADD, row)
        return digest

    def packed(self, content: bytes) -> tuple[int, bytes]:
        """Content as it is stored: whether it is compressed, and its bytes.

        Raises:
            ArchiveError: If it is larger than :data:`MAX_BLOB_BYTES`.
        """
        if len(content) > MAX_BLOB_BYTES:
            raise ArchiveError(
                f"A text or file of {len(content)} bytes is too large for an archive, "
                f"which takes {MAX_BLOB_BYTES} at most."
            )
        if len(content) >= _WORTHWHILE:
            data = self._compressor.compress(content)
            if len(data) < len(content):
                return 1, data
        return 0, content

    def add_text(self, text: str) -> bytes:
        """Store text; its address. Lone surrogates, as model replies may have, survive."""
        return self.add(text.encode("utf-8", "surrogatepass"))

    def read(self, digest: bytes) -> bytes:
        """The content at an address.

        Raises:
            ArchiveError: If it is missing, too large or not what was stored.
        """
        row = self._connection.execute(_READ, (digest, MAX_BLOB_BYTES)).fetchone()
        if row is None:
            raise self._damaged(digest, "is missing or too large")
        return self.unpacked(digest, *row)

    def unpacked(self, digest: bytes, size: int, zstd: int, data: bytes) -> bytes:
        """Content back from what :meth:`packed` gave.

        Raises:
            ArchiveError: If it is not what was stored.
        """
        if zstd:
            try:
                # The frame's own word is checked first: unpacking allocates by it.
                if not size == zstandard.frame_content_size(data) <= MAX_BLOB_BYTES:
                    raise self._damaged(digest, "does not have the size it claims")
                data = self._decompressor.decompress(data)
            except zstandard.ZstdError as error:
                raise self._damaged(digest, f"cannot be unpacked: {error}") from None
        if hashlib.sha256(data).digest() != digest:
            raise self._damaged(digest, "is not what was stored")
        return bytes(data)

    def read_text(self, digest: bytes | None) -> str:
        """The text at an address; empty if there is no address."""
        if digest is None:
            return ""
        try:
            return self.read(digest).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self._damaged(digest, "is not text") from None

    def _damaged(self, digest: bytes, what: str) -> ArchiveError:
        return ArchiveError(
            f"The archive {self._path} is damaged: blob {digest.hex()[:12]} {what}. "
            "Restore a copy of it."
        )
