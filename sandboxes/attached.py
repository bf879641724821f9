"""Our end of a container's standard streams, which the daemon puts on one socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from metasearch.sandboxes import bundle

_CHUNK = 1 << 18
_PREFIX = struct.Struct(">BxxxI")
"""The daemon's own, before whatever a container has written at once."""
_STDOUT = 1
_MAX_COMPLAINT = 4000


class Attached:
    """Pieces both ways (:mod:`metasearch.sandboxes.bundle`).

    Args:
        end: The socket, attached before the container starts.
        on_piece: Gets the stream's number and the bytes of every piece.
        on_end: Told once that no more will come.
    """

    def __init__(
        self,
        end: socket.socket,
        on_piece: Callable[[int, bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._fd = end.fileno()
        self._on_piece = on_piece
        self._on_end = on_end
        self._received = bytearray()
        self._pieces = bundle.Unbundler()
        self._unsent = bytearray()
        self.garbled = False
        """Whether something has come that is no piece."""
        self.complaint = b""
        """What was written to standard error: by the interpreter, while it started."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def send(self, stream: int, data: bytes) -> None:
        """Send bytes of a stream now, or as soon as the other side takes them."""
        if self._fd < 0:
            return
        if not self._unsent:
            self._loop.add_writer(self._fd, self._writable)
        self._unsent += bundle.pieces(stream, data)
        self._writable()

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return len(self._unsent)

    def close(self) -> None:
        """Let go of the socket."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._stop_writing()
            self._end.close()
            self._fd = -1

    def _stop_writing(self) -> None:
        self._loop.remove_writer(self._fd)
        self._unsent.clear()

    def _writable(self) -> None:
        try:
            with memoryview(self._unsent) as view:
                sent = self._end.send(view[:_CHUNK])
        except BlockingIOError:
            return
        except OSError:
            self._stop_writing()  # The reading side reports the end.
            return
        if sent == len(self._unsent):
            self._stop_writing()
        else:
            del self._unsent[:sent]

    def _readable(self) -> None:
        try:
            data = self._end.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._on_end()
            return
        self._received += data
        try:
            pieces = self._pieces.feed(self._stdout())
        except ValueError:
            self.garbled = True
            self.close()
            self._on_end()
            return
        for stream, piece in pieces:
            self._on_piece(stream, piece)

    def _stdout(self) -> bytes:
        """Take what has arrived of standard output out of the daemon's framing."""
        found = bytearray()
        start = 0
        while len(self._received) >= start + _PREFIX.size:
            stream, size = _PREFIX.unpack_from(self._received, start)
            end = start + _PREFIX.size + size
            if len(self._received) < end:
                break
            content = self._received[start + _PREFIX.size : end]
            if stream == _STDOUT:
                found += content
            else:
                self.complaint = (self.complaint + content)[-_MAX_COMPLAINT:]
            start = end
        del self._received[:start]
        return bytes(found)
