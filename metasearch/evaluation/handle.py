"""The ``candidate`` that the user's function is given.

:class:`Candidate` is for ``async def evaluate(candidate)``, :class:`BlockingCandidate` for
plain ``def evaluate(candidate)``; both have the same methods. (The archive's record of a
candidate is another thing: :class:`metasearch.candidate.Candidate`.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from metasearch.errors import EvaluatorError
from metasearch.evaluation.loader import module_name
from metasearch.evaluation.session import Session
from metasearch.outcome import Split
from metasearch.sandboxes.base import Execution, Sandbox, Value

T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """What a handle knows without asking the sandbox."""

    files: Mapping[str, str]
    split: Split
    seed: int
    repeat: int


class _Handle:
    """What both handles share: nothing here waits."""

    def __init__(self, session: Session, about: About) -> None:
        self._session = session
        self._about = about

    @property
    def files(self) -> dict[str, str]:
        """The program's files, path -> text; the main one first."""
        return dict(self._about.files)

    @property
    def source(self) -> str:
        """The text of the program's main file."""
        return next(iter(self._about.files.values()))

    @property
    def split(self) -> Split:
        """Which data to measure on: ``"validation"`` in the search, ``"test"`` at its end."""
        return self._about.split

    @property
    def seed(self) -> int:
        """For every random choice of the evaluator; another one in each repeat."""
        return self._about.seed

    @property
    def repeat(self) -> int:
        """Counts the repeats of this evaluation from 0."""
        return self._about.repeat

    def attach(self, name: str, content: str | bytes, media_type: str | None = None) -> None:
        """Show a file beside the candidate in the browser, such as ``"plot.svg"``.

        The media type follows from the name's ending if not given. An artifact of the same
        name is replaced.
        """
        self._session.notes.attach(name, content, media_type)

    def feedback(self, text: str) -> None:
        """Tell the model that proposes the next candidate something about this one."""
        self._session.notes.say(text)

    def examples(self, scores: Mapping[str, Sequence[float]]) -> None:
        """Give metrics as one score per example; the same as returning them as lists.

        The metric becomes their mean, with a 95 % bootstrap interval.
        """
        self._session.examples.update(scores)

    def _module(self, function: str) -> str:
        if ":" in function:
            return function
        main = next(iter(self._about.files))
        if PurePosixPath(main).suffix != ".py":
            raise EvaluatorError(
                f"candidate.call({function!r}) needs a Python program, but its main file is "
                f"{main!r}; use candidate.run, or name a harness: 'harness:{function}'"
            )
        return f"{module_name(main)}:{function}"

    async def _call(
        self, function: str, args: tuple[Value, ...], kwargs: dict[str, Value]
    ) -> Value:
        target = self._module(function)
        return await self._session.use(lambda sandbox: sandbox.call(target, *args, **kwargs))

    async def _run(self, argv: Sequence[str], stdin: bytes | str) -> Execution:
        if isinstance(argv, str) or not all(isinstance(word, str) for word in argv):
            raise EvaluatorError(f"candidate.run takes a list of words, not {argv!r:.200}")
        sent = stdin.encode() if isinstance(stdin, str) else bytes(stdin)

        async def run(sandbox: Sandbox) -> Execution:
            return await sandbox.run(list(argv), stdin=sent)

        done = await self._session.use(run)
        self._session.notes.print(
            done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )
        return done

    async def _read(self, path: str) -> bytes:
        return await self._session.use(lambda sandbox: sandbox.read(path))


class Candidate(_Handle):
    """The program under evaluation, inside its sandbox; for async evaluators.

    ``call``, ``run`` and ``read`` raise :class:`metasearch.errors.CandidateFailure` when the
    program does not deliver. Caught, the evaluation goes on (with a fresh sandbox if the
    program crashed or was ended); left alone, it is the candidate's outcome.
    """

    async def call(self, function: str, *args: Value, **kwargs: Value) -> Value:
        """Call a function of the program and return its value, as plain data.

        Args:
            function: ``"pack"`` of the main file, or ``"module:function"`` of any file of
                the program or the harness.
            *args: JSON values, bytes, numpy arrays, and lists and dicts of them.
            **kwargs: Likewise.
        """
        return await self._call(function, args, kwargs)

    async def run(self, argv: Sequence[str], *, stdin: bytes | str = b"") -> Execution:
        """Run a command in the program's folder; a non-zero exit code is a value."""
        return await self._run(argv, stdin)

    async def read(self, path: str) -> bytes:
        """The content of a file that the program wrote into its folder."""
        return await self._read(path)

    async def renew(self) -> None:
        """End the sandbox: the next call finds the program as it was written, in a fresh one.

        Nothing that it computed, wrote or was given before is left, but what it returned.
        """
        await self._session.renew()


class BlockingCandidate(_Handle):
    """The program under evaluation, inside its sandbox; for evaluators that are not async.

    The same as :class:`Candidate`, without ``await``.
    """

    def __init__(self, session: Session, about: About, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(session, about)
        self._loop = loop

    def call(self, function: str, *args: Value, **kwargs: Value) -> Value:
        """As :meth:`Candidate.call`."""
        return self._wait(self._call(function, args, kwargs))

    def run(self, argv: Sequence[str], *, stdin: bytes | str = b"") -> Execution:
        """As :meth:`Candidate.run`."""
        return self._wait(self._run(argv, stdin))

    def read(self, path: str) -> bytes:
        """As :meth:`Candidate.read`."""
        return self._wait(self._read(path))

    def renew(self) -> None:
        """As :meth:`Candidate.renew`."""
        self._wait(self._session.renew())

    def _wait(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
