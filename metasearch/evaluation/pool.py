"""Evaluations on this machine: a few worker processes behind one ``evaluate``."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from types import TracebackType

from metasearch.candidate import DeviceUse, EvaluationResult, Place
from metasearch.errors import EvaluatorError, MetasearchError, SandboxError, SandboxUnavailable
from metasearch.evaluation.asks import AnswerAsk
from metasearch.evaluation.lanes import Machine, plan_lanes
from metasearch.evaluation.process import WorkerDied, WorkerProcess
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec
from metasearch.sandboxes import UNSAFE
from metasearch.sandboxes.base import LeasedDevice
from metasearch.sandboxes.gpus.leases import Lease, Leases
from metasearch.sandboxes.gpus.nvml import NvmlDevices

_log = logging.getLogger(__name__)


class EvaluationPool:
    """Evaluates candidates, ``lanes`` at once, in at most one worker process per core.

    Workers start when they are needed and are replaced when they die. Use it as an async
    context manager; leaving it ends all of them. Where the campaign asks for GPUs, each
    evaluation has a lease on its own from before it goes to a worker until nothing of its
    candidate is left on them.

    Args:
        spec: What is evaluated, and how.
        lanes: How many evaluations run at once; by default as many as the machine has room for.
        leases: Of GPUs; those of this machine if not given and the campaign asks for any.
        notice: Told what a person should know about GPUs, in one line.
        placed: Told the candidate's number when an evaluation begins, and where.

    Raises:
        PrerequisiteError: The campaign asks for more GPUs than there are.
    """

    def __init__(
        self,
        spec: EvaluationSpec,
        lanes: int | None = None,
        *,
        leases: Leases | None = None,
        notice: Callable[[str], None] = _log.warning,
        placed: Callable[[int, Place], None] | None = None,
    ) -> None:
        machine, gpus = Machine.here(), spec.sandbox.gpus
        if leases is None and gpus:
            leases = Leases(NvmlDevices(), gpus, notice=notice)
        self._leases = leases
        room = leases.capacity if leases else 0
        self.lanes = plan_lanes(spec.sandbox, machine, devices=room, asked=lanes).count
        """How many evaluations run at once."""
        self._spec = spec
        self._most = min(self.lanes, machine.cores)
        self._workers: list[WorkerProcess] = []
        self._slots = asyncio.Semaphore(self.lanes)
        self._free = list(range(self.lanes))  # a heap: the lowest is taken first
        self._placed = placed
        self._closed = False

    @property
    def busy(self) -> int:
        """Lanes in use."""
        return self.lanes - len(self._free)

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

    async def evaluate(
        self, request: EvaluationRequest, attend: Callable[[], AnswerAsk] | None = None
    ) -> EvaluationResult:
        """Measure one candidate; waits for a free lane. Cancelling ends its sandbox.

        Args:
            request: What to measure.
            attend: Gives, for each attempt, what answers the candidate's asks of models; needed
                if the campaign lets candidates ask. What that raises ends the evaluation.

        Raises:
            EvaluatorError: The user's code failed, took too long, or ended its process twice.
            SandboxError: The sandbox failed twice, or no GPU is left that could be leased; the
                candidate is not to blame.
        """
        async with self._slots:
            lane = heapq.heappop(self._free)
            try:
                return await self._evaluate(request, attend, lane)
            finally:
                heapq.heappush(self._free, lane)

    async def device_uses(self) -> list[DeviceUse]:
        """What goes on on the GPUs that evaluations have leased now."""
        return [] if self._leases is None else await self._leases.uses()

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.close() for worker in workers))
        if self._leases is not None:
            await self._leases.close()

    async def _evaluate(
        self, request: EvaluationRequest, attend: Callable[[], AnswerAsk] | None, lane: int
    ) -> EvaluationResult:
        for last in (False, True):
            async with self._lease() as lease:
                leased = replace(request, devices=lease.devices)
                if self._placed is not None:
                    devices = tuple(device.uuid for device in lease.devices)
                    self._placed(request.number, Place(lane, self.lanes, devices))
                result = await self._attempt(leased, attend, last=last)
            # A device that fails is no fault of the candidate that was on it; but one on
            # which a second device fails is not given a third.
            if result is not None and (last or not lease.fault):
                return result
        raise AssertionError("unreachable")

    def _lease(self) -> AbstractAsyncContextManager[Lease]:
        return nullcontext(Lease()) if self._leases is None else self._leases.take()

    async def _attempt(
        self,
        request: EvaluationRequest,
        attend: Callable[[], AnswerAsk] | None,
        *,
        last: bool,
    ) -> EvaluationResult | None:
        """What a worker says; nothing if it has died, or its sandbox failed, and may once more."""
        worker = self._choose(request.devices)
        worker.running += 1
        try:
            return await worker.evaluate(request, None if attend is None else attend())
        except WorkerDied as death:
            # Once may be a neighbour's or the machine's doing.
            if last:
                raise EvaluatorError(
                    f"On candidate #{request.number} the evaluator's process {death}"
                ) from None
            return None
        except SandboxUnavailable:
            raise  # for whoever can wait
        except SandboxError as error:
            if last:
                raise
            _log.info("candidate #%d is measured again: %s", request.number, error)
            return None
        finally:
            worker.running -= 1

    def _choose(self, devices: tuple[LeasedDevice, ...] = ()) -> WorkerProcess:
        """The least busy worker; a new one if all are busy and there may be more.

        Of several, one that has served these devices: it has a warm parent that shows them.
        """
        if self._closed:
            raise MetasearchError("the evaluation pool has been closed")
        self._workers = [worker for worker in self._workers if not worker.gone]
        alive = [worker for worker in self._workers if worker.alive]
        idlest = min(
            alive,
            key=lambda worker: (worker.running, devices not in worker.served),
            default=None,
        )
        if idlest is None or (idlest.running > 0 and len(alive) < self._most):
            idlest = WorkerProcess(self._spec)
            self._workers.append(idlest)
        idlest.served.add(devices)
        return idlest
