"""How a keeper reaches its owner: what it needs of the way, and the way by descriptors."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Iterable
from typing import Any, Protocol

from metasearch.sandboxes import wire

Message = dict[str, Any]


class Owner(Protocol):
    """The owner, as its keeper sees it. Ends the process when the owner has let go."""

    def watch(self, poll: select.poll) -> None:
        """Have everything polled that something may come from."""

    def orders(self, descriptor: int) -> Iterable[Message]:
        """What the owner says, when this descriptor of those polled has something.

        Each order is to be obeyed before the next one is taken.
        """

    def say(self, message: Message) -> None:
        """Tell the owner."""

    def for_program(self) -> list[int]:
        """Questions, answers, stdout and stderr of the program, for its process alone."""

    def for_command(self) -> list[int]:
        """Standard streams for the command that was ordered last, for its process alone."""

    def show(self, descriptor: int, limit: int) -> None:
        """Let the owner have a regular file that it has asked for, at least up to a limit."""

    def settle(self, kind: str) -> None:
        """A program or command has ended: let the owner have what it printed before."""


class Passed:
    """An owner on the same machine, who passes descriptors over a socket."""

    def __init__(self, control: socket.socket, program: list[int]) -> None:
        self._control = control
        self._program = program
        self._reader = wire.FrameReader(sys.maxsize)
        self._received: list[int] = []

    def watch(self, poll: select.poll) -> None:
        """Only the socket."""
        poll.register(self._control.fileno(), select.POLLIN)

    def orders(self, descriptor: int) -> list[Message]:
        """Those that have come."""
        data, descriptors, _, _ = socket.recv_fds(self._control, 1 << 18, 4)
        self._received += descriptors
        if not data:
            os._exit(0)
        return self._reader.feed(data)

    def say(self, message: Message) -> None:
        """Tell the owner."""
        self._send(message, [])

    def for_program(self) -> list[int]:
        """What the owner gave at the start."""
        return self._program

    def for_command(self) -> list[int]:
        """What the owner sent with the order."""
        streams, self._received = self._received[:3], self._received[3:]
        return streams

    def show(self, descriptor: int, limit: int) -> None:
        """Hand it over; the owner reads as much of it as it wants."""
        self._send({"opened": ""}, [descriptor])

    def settle(self, kind: str) -> None:
        """Nothing: the owner reads the pipes itself."""

    def _send(self, message: Message, descriptors: list[int]) -> None:
        frame = wire.encode(message)
        sent = socket.send_fds(self._control, [frame], descriptors)
        self._control.sendall(frame[sent:])
