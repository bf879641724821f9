"""What joins an owner to one running sandbox, whatever carries the bytes.

A sandbox on this machine is reached over pipes of its own (``pipes``), one in a container
over a single stream each way (``relay``). The session above them is the same: all verdicts
are made there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from metasearch.sandboxes import wire
from metasearch.sandboxes.streams import Printed

Message = dict[str, Any]
"""What owner and keeper tell each other; the keys are the kinds of message."""


class Listener(Protocol):
    """Whoever is told what happens inside."""

    out: Printed
    err: Printed

    def heard(self, message: Message) -> None:
        """The keeper has said something."""

    def answered(self, message: Any) -> None:
        """The program has sent a whole frame."""

    def hung_up(self, error: wire.WireError | None) -> None:
        """Nothing more comes from the program; the error if what came was no frame."""

    def died(self, error: Exception | None) -> None:
        """The keeper is dead; the reason, where it is known to be no doing of the candidate."""


class Command(Protocol):
    """A command that is running."""

    def close(self) -> None:
        """Take what it has printed already, then let go of its streams."""


class Connection(Protocol):
    """The owner's end of one sandbox. It begins with the keeper's message ``started``."""

    starts_itself: bool
    """Whether the keeper starts the program without being told."""

    @property
    def process(self) -> int:
        """The first process inside, as the owner's machine numbers it; 0 if that is not known."""

    @property
    def unsent(self) -> int:
        """Bytes of frames that the program has not taken yet."""

    def tell(self, order: Message) -> None:
        """An order to the keeper."""

    def send(self, frame: bytes) -> None:
        """A frame to the program."""

    def run(self, argv: Sequence[str], stdin: bytes, out: Printed, err: Printed) -> Command:
        """Have a command started; the keeper's message ``ended`` tells when it is over."""

    def drain(self) -> None:
        """Take what the program has printed already, without waiting."""

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something inside for want of memory."""

    @property
    def peak_memory(self) -> int | None:
        """Most bytes in use inside so far by the kernel's count; ``None`` where it keeps none."""

    @property
    def intact(self) -> bool:
        """Whether what the sandbox runs on still works, so that its end is its own doing."""

    def kill(self) -> None:
        """Kill everything inside, without waiting for it to be dead."""

    async def end(self) -> None:
        """Kill everything inside, see it dead, and give everything back."""
