"""The way to an owner outside a container: every stream in one, each way.

No descriptor crosses that border, so the keeper makes the program's pipes itself and carries
bytes between them and the owner. What was printed before an answer is sent before it, and
so is the kernel's word on memory: how much was in use, and that it has killed something for want
of it.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator

from metasearch.sandboxes import bundle, wire
from metasearch.sandboxes.runner.owner import Message

_MAX_UNTAKEN = 1 << 20
"""Bytes kept for a program that does not read; until it does, little more is taken in."""
_MAX_PIPE = 1 << 20
"""Bytes that an ordinary user's pipe holds at most."""
_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_PEAKS = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
_PRINTED = {"call": (bundle.OUT, bundle.ERR), "run": (bundle.COMMAND_OUT, bundle.COMMAND_ERR)}


class _Sink:
    """Where bytes of one stream go, and those that are still to go there."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.untaken = bytearray()
        self.complete = False
        """Whether no more bytes will come."""


class Relay:
    """Satisfies :class:`metasearch.sandboxes.runner.owner.Owner`.

    Args:
        incoming: Descriptor that the owner's pieces come from.
        outgoing: Descriptor that pieces go to.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._pieces = bundle.Unbundler()
        self._reader = wire.FrameReader(sys.maxsize)
        self._poll = select.poll()
        self._sources: dict[int, int] = {}
        """Stream by the descriptor that it is read from."""
        self._sinks: dict[int, _Sink] = {}
        """By stream."""
        self._counter = _open_first(_COUNTERS)
        self._kills = 0
        self._peaks = _open_first(_PEAKS)
        self._peak = 0

    def first(self) -> Message:
        """Wait for one message before anything runs."""
        # Not a byte more is read: what comes after it is for when there are streams for it.
        while True:
            prefix = self._exactly(bundle.PREFIX.size)
            piece = self._exactly(bundle.PREFIX.unpack(prefix)[1])
            messages: list[Message] = self._reader.feed(piece)
            if messages:
                return messages[0]

    def watch(self, poll: select.poll) -> None:
        """The owner's stream, and whatever the program's side needs later."""
        self._poll = poll
        poll.register(self._incoming, select.POLLIN)

    def orders(self, descriptor: int) -> Iterator[Message]:
        """Those that have come, one after the other; bytes of other streams are carried on."""
        if descriptor == self._incoming:
            yield from self._listen()
        else:
            for stream, sink in list(self._sinks.items()):
                if sink.descriptor == descriptor:
                    self._push(stream)
            if descriptor in self._sources:
                self._carry(descriptor)
        crowded = any(len(sink.untaken) > _MAX_UNTAKEN for sink in self._sinks.values())
        self._poll.modify(self._incoming, 0 if crowded else select.POLLIN)

    def say(self, message: Message) -> None:
        """Tell the owner."""
        self._send(bundle.CONTROL, wire.encode(message))

    def for_program(self) -> list[int]:
        """Four pipes."""
        questions, writer = os.pipe()
        os.set_blocking(writer, False)
        self._sinks[bundle.CHANNEL] = _Sink(writer)
        return [questions, *map(self._pipe_for, (bundle.CHANNEL, bundle.OUT, bundle.ERR))]

    def for_command(self) -> list[int]:
        """Three pipes."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self._sinks[bundle.COMMAND_IN] = _Sink(writer)
        return [reader, self._pipe_for(bundle.COMMAND_OUT), self._pipe_for(bundle.COMMAND_ERR)]

    def show(self, descriptor: int, limit: int) -> None:
        """Send what the owner takes of it, and one byte more where it is longer."""
        left = limit + 1
        while left > 0 and (data := os.read(descriptor, min(bundle.CHUNK, left))):
            self._send(bundle.CONTENT, data)
            left -= len(data)
        self._send(bundle.CONTENT, b"")

    def settle(self, kind: str) -> None:
        """Send what was printed; let go of a command's pipes."""
        self._report_memory()
        for descriptor, stream in list(self._sources.items()):
            if stream in _PRINTED[kind]:
                self._drain(descriptor)
        if kind == "run":
            for descriptor, stream in list(self._sources.items()):
                if stream in _PRINTED[kind]:
                    self._let_go(descriptor)
            self._close_sink(bundle.COMMAND_IN)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = os.read(self._incoming, size - len(data))
            if not more:
                os._exit(0)
            data += more
        return data

    def _listen(self) -> Iterator[Message]:
        data = os.read(self._incoming, 1 << 18)
        if not data:
            os._exit(0)
        for stream, piece in self._pieces.feed(data):
            if stream == bundle.CONTROL:
                yield from self._reader.feed(piece)
            elif stream in self._sinks:  # Else what it was for has ended.
                sink = self._sinks[stream]
                sink.untaken += piece
                sink.complete = not piece
                self._push(stream)

    def _push(self, stream: int) -> None:
        """Write as much as the program's side takes now."""
        sink = self._sinks[stream]
        try:
            while sink.untaken:
                with memoryview(sink.untaken) as view:
                    written = os.write(sink.descriptor, view[: bundle.CHUNK])
                del sink.untaken[:written]
        except BlockingIOError:
            pass
        except OSError:
            self._close_sink(stream)
            return
        if sink.complete and not sink.untaken:
            self._close_sink(stream)
        else:
            self._poll_for(sink.descriptor)

    def _carry(self, descriptor: int) -> None:
        """Send on what has come from the program's side."""
        data = _read(descriptor)
        stream = self._sources[descriptor]
        if data is None:
            return
        if stream == bundle.CHANNEL:
            self._report_memory()
            for other, printed in list(self._sources.items()):
                if printed in _PRINTED["call"]:
                    self._drain(other)
        if data:
            self._send(stream, data)
        else:
            self._let_go(descriptor)
            if stream == bundle.CHANNEL:
                self._close_sink(stream)
                self._send(stream, b"")

    def _drain(self, descriptor: int) -> None:
        """Send on what was in a pipe by now; what comes in the meantime may wait."""
        left = _MAX_PIPE
        while left > 0 and (data := _read(descriptor)):
            self._send(self._sources[descriptor], data)
            left -= len(data)

    def _report_memory(self) -> None:
        if self._peaks >= 0 and (peak := int(os.pread(self._peaks, 32, 0))) > self._peak:
            self._peak = peak
            self.say({"peak": peak})
        if self._counter >= 0 and (kills := _count_kills(self._counter)) > self._kills:
            self._kills = kills
            self.say({"killed": kills})

    def _send(self, stream: int, data: bytes) -> None:
        view = memoryview(bundle.pieces(stream, data))
        while view:
            view = view[os.write(self._outgoing, view) :]

    def _pipe_for(self, stream: int) -> int:
        reader, writer = os.pipe()
        self._read_from(reader, stream)
        return writer

    def _read_from(self, descriptor: int, stream: int) -> None:
        os.set_blocking(descriptor, False)
        self._sources[descriptor] = stream
        self._poll_for(descriptor)

    def _poll_for(self, descriptor: int) -> None:
        events = select.POLLIN if descriptor in self._sources else 0
        if any(s.descriptor == descriptor and s.untaken for s in self._sinks.values()):
            events |= select.POLLOUT
        if events:
            self._poll.register(descriptor, events)
        else:
            with contextlib.suppress(KeyError):
                self._poll.unregister(descriptor)

    def _let_go(self, descriptor: int) -> None:
        del self._sources[descriptor]
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def _close_sink(self, stream: int) -> None:
        sink = self._sinks.pop(stream, None)
        if sink is not None:
            self._poll_for(sink.descriptor)
            if sink.descriptor not in self._sources:
                os.close(sink.descriptor)


def _read(descriptor: int) -> bytes | None:
    """What there is to read: nothing at the end, ``None`` as long as there is nothing yet."""
    try:
        return os.read(descriptor, bundle.CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _open_first(paths: tuple[str, ...]) -> int:
    for path in paths:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return -1


def _count_kills(counter: int) -> int:
    """By the kernel's own count for this container's control group."""
    for line in os.pread(counter, 4096, 0).splitlines():
        name, _, number = line.partition(b" ")
        if name == b"oom_kill":
            return int(number)
    return 0
