"""Evaluations on this machine: a few worker processes behind one ``evaluate``."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

from metasearch.candidate import EvaluationResult
from metasearch.errors import EvaluatorError, MetasearchError
from metasearch.evaluation.lanes import Machine, default_lanes
from metasearch.evaluation.process import WorkerDied, WorkerProcess
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec
from metasearch.sandboxes import UNSAFE

_log = logging.getLogger(__name__)


class EvaluationPool:
    """Evaluates candidates, ``lanes`` at once, in at most one worker process per core.

    Workers start when they are needed and are replaced when they die. Use it as an async
    context manager; leaving it ends all of them.
    """

    def __init__(self, spec: EvaluationSpec, lanes: int | None = None) -> None:
        machine = Machine.here()
        self.lanes = lanes or default_lanes(spec.sandbox.limits, machine)
        """How many evaluations run at once."""
        self._spec = spec
        self._most = min(self.lanes, machine.cores)
        self._workers: list[WorkerProcess] = []
        self._slots = asyncio.Semaphore(self.lanes)
        self._busy = 0
        self._closed = False

    @property
    def busy(self) -> int:
        """Lanes in use."""
        return self._busy

    async def __aenter__(self) -> EvaluationPool:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def check(self) -> None:
        """Load the evaluator and open a sandbox now, so that mistakes show early.

        Raises:
            CampaignError: Evaluator, function or plug-in not found; names the nearest.
            EvaluatorError: The evaluator's code fails on loading; with location.
            PrerequisiteError: The machine lacks what the sandbox needs.
            SandboxError: The sandbox does not open.
        """
        worker = self._choose()
        try:
            await worker.ready()
        except WorkerDied as death:
            raise EvaluatorError(f"On loading the evaluator its process {death}") from None
        level = logging.WARNING if self._spec.provider == UNSAFE else logging.INFO
        _log.log(level, "sandbox: %s", worker.sandbox)

    async def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Measure one candidate; waits for a free lane. Cancelling ends its sandbox.

        Raises:
            EvaluatorError: The user's code failed, took too long, or ended its process twice.
            SandboxError: The sandbox failed; the candidate is not to blame.
        """
        async with self._slots:
            self._busy += 1
            try:
                return await self._evaluate(request)
            finally:
                self._busy -= 1

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.close() for worker in workers))

    async def _evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        for last in (False, True):
            worker = self._choose()
            worker.running += 1
            try:
                return await worker.evaluate(request)
            except WorkerDied as death:
                # Once may be a neighbour's or the machine's doing.
                if last:
                    raise EvaluatorError(
                        f"On candidate #{request.number} the evaluator's process {death}"
                    ) from None
            finally:
                worker.running -= 1
        raise AssertionError("unreachable")

    def _choose(self) -> WorkerProcess:
        """The least busy worker; a new one if all are busy and there may be more."""
        if self._closed:
            raise MetasearchError("the evaluation pool has been closed")
        self._workers = [worker for worker in self._workers if not worker.gone]
        alive = [worker for worker in self._workers if worker.alive]
        idlest = min(alive, key=lambda worker: worker.running, default=None)
        if idlest is None or (idlest.running > 0 and len(alive) < self._most):
            idlest = WorkerProcess(self._spec)
            self._workers.append(idlest)
        return idlest
