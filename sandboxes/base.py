"""The sandbox contract: what every provider gives, and what a candidate can never do.

A sandbox holds one candidate's program, once. It has no network, sees no file of the host
but the interpreter, its packages and the paths that the campaign shows it, gets no host
environment, and is killed from outside, with everything it started, at the deadline and at
the end. What comes out is plain data: JSON values, bytes, and numpy arrays without pickle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from metasearch.sandboxes.asks import Answers

Value = Any
"""Plain data that crosses the wire: ``None``, bool, int, float, str, bytes, numpy arrays of
numbers, and lists and string-keyed dicts of them (tuples arrive as lists)."""


@dataclass(frozen=True)
class Limits:
    """What one call or run inside may use. All enforced from outside the candidate."""

    seconds: float = 30.0
    """Wall time; CPU time is limited to the same number times ``cpus``, rounded up."""
    memory: int = 1024**3
    """Bytes of resident memory, of all processes together."""
    cpus: float = 1.0
    pids: int = 64
    disk: int = 256 * 1024**2
    """Bytes: size of the private file system, and so of any file."""
    output: int = 16 * 1024**2
    """Bytes of one returned value or of one file read back. Printed text beyond 64 KiB a
    stream loses its beginning; a candidate that prints more than ``output`` is ended."""

    @property
    def processor_seconds(self) -> int:
        """Of all that one process computes in one call."""
        return math.ceil(self.seconds * self.cpus)


@dataclass(frozen=True)
class LeasedDevice:
    """A GPU, or a share of one, that one candidate may use."""

    uuid: str
    node: str
    """Its device file, such as ``/dev/nvidia0``."""
    share: float
    """Above 0; 1 if nobody else has a part of it."""
    memory: int
    """Bytes of its memory that the candidate may use."""


@dataclass(frozen=True)
class SandboxSpec:
    """What a campaign asks of its sandboxes; equal specs share warm parents."""

    limits: Limits = Limits()
    preload: tuple[str, ...] = ()
    """Modules imported once, before any candidate's code."""
    paths: tuple[str, ...] = ()
    """Absolute host paths shown inside at the same place, read-only."""
    hidden: tuple[str, ...] = ()
    """Absolute host paths that stay empty inside, though what they lie in is shown: packages, of
    the campaign's choice and those that the evaluator is part of."""
    gpus: float = 0
    """How many each candidate needs: whole ones, or a fraction of one."""
    devices: tuple[LeasedDevice, ...] = ()
    """Those that were leased for this candidate: it sees no other."""
    image: str = ""
    """Name or id of the container image to run in; the provider's own if not given."""
    runtime: str = ""
    """Container runtime (``runsc``, ``kata``); the daemon's own if not given."""
    campaign: str = ""
    """For whom, as a label of whatever other programs can see of the sandbox."""


@dataclass(frozen=True)
class Execution:
    """What became of a command."""

    exit_code: int
    """Negative: the number of the signal that killed it."""
    stdout: bytes
    stderr: bytes
    seconds: float


class Sandbox(Protocol):
    """One candidate's room.

    ``call`` and ``run`` raise :class:`metasearch.errors.CandidateFailure` with the exact
    outcome (crashed, timed_out, out_of_memory, output_limit, invalid) when the candidate is
    at fault, and :class:`metasearch.errors.SandboxError` when the sandbox is.
    """

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Put files (relative paths) into the working folder."""

    async def call(self, function: str, *args: Value, **kwargs: Value) -> Value:
        """Call ``module:function`` of the written files and return its value.

        The first call imports the module; later calls find it, and its state, as the
        earlier ones left them. The limits hold for each call. Chance (``random``, and a
        preloaded numpy's global generator) starts from the same state in every sandbox.
        Time in which it waits for an answer to an ask does not count.
        One call runs at a time; a call that is cancelled ends the sandbox.
        """

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"") -> Execution:
        """Run a command in the working folder. A non-zero exit code is a value.

        Both streams come back whole; more than ``limits.output`` of either is a failure.
        """

    async def read(self, path: str) -> bytes:
        """The content of a regular file in the working folder, never following links.

        Anything else there, or nothing, is :class:`CandidateFailure` ``invalid``.
        """

    @property
    def memory(self) -> int | None:
        """Most bytes that all its processes held at once so far, as seen from outside.

        The kernel's own count where there is a control group for each candidate, else samples, 20
        a second. ``None`` as long as nothing has run, and where neither can be had.
        """

    @property
    def stdout(self) -> str:
        """The last 64 KiB that the candidate printed in calls, control characters replaced."""

    @property
    def stderr(self) -> str:
        """Likewise."""


class SandboxProvider(Protocol):
    """A way of making sandboxes. One instance belongs to one process and event loop."""

    name: str

    async def check(self) -> None:
        """Make sure that sandboxes can be opened here.

        Raises:
            PrerequisiteError: With the cause and the command that mends it.
        """

    def describe(self, spec: SandboxSpec) -> str:
        """Where candidates of this spec run, in one line, for people who start a campaign."""

    def open(
        self, spec: SandboxSpec, answers: Answers | None = None
    ) -> AbstractAsyncContextManager[Sandbox]:
        """A fresh sandbox, destroyed with everything in it when the block ends.

        Args:
            spec: What it may use.
            answers: Who answers what functions inside ask by ``metasearch_runner.ask``; without
                it they may not ask.
        """

    async def reap(self) -> int:
        """Remove what killed runs of this machine left behind; how many things there were."""

    async def close(self) -> None:
        """End warm parents and standby sandboxes."""
