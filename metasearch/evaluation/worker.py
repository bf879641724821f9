"""The worker process: ``python -m metasearch.evaluation.worker FD PARENT``.

Loads the user's evaluator and owns the sandbox provider; serves several evaluations at
once over the socket that the engine has given it as FD; ends with the engine, PARENT.
Imports stay lean here (no pydantic, litellm, SQL, and numpy only once it is needed).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import itertools
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from metasearch.errors import (
    CampaignError,
    CandidateFailure,
    EvaluatorError,
    MetasearchError,
    PrerequisiteError,
    SandboxError,
    SandboxUnavailable,
    UsageError,
)
from metasearch.evaluation.channel import Channel, Message
from metasearch.evaluation.loader import Function, load, own_code
from metasearch.evaluation.measure import Measurement
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec
from metasearch.sandboxes import best_first, open_provider
from metasearch.sandboxes.asks import Answer, Answers, Ask, unpack
from metasearch.sandboxes.base import SandboxProvider, SandboxSpec

ERRORS: dict[str, type[MetasearchError]] = {
    kind.__name__: kind
    for kind in (
        CampaignError,
        UsageError,
        EvaluatorError,
        PrerequisiteError,
        SandboxError,
        SandboxUnavailable,
    )
}
"""The errors that keep their type on the way to the engine."""

_PR_SET_PDEATHSIG = 1


class Worker:
    """One loaded evaluator and the evaluations in progress."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._running: dict[int, asyncio.Task[None]] = {}
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        """What candidates have asked and the engine has not answered yet."""

    async def serve(self) -> None:
        """Answer messages until the engine hangs up."""
        first = await self._channel.receive()
        if first is None:
            return
        provider: SandboxProvider | None = None
        try:
            try:
                spec = EvaluationSpec.from_json(first["spec"])
                functions = load(spec)
                hidden = own_code(functions.values(), spec.sandbox.preload)
                hidden += spec.sandbox.hidden
                spec = replace(spec, sandbox=replace(spec.sandbox, hidden=hidden))
                # Those who import for candidates with GPUs show them, and begin with a lease.
                ahead = () if spec.sandbox.gpus else spec.sandbox.preload
                provider = await open_best(spec.provider, replace(spec.sandbox, preload=ahead))
            except Exception as error:
                await self._channel.send(_fault(first["id"], error))
                return
            gc.freeze()
            sandbox = provider.describe(spec.sandbox)
            await self._channel.send({"id": first["id"], "sandbox": sandbox})
            await self._answer(spec, functions, provider)
        finally:
            for task in list(self._running.values()):
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            if provider is not None:
                await provider.close()

    async def _answer(
        self, spec: EvaluationSpec, functions: Mapping[str, Function], provider: SandboxProvider
    ) -> None:
        while (message := await self._channel.receive()) is not None:
            number = message["id"]
            if "request" in message:
                request = EvaluationRequest.from_json(message["request"])
                measurement = Measurement(
                    spec, functions, provider, request, self._answers(number, spec)
                )
                task = asyncio.create_task(self._evaluate(number, measurement))
                self._running[number] = task
                task.add_done_callback(partial(self._forget, number))
            elif "ask" in message:
                asked = self._asked.get(message["ask"])
                if asked is not None and not asked.done():
                    asked.set_result(unpack(message))
            elif number in self._running:
                self._running[number].cancel()

    def _answers(self, number: int, spec: EvaluationSpec) -> Answers | None:
        """Lets the candidate of an evaluation ask the engine, if the campaign does."""
        if not spec.asks_at_once:
            return None

        async def answer(ask: Ask) -> Answer:
            place = next(self._numbers)
            asked: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._asked[place] = asked
            try:
                await self._channel.send({"id": number, "ask": place, "question": ask.fields()})
                return await asked
            finally:
                del self._asked[place]

        return Answers(answer, spec.asks_at_once)

    def _forget(self, number: int, _: asyncio.Task[None]) -> None:
        del self._running[number]

    async def _evaluate(self, number: int, measurement: Measurement) -> None:
        answer: Message = {"id": number}
        try:
            answer["report"] = await measurement.report()
        except asyncio.CancelledError:
            answer["cancelled"] = True
        except Exception as error:
            answer = _fault(number, error)
        await self._channel.send(answer)


async def open_best(name: str, spec: SandboxSpec) -> SandboxProvider:
    """The provider of that name, warmed up; for ``auto`` the best one that works here.

    Raises:
        CampaignError: The campaign's limits do not even allow an empty program.
        PrerequisiteError: The machine lacks what sandboxes need.
        SandboxError: The sandbox does not open.
    """
    names = best_first(spec) if name == "auto" else [name]
    problems: dict[str, MetasearchError] = {}
    for each in names:
        provider = open_provider(each)
        try:
            await provider.reap()
            await warm_up(provider, spec)
        except (PrerequisiteError, SandboxUnavailable) as error:
            await provider.close()
            problems[each] = error
        except BaseException:
            await provider.close()
            raise
        else:
            return provider
    if len(problems) == 1:
        raise problems[names[0]]
    told = "\n".join(f"{each}: {error}" for each, error in problems.items())
    raise PrerequisiteError(f"No sandbox works here.\n{told}")


async def warm_up(provider: SandboxProvider, spec: SandboxSpec) -> None:
    """Run an empty program, so that what every candidate would fail at shows now.

    Raises:
        CampaignError: The campaign's limits do not even allow this.
        PrerequisiteError: The machine lacks what sandboxes need.
        SandboxError: The sandbox does not open.
    """
    try:
        async with provider.open(spec) as sandbox:
            await sandbox.write({"warm_up.py": b"def ready():\n    return True\n"})
            await sandbox.call("warm_up:ready")
    except SandboxUnavailable:
        raise
    except SandboxError:
        await provider.check()  # says what the machine lacks, if that is the cause
        raise
    except CandidateFailure as failure:
        raise CampaignError(
            f"Not even an empty program runs with the campaign's [sandbox] settings: "
            f"{failure.outcome}, {failure.message}"
        ) from None


def _fault(number: int, error: Exception) -> Message:
    for kind in type(error).__mro__:
        if kind.__name__ in ERRORS:
            return {"id": number, "error": kind.__name__, "message": str(error)}
    text = "".join(traceback.format_exception(error))
    return {"id": number, "error": "", "message": f"The evaluation worker failed.\n{text}"}


async def _main(end: socket.socket) -> None:
    await Worker(await Channel.over(end)).serve()


def main(fd: int, parent: int) -> None:
    """Run one worker until its engine ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return  # The engine died before the line above.
    # A candidate of the same user can leave descriptors unreceived in sockets of its own. Once
    # there are more of them than this process may open files, it could hand on none itself.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    end = socket.socket(fileno=fd)
    end.set_inheritable(False)
    asyncio.run(_main(end))
    # Threads of evaluations that were given up must not keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
