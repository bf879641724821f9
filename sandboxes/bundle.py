"""Many streams over one: what crosses the border of a container, both ways.

Each piece is a prefix (which stream, how many bytes) and its bytes; an empty piece ends its
stream. Only the keeper and its owner write here, never a candidate's process. Standard
library only: this also runs inside sandboxes.
"""

from __future__ import annotations

import struct

CONTROL, CHANNEL, OUT, ERR, COMMAND_IN, COMMAND_OUT, COMMAND_ERR, CONTENT = range(8)
"""Orders and what the keeper says; the program's frames and output; a command's three
streams; a file that is read back."""

CHUNK = 1 << 16
"""Most bytes of one piece."""

PREFIX = struct.Struct("<BI")
"""Stream and number of bytes."""


def pieces(stream: int, data: bytes) -> bytes:
    """Bytes of one stream, ready to be sent. No bytes at all end the stream."""
    view = memoryview(data)
    parts: list[bytes | memoryview] = []
    for start in range(0, len(data) or 1, CHUNK):
        part = view[start : start + CHUNK]
        parts += (PREFIX.pack(stream, len(part)), part)
    return b"".join(parts)


class Unbundler:
    """Turns the bytes that arrive into pieces."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The pieces that ``data`` completes, in order.

        Raises:
            ValueError: If the bytes are no pieces.
        """
        self._bytes += data
        found = []
        start = 0
        while len(self._bytes) >= start + PREFIX.size:
            stream, size = PREFIX.unpack_from(self._bytes, start)
            if stream > CONTENT or size > CHUNK:
                raise ValueError("what arrived is no piece of a stream")
            end = start + PREFIX.size + size
            if len(self._bytes) < end:
                break
            found.append((stream, bytes(self._bytes[start + PREFIX.size : end])))
            start = end
        del self._bytes[:start]
        return found
