"""One container: up and waiting, then one candidate's connection, then gone."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence

from metasearch.errors import PrerequisiteError, SandboxError, SandboxUnavailable
from metasearch.sandboxes import bundle, daemon, wire
from metasearch.sandboxes.attached import Attached
from metasearch.sandboxes.base import Limits
from metasearch.sandboxes.connection import Listener, Message
from metasearch.sandboxes.daemon import Daemon, Missing
from metasearch.sandboxes.inside import START_SECONDS
from metasearch.sandboxes.pipes import FRAME_OVERHEAD
from metasearch.sandboxes.streams import Printed

_KILLED = 128 + signal.SIGKILL
_LOOKS = 10
"""How often the daemon is asked whether it was memory that a container was killed for."""


class Container:
    """Satisfies :class:`metasearch.sandboxes.connection.Connection`, from ``begin`` on.

    Args:
        of: Where it runs.
        name: Its name or id there.
        end: Its standard streams.
        setup: The first message to the keeper.
        on_gone: Told once when it has been removed, or cannot be (then by which error).
    """

    starts_itself = False
    process = 0
    """The keeper, as this machine numbers it; 0 where nobody has asked for it."""

    def __init__(
        self,
        of: Daemon,
        name: str,
        end: socket.socket,
        setup: Message,
        on_gone: Callable[[Container, SandboxError | None], None],
    ) -> None:
        self._daemon = of
        self.name = name
        self._on_gone = on_gone
        self._attached = Attached(end, self._on_piece, self._on_end)
        self._control = wire.FrameReader()
        self._channel = wire.FrameReader()
        self._content = bytearray()
        self._command: tuple[Printed, Printed] | None = None
        self._listener: Listener | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False
        self._killed_inside = False
        self._peak: int | None = None
        self._post_mortem: asyncio.Task[None] | None = None
        self._removal: asyncio.Task[SandboxError | None] | None = None
        self.tell({"setup": setup})

    async def ready(self) -> None:
        """Wait until it has imported what it was told to.

        Raises:
            PrerequisiteError: A module cannot be imported.
            SandboxError: It ended, or took too long.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._ready
        except TimeoutError:
            raise SandboxError(f"no container within {START_SECONDS:.0f} seconds") from None

    @property
    def alive(self) -> bool:
        """Whether it can still be used, as far as is known."""
        return not self._ended

    def begin(self, listener: Listener, limits: Limits, *, to_call: bool) -> None:
        """Become the connection of one candidate."""
        self._listener = listener
        self._channel = wire.FrameReader(limits.output + FRAME_OVERHEAD)
        self.starts_itself = to_call
        order = {
            "start": to_call,
            "disk": limits.disk,
            "output": limits.output,
            "pids": limits.pids,
            "cpu": limits.processor_seconds,
            "memory": limits.memory,
            "accounted": True,
            "measure": False,
            "count_processes": False,
        }
        self.tell({"order": order})
        listener.heard({"started": True})

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return self._attached.unsent

    def tell(self, order: Message) -> None:
        """An order to the keeper."""
        self._attached.send(bundle.CONTROL, wire.encode(order))

    def send(self, frame: bytes) -> None:
        """A frame to the program."""
        self._attached.send(bundle.CHANNEL, frame)

    def run(self, argv: Sequence[str], stdin: bytes, out: Printed, err: Printed) -> _Command:
        """Have a command started."""
        self._command = (out, err)
        self.tell({"run": list(argv)})
        if stdin:
            self._attached.send(bundle.COMMAND_IN, stdin)
        self._attached.send(bundle.COMMAND_IN, b"")
        return _Command(self)

    def drain(self) -> None:
        """Nothing: what was printed before an answer has come before it."""

    @property
    def out_of_memory(self) -> bool:
        """By the kernel's counter, as the keeper or the daemon has told."""
        return self._killed_inside

    @property
    def peak_memory(self) -> int | None:
        """By the kernel's count for the container, what it has preloaded included."""
        return self._peak

    @property
    def intact(self) -> bool:
        """It is: where the daemon has failed, that is told when the container dies."""
        return True

    def kill(self) -> None:
        """Have the daemon kill and remove it."""
        if self._removal is None:
            self._removal = asyncio.create_task(self._remove())

    async def end(self) -> None:
        """Kill everything inside, and see it removed.

        Raises:
            SandboxUnavailable: The daemon cannot be asked to.
        """
        self.kill()
        assert self._removal is not None
        if (error := await asyncio.shield(self._removal)) is not None:
            raise error

    async def _remove(self) -> SandboxError | None:
        self._ended = True
        self._attached.close()
        self._fail(SandboxError("the container was given up"))
        try:
            await self._daemon.ask(lambda client: daemon.remove(client, self.name))
        except SandboxError as error:
            self._on_gone(self, error)
            return error
        self._on_gone(self, None)
        return None

    def forget_command(self) -> None:
        """Nothing more is wanted of what was run last."""
        self._command = None

    def _on_piece(self, stream: int, piece: bytes) -> None:
        if stream == bundle.CONTROL:
            for message in self._control.feed(piece):
                self._heard(message)
        elif self._listener is None:
            return
        elif stream == bundle.CHANNEL:
            self._on_channel(self._listener, piece)
        elif stream in (bundle.OUT, bundle.ERR):
            printed = self._listener.out if stream == bundle.OUT else self._listener.err
            printed.take(piece)
        elif stream == bundle.CONTENT and piece:
            self._content += piece
        elif stream == bundle.CONTENT:
            content, self._content = self._content, bytearray()
            self._listener.heard({"content": bytes(content)})
        elif self._command is not None:
            self._command[stream == bundle.COMMAND_ERR].take(piece)

    def _heard(self, message: Message) -> None:
        if "killed" in message:
            self._killed_inside = True
        elif "peak" in message:
            self._peak = message["peak"]
        elif self._listener is not None:
            self._listener.heard(message)
        elif "module" in message and not self._ready.done():
            name, error = message["module"], message["error"]
            self._fail(
                PrerequisiteError(
                    f"sandbox.preload names {name!r}, which cannot be imported in the image: "
                    f"{error}\nInstall it there (sandbox.build), or take another image."
                )
            )
        elif not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, error: Exception) -> None:
        """It does not come up."""
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # Also if nobody waits for it any more.

    def _on_channel(self, listener: Listener, piece: bytes) -> None:
        if not piece:
            listener.hung_up(None)
            return
        try:
            messages = self._channel.feed(piece)
        except wire.WireError as error:
            listener.hung_up(error)
            return
        for message in messages:
            listener.answered(message)

    def _on_end(self) -> None:
        self._ended = True
        self._post_mortem = asyncio.create_task(self._find_out())

    async def _find_out(self) -> None:
        """Why the stream has ended, by the daemon's own account."""
        error: SandboxError | None
        try:
            error = await self._cause()
        except SandboxError as unreachable:
            error = unreachable
        text = self._attached.complaint.decode("utf-8", "replace").strip()
        self._fail(error or SandboxError(f"a container did not come up: {text}"))
        if self._listener is not None:
            self._listener.died(error)

    async def _cause(self) -> SandboxError | None:
        """Which error has ended the container, if it was not something inside."""
        if self._attached.garbled:
            return SandboxError(
                "a container's standard output holds something that is not the runner's: does "
                "Python print when it starts in this image?"
            )
        for _ in range(_LOOKS):
            try:
                state = await self._daemon.ask(
                    lambda client: client.inspect_container(self.name)["State"]
                )
            except Missing:
                return SandboxError("a container was removed from outside")
            if state["OOMKilled"]:
                self._killed_inside = True
                return None
            if not state["Running"] and state["ExitCode"] != _KILLED:
                return None
            await asyncio.sleep(0.05)
        if not await self._daemon.reachable():
            return SandboxUnavailable("The Docker daemon has stopped.")
        if state["Running"]:
            return SandboxUnavailable("The connection to the Docker daemon was lost.")
        return SandboxError("a container was killed from outside")


class _Command:
    """Satisfies :class:`metasearch.sandboxes.connection.Command`."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def close(self) -> None:
        """Its streams are complete when it has ended."""
        self._container.forget_command()
