"""The engine's end of one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys

from metasearch.candidate import EvaluationResult
from metasearch.errors import EvaluatorError, MetasearchError, SandboxError
from metasearch.evaluation.asks import AnswerAsk, Asks
from metasearch.evaluation.channel import Channel, Message
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec
from metasearch.evaluation.worker import ERRORS
from metasearch.sandboxes.base import LeasedDevice
from metasearch.sandboxes.wire import WireError

TAIL = 16_384
"""Bytes kept of what the evaluator prints: the last ones."""

_LOADING = 300.0
"""Seconds that loading the evaluator may take; less if a whole evaluation may take less."""
_LEAST_LOADING = 30.0
"""But so long in any case: importing a large library takes its time on a busy machine."""
_GRACE = 10.0
"""Seconds after its deadline at which a worker that is silent is stuck."""
_PATIENCE = 5.0
"""Seconds for a cancelled evaluation or a closed worker to end by itself."""
_LAST_WORDS = 1.0
"""Seconds to read what a dead worker printed, while a child of it may hold the pipe."""

_output = logging.getLogger("metasearch.evaluator")
"""Gets at DEBUG what a worker's evaluator has printed, when the worker is closed."""


class WorkerDied(Exception):
    """The process ended while it was needed."""


class WorkerProcess:
    """Starts at once; :meth:`evaluate` waits until the evaluator is loaded."""

    def __init__(self, spec: EvaluationSpec) -> None:
        self.running = 0
        """Evaluations assigned to it."""
        self.served: set[tuple[LeasedDevice, ...]] = set()
        """Device sets of its evaluations so far."""
        self.sandbox = ""
        """Where its candidates run, in words, once it has started."""
        self._spec = spec
        self._pending: dict[int, asyncio.Future[Message]] = {}
        self._asks: dict[int, Asks] = {}
        self._numbers = itertools.count()
        self._tail = bytearray()
        self._told = False
        """Whether an error quotes what it printed."""
        self._death: WorkerDied | None = None
        self._tasks: list[asyncio.Task[int] | asyncio.Task[None]] = []
        self._spawned = asyncio.create_task(self._spawn())
        self._started = asyncio.create_task(self._start())
        # Seen even if nobody waits for it any more.
        self._started.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def alive(self) -> bool:
        """Whether it can be given another evaluation."""
        started = self._started
        failed = started.done() and (started.cancelled() or started.exception() is not None)
        return not failed and self._death is None

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left."""
        return not self.alive and all(task.done() for task in self._tasks)

    @property
    def printed(self) -> str:
        """The last that the evaluator printed."""
        return self._tail[-TAIL:].decode("utf-8", "replace")

    async def ready(self) -> None:
        """Wait until the evaluator is loaded and a sandbox has been opened.

        Raises:
            CampaignError: Evaluator, function or plug-in not found.
            EvaluatorError: The evaluator's code failed on loading.
            PrerequisiteError: The machine has no sandbox.
            SandboxError: The sandbox does not open.
            WorkerDied: The process ended.
        """
        await asyncio.shield(self._started)

    async def evaluate(
        self, request: EvaluationRequest, answer_ask: AnswerAsk | None = None
    ) -> EvaluationResult:
        """One evaluation; cancelling it ends its sandbox before this returns.

        Args:
            request: What to measure.
            answer_ask: Answers what the candidate asks of models. What it raises ends the
                evaluation, and is raised here.
        """
        await self.ready()
        seconds = self._spec.timeout + _GRACE
        try:
            answer = await self._ask({"request": request.to_json()}, seconds, answer_ask)
        except TimeoutError:
            raise EvaluatorError(
                f"The evaluator itself took too long on candidate #{request.number}: more than "
                f"{self._spec.timeout:g} s (evaluator.timeout), without giving way. Long work of "
                f"an 'async def' evaluator belongs into asyncio.to_thread.{self._last_words()}"
            ) from None
        return EvaluationResult.model_validate(answer["report"])

    async def close(self) -> None:
        """Let it end its sandboxes and exit; kill it if it does not."""
        await asyncio.wait({self._spawned})
        if not self._tasks:
            return
        if not self._started.done():
            self.kill()
        self._channel.close()
        _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE)
        if late:
            self.kill()
            await asyncio.wait(late)
        if not self._told and self.printed.strip():
            _output.debug("%s", self.printed)

    def kill(self) -> None:
        """End it, and what the evaluator has started in its process group, at once."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        self._channel = await Channel.over(ours)
        with theirs:
            try:
                self._process = _launch(theirs.fileno())
            except OSError:
                self._channel.close()
                raise
        ended = asyncio.create_task(self._exit_code())
        self._tasks = [ended, asyncio.create_task(self._listen(ended))]

    async def _start(self) -> None:
        try:
            await self._spawned
        except OSError as error:
            raise SandboxError(f"An evaluation worker cannot be started: {error}") from None
        limit = min(_LOADING, max(_LEAST_LOADING, self._spec.timeout))
        try:
            answer = await self._ask({"spec": self._spec.to_json()}, limit)
        except TimeoutError:
            raise EvaluatorError(
                f"The evaluator did not finish loading within {limit:g} s (evaluator.timeout, but "
                f"at least {_LEAST_LOADING:g} and at most {_LOADING:g} s). Does it wait for "
                f"something, or work for long, while it is imported?{self._last_words()}"
            ) from None
        self.sandbox = answer["sandbox"]

    def _last_words(self) -> str:
        return f" The last it printed:\n{self.printed}" if self.printed.strip() else ""

    async def _ask(
        self, message: Message, seconds: float, answer_ask: AnswerAsk | None = None
    ) -> Message:
        if self._death is not None:
            self._told = True
            raise self._death
        number = next(self._numbers)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        asks = self._asks[number] = Asks(future, answer_ask)
        try:
            await self._channel.send({"id": number, **message})
            await asyncio.wait({future}, timeout=seconds)
            if asks.failed:
                await self._channel.send({"id": number})  # its candidate need not go on
            if not future.done():
                self.kill()
                self._told = True
                raise TimeoutError
        except asyncio.CancelledError:
            await self._cancel(number, future)
            raise
        finally:
            asks.end()
            del self._pending[number], self._asks[number]
        answer = future.result()
        if "error" in answer:
            raise ERRORS.get(answer["error"], MetasearchError)(answer["message"])
        return answer

    async def _cancel(self, number: int, future: asyncio.Future[Message]) -> None:
        await self._channel.send({"id": number})
        await asyncio.wait({future}, timeout=_PATIENCE)
        if not future.done():
            self.kill()
        elif not future.cancelled():
            future.exception()  # Seen; nobody is left to be told.

    async def _listen(self, ended: asyncio.Task[int]) -> None:
        printing = asyncio.create_task(self._keep_tail())
        # A child that the evaluator forked may hold the pipe open when its worker is dead.
        ended.add_done_callback(lambda _: self._channel.close())
        try:
            while (answer := await self._channel.receive()) is not None:
                if "ask" in answer:
                    if (asks := self._asks.get(answer["id"])) is not None:
                        asks.take(answer, self._channel)
                    continue
                future = self._pending.get(answer["id"])
                if future is not None and not future.done():
                    future.set_result(answer)
        except WireError:
            self.kill()  # Something else has written into the pipe.
        code = await ended
        await asyncio.wait({printing}, timeout=_LAST_WORDS)
        printing.cancel()
        self._channel.close()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        self._death = WorkerDied(f"ended {how}.{self._last_words()}")
        for future in self._pending.values():
            if not future.done():
                self._told = True
                future.set_exception(self._death)

    async def _exit_code(self) -> int:
        # asyncio's own subprocesses count as running while anybody holds their pipes.
        loop = asyncio.get_running_loop()
        exited = asyncio.Event()
        pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(pidfd, exited.set)
        try:
            await exited.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        return self._process.wait()

    async def _keep_tail(self) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            while data := await reader.read(65_536):
                self._tail += data
                if len(self._tail) > 8 * TAIL:
                    del self._tail[:-TAIL]
        finally:
            transport.close()


def _launch(fd: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            *("-P", "-X", "faulthandler", "-m", "metasearch.evaluation.worker"),
            *(str(fd), str(os.getpid())),
        ],
        pass_fds=[fd],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        start_new_session=True,  # Ctrl-C is the engine's to handle.
    )


def _environment() -> dict[str, str]:
    """The engine's, with the defaults that several workers side by side need.

    One BLAS thread each, since there is a worker for each core; and a fixed hash seed,
    because the order of a set in the evaluator must not make a run unrepeatable.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**dict.fromkeys(threads, "1"), "PYTHONHASHSEED": "0", **os.environ}
