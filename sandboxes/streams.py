"""The owner's ends of a sandbox's pipes, read as events arrive: no threads, no polling."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

from metasearch.sandboxes import wire

TAIL = 64 * 1024
"""Bytes kept of what a program prints."""

_CHUNK = 1 << 18
_VISIBLE = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class Line:
    """Frames both ways over a socket, and file descriptors where the other side is trusted."""

    def __init__(
        self,
        end: socket.socket,
        limit: int,
        on_message: Callable[[Any, list[int]], None],
        on_end: Callable[[wire.WireError | None], None],
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._fd = end.fileno()
        self._reader = wire.FrameReader(limit)
        self._on_message = on_message
        self._on_end = on_end
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def send(self, frame: bytes, descriptors: list[int] | None = None) -> None:
        """Send a frame now, or as soon as the other side takes it."""
        if self._fd < 0:
            return
        if not self._unsent:
            try:
                if descriptors:
                    sent = socket.send_fds(self._end, [frame], descriptors)
                else:
                    sent = self._end.send(frame)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # The reading side reports the end.
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._loop.add_writer(self._fd, self._writable)
        self._unsent += frame

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
        if self._unsent:
            self._loop.remove_writer(self._fd)
            self._unsent.clear()

    def _writable(self) -> None:
        try:
            sent = self._end.send(memoryview(self._unsent)[:_CHUNK])
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
            data, descriptors, _, _ = socket.recv_fds(self._end, _CHUNK, 4)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self.close()
            self._on_end(None)
            return
        try:
            messages = self._reader.feed(data)
        except wire.WireError as error:
            self.close()
            self._on_end(error)
            return
        for message in messages:
            self._on_message(message, descriptors)


class Printed:
    """What arrives on one output pipe: counted, kept whole or as a tail."""

    def __init__(
        self, descriptor: int, keep: int, limit: int, on_flood: Callable[[], None]
    ) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._keep = keep
        self._limit = limit
        self._on_flood = on_flood
        self._count = 0
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def drain(self) -> None:
        """Take what has arrived already, without waiting."""
        while self._descriptor >= 0 and self._take():
            pass

    @property
    def content(self) -> bytes:
        """The last bytes, as many as are kept."""
        return bytes(self._kept[-self._keep :])

    @property
    def text(self) -> str:
        """Likewise as text, control characters replaced."""
        return self.content.decode("utf-8", "replace").translate(_VISIBLE)

    def close(self) -> None:
        """Stop reading."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _readable(self) -> None:
        self._take()

    def _take(self) -> bool:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self._count += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._keep:
            del self._kept[: -self._keep]
        if self._count > self._limit:
            self._on_flood()
            return False
        return True


class Fed:
    """Writes bytes into a pipe as the other side takes them, then closes it."""

    def __init__(self, descriptor: int, content: bytes) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = memoryview(content)
        self._loop = asyncio.get_running_loop()
        self._loop.add_writer(descriptor, self._writable)

    def close(self) -> None:
        """Give up what has not been taken."""
        if self._descriptor >= 0:
            self._loop.remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _writable(self) -> None:
        try:
            if self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self._rest = self._rest[:0]
        if not self._rest:
            self.close()
