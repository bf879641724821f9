"""The sandbox contract on top of a session: orders in, values out."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from metasearch.candidate import Outcome
from metasearch.errors import CandidateFailure, SandboxError
from metasearch.program import check_path
from metasearch.sandboxes import wire
from metasearch.sandboxes.base import Execution, Value
from metasearch.sandboxes.connection import Connection
from metasearch.sandboxes.session import Session
from metasearch.sandboxes.streams import Printed

_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class Room(Session):
    """Satisfies :class:`metasearch.sandboxes.base.Sandbox`."""

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Put files (relative paths) into the working folder."""
        for path, content in files.items():
            check_path(path)
            self._files[path] = bytes(content)
        if sum(map(len, self._files.values())) > self._spec.limits.disk:
            raise SandboxError("the files to write are over the sandbox's disk limit")
        if self._connection is not None:
            async with self._busy:
                await self._flush()

    async def call(self, function: str, *args: Value, **kwargs: Value) -> Value:
        """Call ``module:function`` of the written files and return its value."""
        if not _FUNCTION.fullmatch(function):
            raise ValueError(f"{function!r} is not of the form 'module:function'")
        request: dict[str, Any] = {"function": function, "args": args, "kwargs": kwargs}
        async with self._busy:
            connection = await self._ready(to_call=True)
            if self._used:
                await self._flush()
            # Before any code of the candidate has run its process can write files itself.
            request |= {"call": self._calls + 1, "files": {} if self._used else self._files}
            request["asks"] = self._asking.at_once
            frame = wire.encode(request, max(wire.DEFAULT_LIMIT, self._spec.limits.memory))
            self._calls += 1
            self._files = {}
            self._used = True
            answer = self._expect("answer")
            if self._calls > 1 or not connection.starts_itself:
                connection.tell({"call": self._calls})
            connection.send(frame)
            return self._value(await self._within_limits(answer))

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"") -> Execution:
        """Run a command in the working folder. A non-zero exit code is a value."""
        if not argv or not all(isinstance(part, str) and "\0" not in part for part in argv):
            raise ValueError("argv must be a non-empty sequence of text without NUL")
        async with self._busy:
            connection = await self._flush()
            return await self._run(connection, argv, stdin)

    async def read(self, path: str) -> bytes:
        """The content of a regular file in the working folder, never following links."""
        check_path(path)
        limit = self._spec.limits.output
        async with self._busy:
            connection = await self._flush()
            arrived = self._expect("content")
            connection.tell({"read": path})
            content: bytes | str = await self._within_limits(arrived)
        if isinstance(content, str):
            raise CandidateFailure(Outcome.INVALID, f"{path} cannot be read back: {content}")
        if len(content) > limit:
            raise CandidateFailure(Outcome.OUTPUT_LIMIT, f"{path} is larger than {limit} bytes")
        return content

    @property
    def stdout(self) -> str:
        """The last 64 KiB that the candidate printed in calls, control characters replaced."""
        return self.out.text

    @property
    def stderr(self) -> str:
        """Likewise."""
        return self.err.text

    async def _flush(self) -> Connection:
        """A started sandbox that has all files that were written for it."""
        connection = await self._ready()
        if self._files:
            files, self._files = self._files, {}
            written = self._expect("written")
            connection.tell({"write": files})
            problem = await self._within_limits(written)
            if problem and self._used:
                raise CandidateFailure(Outcome.CRASHED, f"left no room for its input: {problem}")
            if problem:
                raise SandboxError(f"the program's files cannot be put into the sandbox: {problem}")
        return connection

    async def _run(self, connection: Connection, argv: Sequence[str], stdin: bytes) -> Execution:
        limit = self._spec.limits.output
        out, err = (Printed(limit, limit, self._on_flood) for _ in range(2))
        self._used = True
        ended = self._expect("run")
        began = time.monotonic()
        command = connection.run(argv, stdin, out, err)
        try:
            code = await self._within_limits(ended)
        finally:
            command.close()
        if self._verdict is not None:
            raise self._again(self._verdict)
        self._check_run(code)
        return Execution(code, out.content, err.content, time.monotonic() - began)

    def _check_run(self, code: int) -> None:
        if code and self._out_of_memory():
            raise CandidateFailure(Outcome.OUT_OF_MEMORY, self._memory_text())
        if code == -signal.SIGXCPU:
            raise CandidateFailure(Outcome.TIMED_OUT, self._processor_text())

    def _value(self, message: dict[str, Any]) -> Value:
        if self._connection is not None:
            self._connection.drain()
        if self._verdict is not None:
            raise self._again(self._verdict)
        if "value" in message:
            return message["value"]
        for key, outcome in (
            ("raised", Outcome.CRASHED),
            ("no_memory", Outcome.OUT_OF_MEMORY),
            ("unsendable", Outcome.INVALID),
            ("unwritten", Outcome.INVALID),
            ("too_large", Outcome.OUTPUT_LIMIT),
        ):
            if key in message:
                if outcome is Outcome.CRASHED and self._out_of_memory():
                    outcome = Outcome.OUT_OF_MEMORY
                raise CandidateFailure(outcome, str(message[key]))
        raise self._again(self._end_by(Outcome.INVALID, "answered a call with something else"))
