"""Measuring one candidate: stages, repeats, and whose fault it is when something breaks.

A candidate's failure is a value and becomes the outcome. Everything else that goes wrong
in trusted code is the evaluator's error and stops the campaign.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from metasearch.errors import CandidateFailure, EvaluatorError
from metasearch.evaluation.blame import shorten, user_traceback
from metasearch.evaluation.handle import About, BlockingCandidate, Candidate
from metasearch.evaluation.loader import Function
from metasearch.evaluation.scores import Reading, estimates, passed, read_scores
from metasearch.evaluation.session import Notes, Session
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec, StageSpec
from metasearch.outcome import Outcome
from metasearch.sandboxes.asks import Answer, Answers, Ask
from metasearch.sandboxes.base import SandboxProvider

Report = dict[str, Any]
"""An :class:`metasearch.candidate.EvaluationResult` as plain values, for the wire."""

_FAILURES = frozenset(Outcome) - {Outcome.SCORED, Outcome.REJECTED}
_PATIENCE = 1.0
_HINT = (
    "If what the candidate returned is the cause, check it and raise "
    "CandidateFailure(Outcome.INVALID, reason) instead."
)


class Measurement:
    """One evaluation of one program."""

    def __init__(
        self,
        spec: EvaluationSpec,
        functions: Mapping[str, Function],
        provider: SandboxProvider,
        request: EvaluationRequest,
        answers: Answers | None = None,
    ) -> None:
        self._spec = spec
        self._functions = functions
        self._provider = provider
        self._request = request
        self._answers = answers and Answers(self._noted(answers.answer), answers.at_once)
        self._notes = Notes()
        self._stages: list[Report] = []
        self._started = time.perf_counter()

    def _noted(
        self, answer: Callable[[Ask], Awaitable[Answer]]
    ) -> Callable[[Ask], Awaitable[Answer]]:
        async def noted(ask: Ask) -> Answer:
            with self._notes.asking():
                return await answer(ask)

        return noted

    async def report(self) -> Report:
        """Measure, and say what came out.

        Raises:
            EvaluatorError: With the user's traceback.
            SandboxError: The sandbox failed, whatever the evaluator made of it.
            PrerequisiteError: The machine lacks what the sandbox needs.
        """
        try:
            self._check_paths()
            for stage in self._spec.stages:
                if not await self._stage(stage):
                    break
        except CandidateFailure as failure:
            return self._report(Outcome(failure.outcome), shorten(str(failure.message)))
        return self._report(Outcome.SCORED, "")

    def _check_paths(self) -> None:
        """What no folder can hold, or stands in for the harness, is the program's fault."""
        files = self._request.files
        harness = {
            PurePosixPath(path).parts[0].partition(".")[0]: path for path in self._spec.harness
        }
        for path in files:
            parts = PurePosixPath(path).parts
            if not path.isprintable() or max(len(part.encode()) for part in parts) > 255:
                raise _invalid(f"{path!r:.300} is no name for a file")
            inside = [str(parent) for parent in PurePosixPath(path).parents if str(parent) in files]
            if inside:
                raise _invalid(f"{inside[0]!r} is a file, so there cannot be {path!r} in it")
            own = harness.get(parts[0].partition(".")[0])
            if own is not None:
                raise _invalid(f"{path!r} is in the way of the evaluator's own {own!r}")

    async def _stage(self, stage: StageSpec) -> bool:
        started = time.perf_counter()
        readings = [await self._repeat(stage, repeat) for repeat in range(self._spec.repeats)]
        scores = estimates(readings, self._request.seed_of(0))
        with self._naming(stage):
            goes_on = passed(scores, stage.threshold, self._spec)
        self._stages.append(
            {
                "stage": stage.function,
                "scores": {
                    name: {
                        "value": estimate.value,
                        "low": estimate.low,
                        "high": estimate.high,
                        "samples": estimate.samples,
                    }
                    for name, estimate in scores.items()
                },
                "passed": goes_on,
                "seconds": time.perf_counter() - started,
                "examples": {
                    name: list(estimate.examples)
                    for name, estimate in scores.items()
                    if estimate.examples
                },
            }
        )
        return goes_on

    async def _repeat(self, stage: StageSpec, repeat: int) -> dict[str, Reading]:
        files = {**self._request.files, **{p: self._spec.sources[p] for p in self._spec.harness}}
        session = Session(
            self._provider,
            replace(self._spec.sandbox, devices=self._request.devices),
            {path: text.encode("utf-8", "surrogatepass") for path, text in files.items()},
            self._notes,
            self._answers,
        )
        about = About(
            files=self._request.files,
            split=self._request.split,
            seed=self._request.seed_of(repeat),
            repeat=repeat,
        )
        try:
            returned = await self._invoke(self._functions[stage.function], session, about)
        finally:
            await session.end()
        with self._naming(stage):
            return read_scores(returned, session.examples, self._spec)

    @contextmanager
    def _naming(self, stage: StageSpec) -> Iterator[None]:
        """What is wrong with a returned value names its stage, if there are several."""
        try:
            yield
        except (CandidateFailure, EvaluatorError) as error:
            if len(self._spec.stages) == 1:
                raise
            where = f"stage {stage.function!r}: "
            if isinstance(error, CandidateFailure):
                raise CandidateFailure(error.outcome, where + error.message) from None
            raise EvaluatorError(where + str(error)) from None

    async def _invoke(self, function: Function, session: Session, about: About) -> object:
        """What the user's function returns; or whose fault it is that it does not."""
        work = start(function, session, about)
        left = self._started + self._spec.timeout - time.perf_counter()
        late = True
        try:
            await asyncio.wait({work}, timeout=max(0.0, left))
            late = not work.done()
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work}, timeout=_PATIENCE)
        if late:
            await session.end()  # A call in progress counts as time inside only once it ends.
        if session.fault is not None:
            raise session.fault
        if late:
            self._time_is_up()
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if error is None:
            return work.result()
        if isinstance(error, CandidateFailure) and error.outcome in _FAILURES:
            raise error
        text = user_traceback(error)
        if isinstance(error, CandidateFailure):
            text += f"\nA CandidateFailure needs one of: {', '.join(sorted(_FAILURES))}."
        elif session.used and not isinstance(error, EvaluatorError):
            text += f"\n{_HINT}"
        raise EvaluatorError(f"The evaluator failed on candidate #{self._request.number}.\n{text}")

    def _time_is_up(self) -> None:
        inside = self._notes.seconds_inside
        own = time.perf_counter() - self._started - inside
        whole = f"the whole evaluation took longer than {self._spec.timeout:g} s"
        if inside > own:
            asking = self._notes.seconds_asking
            part = f", where {asking:.1f} s went by until models had answered" if asking else ""
            raise CandidateFailure(
                Outcome.TIMED_OUT, f"{whole}, {inside:.1f} s of it inside the program{part}"
            )
        raise EvaluatorError(
            f"The evaluator itself took too long on candidate #{self._request.number}: {whole} "
            f"(evaluator.timeout), {own:.1f} s of it outside the program."
        )

    def _report(self, outcome: Outcome, error: str) -> Report:
        return {
            "outcome": str(outcome),
            "split": str(self._request.split),
            "stages": self._stages,
            "feedback": _clean(self._notes.feedback),
            "error": _clean(error),
            "stdout": _clean(self._notes.stdout),
            "stderr": _clean(self._notes.stderr),
            "artifacts": [
                {"name": name, "media_type": media_type, "content": content}
                for name, (media_type, content) in self._notes.artifacts.items()
            ],
            "seconds": time.perf_counter() - self._started,
            "memory": self._notes.memory,
        }


def start(function: Function, session: Session, about: About) -> asyncio.Future[object]:
    """Run the user's function: on this loop if it is async, else in a thread of its own."""
    called = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
        return asyncio.ensure_future(_contained(function, Candidate(session, about)))
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()
    handle = BlockingCandidate(session, about, loop)
    # A daemon, so that one that never ends (its evaluation having been given up) does not
    # keep the worker from ending.
    threading.Thread(target=_in_thread, args=(function, handle, outcome), daemon=True).start()
    return outcome


async def _contained(function: Function, handle: Candidate) -> object:
    try:
        return await function(handle)
    except (SystemExit, KeyboardInterrupt) as error:
        # Left alone, they would end the event loop and every other evaluation with it.
        raise EvaluatorError("the evaluator tried to end its process") from error


def _in_thread(
    function: Function, handle: BlockingCandidate, outcome: asyncio.Future[object]
) -> None:
    returned: object = None
    failure: BaseException | None = None
    try:
        returned = function(handle)
        if inspect.iscoroutine(returned):
            returned.close()
            raise EvaluatorError("the evaluator returned a coroutine; make it an 'async def'")
    except StopIteration as error:
        failure = EvaluatorError("the evaluator let a StopIteration pass")
        failure.__cause__ = error
    except BaseException as error:
        failure = error

    def settle() -> None:
        if outcome.done():
            return
        if failure is None:
            outcome.set_result(returned)
        else:
            outcome.set_exception(failure)

    try:
        outcome.get_loop().call_soon_threadsafe(settle)
    except RuntimeError:
        return  # The loop has ended; nobody waits for this evaluation.


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, f"the program's files: {reason}")


def _clean(text: str) -> str:
    """Without lone surrogates, which no database or page takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
