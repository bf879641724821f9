"""The owner's side of one running sandbox: its pipes, what happens on them, its verdict.

Outcomes come from the owner's clock, from the keeper (process 1 inside, which the candidate
cannot reach), and from the kernel's counters. The candidate's own process is believed in
one thing only: "here is a value" or "it raised".
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from metasearch.candidate import Outcome
from metasearch.errors import CandidateFailure, PrerequisiteError, SandboxError
from metasearch.sandboxes import asks, wire
from metasearch.sandboxes.asking import Asking, Deadline
from metasearch.sandboxes.base import SandboxSpec
from metasearch.sandboxes.connection import Connection, Listener, Message
from metasearch.sandboxes.inside import START_SECONDS, check_setup
from metasearch.sandboxes.streams import TAIL, Printed

_MAX_UNREAD = 64 * 1024**2
"""Bytes of answers that are kept for a candidate."""
_LAST_WORDS = 0.5
"""Seconds between a candidate hanging up and the keeper's word on how it ended."""

Lease = Callable[[Listener, bool], Coroutine[Any, Any, Connection]]
"""How a provider connects a listener to a fresh sandbox; whether a call is to come first."""


class Session:
    """What goes on between us, the keeper and the program. Starts when it is first needed.

    Satisfies :class:`metasearch.sandboxes.connection.Listener`.
    """

    def __init__(
        self, spec: SandboxSpec, lease: Lease, answers: asks.Answers | None = None
    ) -> None:
        self._spec = spec
        self._lease = lease
        self._connection: Connection | None = None
        self.out = Printed(TAIL, spec.limits.output, self._on_flood)
        self.err = Printed(TAIL, spec.limits.output, self._on_flood)
        self._busy = asyncio.Lock()
        self._files: dict[str, bytes] = {}
        self._calls = 0
        self._used = False
        """Whether any code of the candidate has run."""
        self._ended = False
        """Whether the program's process has ended."""
        self._asking = Asking(answers, self._send_answer, self._on_unanswered)
        self._awaiting: dict[str, asyncio.Future[Any]] = {}
        self._sampled: int | None = None
        """Most bytes of memory that the keeper has seen in use."""
        self._verdict: Exception | None = None
        """Why nothing can be asked of this sandbox any more."""

    # Starting and ending

    async def _ready(self, *, to_call: bool = False) -> Connection:
        if self._verdict is not None:
            raise self._again(self._verdict)
        if self._connection is None:
            await self._start(to_call=to_call)
        assert self._connection is not None
        return self._connection

    async def _start(self, *, to_call: bool) -> None:
        started = self._expect("started")
        connection = await self._lease(self, to_call)
        if self._verdict is not None:  # It was closed, or broke, on the way.
            await connection.end()
            raise self._again(self._verdict)
        self._connection = connection
        try:
            async with asyncio.timeout(START_SECONDS):
                await started
        except TimeoutError:
            raise self._break(SandboxError(f"no sandbox within {START_SECONDS:.0f} s")) from None
        except asyncio.CancelledError:
            self._break(SandboxError("a sandbox was given up before it was ready"))
            raise

    @property
    def process(self) -> int:
        """The first process inside, as we number it; 0 while none is known."""
        return 0 if self._connection is None else self._connection.process

    @property
    def memory(self) -> int | None:
        """Most bytes in use at once so far: the kernel's count, else the keeper's samples."""
        counted = None if self._connection is None else self._connection.peak_memory
        return self._sampled if counted is None else counted

    def exceed(self, outcome: Outcome, message: str) -> None:
        """End the sandbox because of what was seen of the candidate from outside."""
        self._end_by(outcome, message)

    async def close(self) -> None:
        """Kill whatever is left and give everything back."""
        if self._verdict is None:
            self._verdict = SandboxError("the sandbox is closed")
        self._asking.end()
        for future in self._awaiting.values():
            future.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.end()

    # Waiting

    def _expect(self, what: str) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        self._awaiting[what] = future
        return future

    async def _within_limits(self, future: asyncio.Future[Any]) -> Any:
        """Wait for an answer until the deadline; end the sandbox when it passes."""
        deadline = Deadline(self._spec.limits.seconds, self._on_deadline)
        if "answer" in self._awaiting:
            self._asking.begin(deadline)
        try:
            return await future
        except asyncio.CancelledError:
            # Its answer may still come, and must not be taken for that to another order.
            self._end_by(Outcome.TIMED_OUT, "the evaluator did not wait for its answer")
            raise
        finally:
            self._asking.end()
            deadline.stop()

    # Events

    def _tell(self, what: str, value: Any) -> None:
        future = self._awaiting.pop(what, None)
        if future is not None and not future.done():
            future.set_result(value)

    def heard(self, message: Message) -> None:
        """The keeper has said something."""
        if "ended" in message:
            if message["ended"] == "call":
                self._on_program_end(message["code"])
            else:
                self._tell("run", message["code"])
        elif "started" in message:
            self._tell("started", True)
        elif "written" in message:
            self._tell("written", message["written"])
        elif "opened" in message:
            self._tell("content", message["opened"])
        elif "content" in message:
            self._tell("content", message["content"])
        elif "unmade" in message:
            self._break(SandboxError(f"a sandbox cannot be made: {message['unmade']}"))
        elif "resident" in message:
            self._sampled = message["resident"]
        elif "over" in message:
            pids = self._spec.limits.pids
            self._end_by(
                *{
                    "memory": (Outcome.OUT_OF_MEMORY, self._memory_text()),
                    "pids": (Outcome.CRASHED, f"ran more than {pids} processes and threads"),
                    "files": (Outcome.OUTPUT_LIMIT, "made more files than its disk may hold"),
                }[message["over"]]
            )
        else:
            try:
                check_setup(message)
            except PrerequisiteError as error:
                self._break(error)
            else:
                self._lose(message.get("failed", "it said something unknown"))

    def _lose(self, why: str) -> None:
        """The keeper has failed. If what it ran on is intact, what ran beside it is to blame."""
        if self._used and self._connection is not None and self._connection.intact:
            self._end_by(Outcome.CRASHED, f"its sandbox was brought down: {why}")
        else:
            self._break(SandboxError(f"a sandbox was lost: {why}"))

    def answered(self, message: Any) -> None:
        """The program has sent a whole frame."""
        called = "answer" in self._awaiting and isinstance(message, dict)
        number = message.get("call") if called else None
        # Its type first: an array would compare to another array.
        if type(number) is int and number == self._calls:
            self._tell("answer", message)
        elif called and "ask" in message:
            try:
                if self._connection is not None and self._connection.unsent > _MAX_UNREAD:
                    raise asks.Malformed("it asks and does not read the answers")
                self._asking.take(message)
            except asks.Malformed as error:
                self._end_by(Outcome.INVALID, f"asked a model in a wrong way: {error}")
        else:
            self._end_by(Outcome.INVALID, "sent something that was not asked for")

    def _send_answer(self, frame: bytes) -> None:
        if self._connection is not None:
            self._connection.send(frame)

    def _on_unanswered(self, error: Exception) -> None:
        self._break(SandboxError(f"a candidate's ask could not be answered: {error}"))

    def hung_up(self, error: wire.WireError | None) -> None:
        """Nothing more comes from the program."""
        if isinstance(error, wire.FrameTooLarge):
            self._end_by(Outcome.OUTPUT_LIMIT, f"returned a value over the limit: {error}")
        elif error is not None:
            self._end_by(Outcome.INVALID, f"returned something malformed: {error}")
        elif not self._ended and self._verdict is None:
            loop = asyncio.get_running_loop()
            loop.call_later(
                _LAST_WORDS, self._end_by, Outcome.CRASHED, "closed its connection to the caller"
            )

    def died(self, error: Exception | None) -> None:
        """The keeper is dead."""
        if self._verdict is not None:
            return
        if error is not None:
            self._break(error)
        elif self._out_of_memory():
            self._end_by(Outcome.OUT_OF_MEMORY, self._memory_text())
        else:
            self._lose("it ended")

    def _on_program_end(self, code: int) -> None:
        self._ended = True
        if self._out_of_memory():
            self._end_by(Outcome.OUT_OF_MEMORY, self._memory_text())
        elif code == -signal.SIGXCPU:
            self._end_by(Outcome.TIMED_OUT, self._processor_text())
        else:
            self._end_by(Outcome.CRASHED, _how_it_ended(code))

    def _on_flood(self) -> None:
        limit = self._spec.limits.output
        self._end_by(Outcome.OUTPUT_LIMIT, f"printed more than {limit} bytes")

    def _on_deadline(self) -> None:
        seconds = self._spec.limits.seconds
        self._end_by(Outcome.TIMED_OUT, f"did not finish within {seconds:g} seconds")

    # Verdicts

    def _end_by(self, outcome: Outcome, message: str) -> Exception:
        """End the sandbox by the candidate's fault; why it has really ended."""
        return self._break(CandidateFailure(outcome, message))

    def _break(self, error: Exception) -> Exception:
        """End the sandbox. The first reason counts."""
        verdict = self._verdict = self._verdict or error
        self._kill()
        for future in self._awaiting.values():
            if not future.done():
                future.set_exception(self._again(verdict))
                future.exception()  # Also if nobody waits for it any more.
        self._awaiting.clear()
        return verdict

    def _again(self, error: Exception) -> Exception:
        """A fresh exception that says the same, so that tracebacks do not pile up."""
        if isinstance(error, CandidateFailure):
            return CandidateFailure(error.outcome, error.message)
        return type(error)(*error.args)

    def _kill(self) -> None:
        if self._connection is not None:
            self._connection.kill()

    def _out_of_memory(self) -> bool:
        return self._connection is not None and self._connection.out_of_memory

    def _memory_text(self) -> str:
        return f"used more than {self._spec.limits.memory} bytes of memory"

    def _processor_text(self) -> str:
        return f"used more than {self._spec.limits.processor_seconds} seconds of processor time"


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"its process exited with status {code} instead of returning"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its process was killed by {name}"
