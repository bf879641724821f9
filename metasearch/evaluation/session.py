"""One run of the user's function: its sandbox, and what it wrote down on the way."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from mimetypes import MimeTypes
from typing import TypeVar

from metasearch.errors import (
    CandidateFailure,
    EvaluatorError,
    PrerequisiteError,
    SandboxError,
)
from metasearch.evaluation.blame import shorten
from metasearch.outcome import Outcome
from metasearch.sandboxes.asks import Answers
from metasearch.sandboxes.base import Sandbox, SandboxProvider, SandboxSpec

T = TypeVar("T")

MAX_ARTIFACTS = 64
MAX_ARTIFACT_BYTES = 32 * 1024**2
"""Of all artifacts of one evaluation together."""
MAX_FEEDBACK = 16_384
"""Characters; the middle of longer feedback is left out."""
MAX_PRINTED = 65_536
"""Characters of the candidate's stdout, and of its stderr, that are kept: the last ones."""

_PATIENCE = 5.0

# Without the machine's own tables, so that an artifact has the same type everywhere.
_TYPES = MimeTypes(filenames=())

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)

_LOST = (Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY, Outcome.OUTPUT_LIMIT, Outcome.CRASHED)


@dataclass
class Notes:
    """What one evaluation leaves behind besides scores, over all its stages and repeats."""

    artifacts: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Name -> media type and content."""
    stdout: str = ""
    stderr: str = ""
    memory: int | None = None
    """Most bytes that a sandbox had in use; ``None`` as long as none has told."""
    seconds_inside: float = 0.0
    """Wall time that the evaluator spent waiting for the candidate."""
    seconds_asking: float = 0.0
    """Wall time in which the candidate had an ask in flight."""
    _asks: int = 0
    _feedback: list[str] = field(default_factory=list)

    @property
    def feedback(self) -> str:
        """All that was said, bounded."""
        return shorten("\n".join(self._feedback), MAX_FEEDBACK)

    def say(self, text: str) -> None:
        """Add feedback, unless the same was said before (in another repeat, say)."""
        text = shorten(str(text).strip(), MAX_FEEDBACK)
        if text and text not in self._feedback and len(self._feedback) < 1000:
            self._feedback.append(text)

    def attach(self, name: str, content: str | bytes, media_type: str | None) -> None:
        """Keep an artifact; one of the same name is replaced.

        Raises:
            EvaluatorError: If the name is no file name, or it is too many or too much.
        """
        if not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable():
            raise EvaluatorError(f"attach: {name!r:.200} is not a file name like 'plot.svg'")
        if "/" in name or "\\" in name or name in (".", ".."):
            raise EvaluatorError(f"attach: {name!r} is a path; give a plain name like 'plot.svg'")
        if not isinstance(content, str | bytes | bytearray | memoryview):
            raise EvaluatorError(
                f"attach: the content of {name!r} is a {type(content).__name__}; give text or bytes"
            )
        data = content.encode("utf-8", "replace") if isinstance(content, str) else bytes(content)
        others = [kept for other, (_, kept) in self.artifacts.items() if other != name]
        total = len(data) + sum(map(len, others))
        if len(others) >= MAX_ARTIFACTS or total > MAX_ARTIFACT_BYTES:
            raise EvaluatorError(
                f"attach: with {name!r} this evaluation has {len(others) + 1} artifacts of "
                f"{total:,} bytes; the most is {MAX_ARTIFACTS} of {MAX_ARTIFACT_BYTES:,} bytes"
            )
        if media_type is not None and not _MEDIA_TYPE.fullmatch(media_type):
            raise EvaluatorError(f"attach: {media_type!r:.200} is no media type like 'image/png'")
        fallback = "text/plain" if isinstance(content, str) else "application/octet-stream"
        self.artifacts[name] = (media_type or _TYPES.guess_type(name)[0] or fallback, data)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """An ask is in flight; several may be at once."""
        if not self._asks:
            self.seconds_asking -= time.perf_counter()
        self._asks += 1
        try:
            yield
        finally:
            self._asks -= 1
            if not self._asks:
                self.seconds_asking += time.perf_counter()

    def use(self, memory: int | None) -> None:
        """Note the memory that a sandbox has used: the most of all counts."""
        if memory is not None:
            self.memory = max(memory, self.memory or 0)

    def print(self, stdout: str, stderr: str) -> None:
        """Keep the end of what the candidate printed."""
        self.stdout = (self.stdout + stdout)[-MAX_PRINTED:]
        self.stderr = (self.stderr + stderr)[-MAX_PRINTED:]


class Session:
    """The sandbox behind one handle: opened at first use, ended with the run.

    After a failure of the candidate the next use finds a fresh sandbox, so that an
    evaluator may go on with its next example.
    """

    def __init__(
        self,
        provider: SandboxProvider,
        spec: SandboxSpec,
        files: Mapping[str, bytes],
        notes: Notes,
        answers: Answers | None = None,
    ) -> None:
        self.notes = notes
        self.fault: SandboxError | PrerequisiteError | None = None
        """Ours, not the candidate's; outlives an evaluator that catches everything."""
        self.used = False
        self.examples: dict[str, object] = {}
        """Per-example scores, by metric."""
        self._provider = provider
        self._spec = spec
        self._files = files
        self._answers = answers
        self._sandbox: Sandbox | None = None
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._ended = False
        self._users: set[asyncio.Task[object]] = set()

    async def use(self, action: Callable[[Sandbox], Awaitable[T]]) -> T:
        """Do something in the sandbox; one thing at a time.

        Raises:
            CandidateFailure: From the sandbox.
            SandboxError: Likewise; remembered as ``fault``.
            PrerequisiteError: Likewise.
            EvaluatorError: If the run is over.
        """
        task = asyncio.current_task()
        assert task is not None
        self._users.add(task)
        try:
            return await self._use(action)
        finally:
            self._users.discard(task)

    async def _use(self, action: Callable[[Sandbox], Awaitable[T]]) -> T:
        async with self._lock:
            if self._ended:
                raise EvaluatorError("the candidate was used after its evaluation had ended")
            self.used = True
            try:
                sandbox = self._sandbox or await self._open()
                started = time.perf_counter()
                try:
                    return await action(sandbox)
                finally:
                    self.notes.seconds_inside += time.perf_counter() - started
            except (SandboxError, PrerequisiteError) as error:
                self.fault = error
                raise
            except CandidateFailure as failure:
                if failure.outcome in _LOST:
                    await self._leave()
                raise
            except asyncio.CancelledError:
                # The evaluator gave up waiting; the program may still be at it.
                await self._leave()
                raise

    async def renew(self) -> None:
        """Close the sandbox, with all that the program did in it; the next use opens another."""
        async with self._lock:
            await self._leave()

    async def end(self) -> None:
        """Close the sandbox; what still uses it is cancelled, and no further use is allowed."""
        self._ended = True
        users = self._users - {asyncio.current_task()}
        for task in users:
            task.cancel()
        if users:
            await asyncio.wait(users, timeout=_PATIENCE)
        await self._leave()

    async def _open(self) -> Sandbox:
        opened = self._provider.open(self._spec, self._answers)
        sandbox = await self._stack.enter_async_context(opened)
        try:
            await sandbox.write(self._files)
        except BaseException:
            await self._stack.aclose()
            raise
        self._sandbox = sandbox
        return sandbox

    async def _leave(self) -> None:
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            self.notes.print(sandbox.stdout, sandbox.stderr)
            self.notes.use(sandbox.memory)
        await self._stack.aclose()
