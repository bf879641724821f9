"""The pipe between engine and worker: messages of plain values, one frame each."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any

from metasearch.sandboxes.wire import FrameReader, encode

Message = dict[str, Any]

_AT_ONCE = 262_144


class Channel:
    """One end of the pipe. Both sides are ours, so a malformed frame is a plain error."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader()
        self._waiting: deque[Message] = deque()

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """A channel over one end of a socket pair, which it owns from then on."""
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, message: Message) -> None:
        """Send one message. If the other side is gone, nothing happens: it is seen by reading."""
        try:
            self._writer.write(encode(message))
            await self._writer.drain()
        except ConnectionError:
            self._writer.close()

    async def receive(self) -> Message | None:
        """The next message; ``None`` when the other side has ended."""
        while not self._waiting:
            try:
                data = await self._reader.read(_AT_ONCE)
            except ConnectionError:
                return None
            if not data:
                return None
            self._waiting += self._frames.feed(data)
        return self._waiting.popleft()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
