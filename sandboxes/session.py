"""The owner's side of one running sandbox: its pipes, what happens on them, its verdict.

Outcomes come from the owner's clock, from the keeper (process 1 inside, which the candidate
cannot reach), and from the kernel's counters. The candidate's own process is believed in
one thing only: "here is a value" or "it raised".
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from metasearch.candidate import Outcome
from metasearch.errors import CandidateFailure, PrerequisiteError, SandboxError
from metasearch.sandboxes import asks, wire
from metasearch.sandboxes.asking import Asking, Deadline
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.cgroups import Slot
from metasearch.sandboxes.inside import START_SECONDS, Inside, check_setup
from metasearch.sandboxes.launch import Launcher, pid_of
from metasearch.sandboxes.streams import TAIL, Control, Line, Printed

_FRAME_OVERHEAD = 8192
_MAX_UNREAD = 64 * 1024**2
"""Bytes of answers that are kept for a candidate."""
_LAST_WORDS = 0.5
"""Seconds between a candidate hanging up and the keeper's word on how it ended."""


class Session:
    """What goes on between us, the keeper and the program. Starts when it is first needed."""

    def __init__(
        self,
        spec: SandboxSpec,
        lease: Callable[[], Coroutine[Any, Any, Launcher]],
        answers: asks.Answers | None = None,
    ) -> None:
        self._spec = spec
        self._lease = lease
        self._launcher: Launcher | None = None
        self._slot: Slot | None = None
        self._inside: Inside | None = None
        self._control: Control | None = None
        self._channel: Line | None = None
        self._out: Printed | None = None
        self._err: Printed | None = None
        self._pidfd = -1
        self._dead = asyncio.Event()
        self._busy = asyncio.Lock()
        self._files: dict[str, bytes] = {}
        self._calls = 0
        self._starts_itself = False
        """Whether the keeper starts the program without being told."""
        self._used = False
        """Whether any code of the candidate has run."""
        self._ended = False
        """Whether the program's process has ended."""
        self._asking = Asking(answers, self._send_answer, self._on_unanswered)
        self._awaiting: dict[str, asyncio.Future[Any]] = {}
        self._verdict: Exception | None = None
        """Why nothing can be asked of this sandbox any more."""

    # Starting and ending

    async def _ready(self, *, to_call: bool = False) -> None:
        if self._verdict is not None:
            raise self._again(self._verdict)
        if self._control is None:
            await self._start(to_call=to_call)

    async def _start(self, *, to_call: bool) -> None:
        limits = self._spec.limits
        launcher = self._launcher = await self._lease()
        self._slot = launcher.slot
        if self._slot is not None:
            self._slot.limit(limits)
        controllers = self._slot.controllers if self._slot else frozenset()
        # Nothing of the candidate may run before it is where it is limited.
        self._starts_itself = to_call and (self._slot is None or launcher.inside_slot)
        questions, asking = os.pipe()
        answers, answering = os.pipe()
        out, out_writer = os.pipe()
        err, err_writer = os.pipe()
        theirs = (questions, answering, out_writer, err_writer)
        started = self._expect("started")
        try:
            control, self._inside = await launcher.launch(
                _order(limits, controllers, start=self._starts_itself), theirs
            )
        except BaseException:
            for descriptor in (asking, answers, out, err):
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._control = Control(control, wire.DEFAULT_LIMIT, self._on_control, self._on_control_end)
        budget = limits.output + _FRAME_OVERHEAD
        self._channel = Line(answers, asking, budget, self._on_answer, self._on_channel_end)
        self._out = Printed(out, TAIL, limits.output, self._on_flood)
        self._err = Printed(err, TAIL, limits.output, self._on_flood)
        try:
            async with asyncio.timeout(START_SECONDS):
                self._pidfd = await started
        except TimeoutError:
            raise self._break(SandboxError(f"no sandbox within {START_SECONDS:.0f} s")) from None
        except asyncio.CancelledError:
            self._break(SandboxError("a sandbox was given up before it was ready"))
            raise
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_death)
        if self._slot is not None and not launcher.inside_slot:
            try:
                self._slot.put(pid_of(self._pidfd))
            except OSError as error:
                raise self._break(SandboxError(f"it cannot be limited: {error}")) from None

    @property
    def process(self) -> int:
        """The first process inside, as we number it; 0 while there is none."""
        with contextlib.suppress(OSError):
            return pid_of(self._pidfd) if self._pidfd >= 0 else 0
        return 0

    def exceed(self, outcome: Outcome, message: str) -> None:
        """End the sandbox because of what was seen of the candidate from outside."""
        self._end_by(outcome, message)

    async def close(self) -> None:
        """Kill whatever is left and give everything back."""
        if self._verdict is None:
            self._verdict = SandboxError("the sandbox is closed")
        self._asking.end()
        if self._pidfd >= 0:
            self._kill()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._dead.wait()
            except TimeoutError:
                raise SandboxError("a killed sandbox does not end") from None
            finally:
                os.close(self._pidfd)
                self._pidfd = -1
        for part in (self._channel, self._control, self._out, self._err):
            if part is not None:
                part.close()
        if self._inside is not None:
            await self._inside.end()
            self._inside = None
        if self._launcher is not None:
            self._launcher.release()
            self._launcher = None
        for future in self._awaiting.values():
            future.cancel()

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

    def _hand_over(self, what: str, descriptors: list[int]) -> None:
        future = self._awaiting.pop(what, None)
        if future is not None and not future.done():
            future.set_result(descriptors.pop())

    def _on_control(self, message: Any, descriptors: list[int]) -> None:
        if "ended" in message:
            if message["ended"] == "call":
                self._on_program_end(message["code"])
            else:
                self._tell("run", message["code"])
        elif "started" in message:
            self._hand_over("started", descriptors)
        elif "written" in message:
            self._tell("written", message["written"])
        elif "opened" in message:
            if message["opened"]:
                self._tell("opened", message["opened"])
            else:
                self._hand_over("opened", descriptors)
        elif "unmade" in message:
            self._break(SandboxError(f"a sandbox cannot be made: {message['unmade']}"))
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
        for descriptor in descriptors:
            os.close(descriptor)

    def _lose(self, why: str) -> None:
        """The keeper has failed. If its own parent lives, what ran beside it is to blame."""
        if self._used and self._launcher is not None and self._launcher.alive:
            self._end_by(Outcome.CRASHED, f"its sandbox was brought down: {why}")
        else:
            self._break(SandboxError(f"a sandbox was lost: {why}"))

    def _on_control_end(self, error: wire.WireError | None) -> None:
        if self._pidfd < 0:
            self._break(SandboxError("a sandbox ended before it was ready"))

    def _on_answer(self, message: Any) -> None:
        called = "answer" in self._awaiting and isinstance(message, dict)
        number = message.get("call") if called else None
        # Its type first: an array would compare to another array.
        if type(number) is int and number == self._calls:
            self._tell("answer", message)
        elif called and "ask" in message:
            try:
                if self._channel is not None and self._channel.unsent > _MAX_UNREAD:
                    raise asks.Malformed("it asks and does not read the answers")
                self._asking.take(message)
            except asks.Malformed as error:
                self._end_by(Outcome.INVALID, f"asked a model in a wrong way: {error}")
        else:
            self._end_by(Outcome.INVALID, "sent something that was not asked for")

    def _send_answer(self, frame: bytes) -> None:
        if self._channel is not None:
            self._channel.send(frame)

    def _on_unanswered(self, error: Exception) -> None:
        self._break(SandboxError(f"a candidate's ask could not be answered: {error}"))

    def _on_channel_end(self, error: wire.WireError | None) -> None:
        if isinstance(error, wire.FrameTooLarge):
            self._end_by(Outcome.OUTPUT_LIMIT, f"returned a value over the limit: {error}")
        elif error is not None:
            self._end_by(Outcome.INVALID, f"returned something malformed: {error}")
        elif not self._ended and self._verdict is None:
            loop = asyncio.get_running_loop()
            loop.call_later(
                _LAST_WORDS, self._end_by, Outcome.CRASHED, "closed its connection to the caller"
            )

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

    def _on_death(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._dead.set()
        if self._verdict is not None:
            return
        if self._out_of_memory():
            self._end_by(Outcome.OUT_OF_MEMORY, self._memory_text())
        else:
            self._lose("it ended")

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
        if self._pidfd >= 0 and not self._dead.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _out_of_memory(self) -> bool:
        return self._slot is not None and self._slot.out_of_memory

    def _memory_text(self) -> str:
        return f"used more than {self._spec.limits.memory} bytes of memory"

    def _processor_text(self) -> str:
        return f"used more than {_processor_seconds(self._spec.limits)} seconds of processor time"


def _processor_seconds(limits: Limits) -> int:
    return math.ceil(limits.seconds * limits.cpus)


def _order(limits: Limits, controllers: frozenset[str], *, start: bool) -> dict[str, Any]:
    return {
        "start": start,
        "disk": limits.disk,
        "output": limits.output,
        "pids": limits.pids,
        "cpu": _processor_seconds(limits),
        "memory": limits.memory,
        "accounted": {"memory", "pids"} <= controllers,
        "count_processes": _KERNEL >= (5, 14),
    }


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"its process exited with status {code} instead of returning"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its process was killed by {name}"


_KERNEL = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
