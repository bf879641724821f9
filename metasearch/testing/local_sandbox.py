"""A sandbox that is none, for tests of trusted code around sandboxes.

It runs the "candidate" in this very process, with no limit and no isolation at all. Never
give it a program that you have not written yourself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from metasearch.errors import CandidateFailure, SandboxError
from metasearch.outcome import Outcome
from metasearch.sandboxes.asks import Answers
from metasearch.sandboxes.base import Execution, SandboxSpec, Value


class UnsafeLocalSandbox:
    """Calls functions of written Python files in this process."""

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.files: dict[str, bytes] = {}
        self.stdout = ""
        self.stderr = ""
        self.memory: int | None = None
        self._modules: dict[str, dict[str, Any]] = {}

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Keep files in memory."""
        self.files.update(files)

    async def call(self, function: str, *args: Value, **kwargs: Value) -> Value:
        """Call ``module:function``; an awaitable result is awaited, so that fakes can wait."""
        module, _, name = function.partition(":")
        path = module.replace(".", "/") + ".py"
        if path not in self.files:
            raise CandidateFailure(Outcome.CRASHED, f"No module named {module!r}")
        try:
            if module not in self._modules:
                namespace: dict[str, Any] = {"__name__": module, "print": self._print}
                exec(compile(self.files[path], path, "exec"), namespace)  # noqa: S102
                self._modules[module] = namespace
            value = self._modules[module][name](*args, **kwargs)
            async with asyncio.timeout(self.spec.limits.seconds):
                return await value if asyncio.iscoroutine(value) else value
        except TimeoutError:
            raise CandidateFailure(Outcome.TIMED_OUT, "took too long") from None
        except (CandidateFailure, SandboxError):
            raise
        except Exception as error:
            raise CandidateFailure(Outcome.CRASHED, f"{type(error).__name__}: {error}") from None

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"") -> Execution:
        """Echo the command and its input: no process is started."""
        return Execution(0, " ".join(argv).encode() + b"\n" + stdin, b"", 0.0)

    async def read(self, path: str) -> bytes:
        """A written file."""
        if path not in self.files:
            raise CandidateFailure(Outcome.INVALID, f"there is no file {path!r}")
        return self.files[path]

    def _print(self, *values: object) -> None:
        self.stdout += " ".join(map(str, values)) + "\n"


class UnsafeLocalProvider:
    """Opens :class:`UnsafeLocalSandbox`; counts how many were opened and closed."""

    name = "unsafe-local"

    def __init__(self) -> None:
        self.opened: list[UnsafeLocalSandbox] = []
        self.closed = 0

    async def check(self) -> None:
        """Always there."""

    def describe(self, spec: SandboxSpec) -> str:
        """Its name says it all."""
        return self.name

    @asynccontextmanager
    async def open(
        self, spec: SandboxSpec, answers: Answers | None = None
    ) -> AsyncIterator[UnsafeLocalSandbox]:
        """A fresh one, in which nothing can be asked."""
        sandbox = UnsafeLocalSandbox(spec)
        self.opened.append(sandbox)
        try:
            yield sandbox
        finally:
            self.closed += 1

    async def reap(self) -> int:
        """Nothing is left behind."""
        return 0

    async def close(self) -> None:
        """Nothing to end."""
