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
    """Frames both ways over two pipes, with a party that is not trusted.

    Pipes, because a socket would also carry file descriptors: whatever else was done about
    them, they would be taken into this process and closed by it, and closing some waits for
    as long as the sender likes.
    """

    def __init__(
        self,
        reader: int,
        writer: int,
        limit: int,
        on_message: Callable[[Any], None],
        on_end: Callable[[wire.WireError | None], None],
    ) -> None:
        for descriptor in (reader, writer):
            os.set_blocking(descriptor, False)
        self._ends = (reader, writer)
        self._open = True
        self._frames = wire.FrameReader(limit)
        self._on_message = on_message
        self._on_end = on_end
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(reader, self._readable)

    def send(self, frame: bytes) -> None:
        """Send a frame now, or as soon as the other side takes it."""
        if self._open:
            self._send(frame, lambda: os.write(self._ends[1], frame))

    def close(self) -> None:
        """Let go of both pipes."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._ends[0])
            self._stop_writing()
            self._close_ends()

    def _close_ends(self) -> None:
        for descriptor in self._ends:
            os.close(descriptor)

    def _send(self, frame: bytes, at_once: Callable[[], int]) -> None:
        if not self._unsent:
            try:
                sent = at_once()
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # The reading side reports the end.
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._loop.add_writer(self._ends[1], self._writable)
        self._unsent += frame

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return len(self._unsent)

    def _stop_writing(self) -> None:
        if self._unsent:
            self._loop.remove_writer(self._ends[1])
            self._unsent.clear()

    def _writable(self) -> None:
        try:
            sent = os.write(self._ends[1], memoryview(self._unsent)[:_CHUNK])
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
            data = os.read(self._ends[0], _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for message in self._messages(data):
            self._on_message(message)

    def _messages(self, data: bytes) -> list[Any]:
        """What arrived; at its end, or if it is malformed, nothing, and the line is closed."""
        error = None
        if data:
            try:
                return self._frames.feed(data)
            except wire.WireError as malformed:
                error = malformed
        self.close()
        self._on_end(error)
        return []


class Control(Line):
    """Frames and file descriptors both ways over a socket, with a party of our own.

    Whoever gets a message takes out of the list the descriptors that it wants to keep.
    """

    def __init__(
        self,
        end: socket.socket,
        limit: int,
        on_message: Callable[[Any, list[int]], None],
        on_end: Callable[[wire.WireError | None], None],
    ) -> None:
        super().__init__(end.fileno(), end.fileno(), limit, lambda _: None, on_end)
        self._socket = end
        self._on_order = on_message

    def hand(self, frame: bytes, descriptors: list[int]) -> None:
        """Send a frame, and file descriptors with it."""
        if self._open:
            self._send(frame, lambda: socket.send_fds(self._socket, [frame], descriptors))

    def _close_ends(self) -> None:
        self._socket.close()

    def _readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, _CHUNK, 4)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        # The kernel never puts a frame after one with descriptors into the same read.
        *others, last = self._messages(data) or [None]
        for message in others:
            self._on_order(message, [])
        if last is not None:
            self._on_order(last, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


class Printed:
    """What a program prints on one stream: counted, kept whole or as a tail."""

    def __init__(self, keep: int, limit: int, on_flood: Callable[[], None]) -> None:
        self._keep = keep
        self._limit = limit
        self._on_flood = on_flood
        self._count = 0
        self._kept = bytearray()

    def take(self, data: bytes) -> bool:
        """Add what has arrived; whether there may be more."""
        self._count += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._keep:
            del self._kept[: -self._keep]
        if self._count > self._limit:
            self._on_flood()
            return False
        return True

    @property
    def content(self) -> bytes:
        """The last bytes, as many as are kept."""
        return bytes(self._kept[-self._keep :])

    @property
    def text(self) -> str:
        """Likewise as text, control characters replaced."""
        return self.content.decode("utf-8", "replace").translate(_VISIBLE)


class Tap:
    """Reads one output pipe as it fills."""

    def __init__(self, descriptor: int, printed: Printed) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._printed = printed
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._take)

    def drain(self) -> None:
        """Take what has arrived already, without waiting."""
        while self._descriptor >= 0 and self._take():
            pass

    def close(self) -> None:
        """Stop reading."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self) -> bool:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        return self._printed.take(data)


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
