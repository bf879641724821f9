"""The steps under way, and whether there is room for another one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator

from metasearch.engine.measuring import Measuring
from metasearch.engine.ports import Models
from metasearch.engine.standing import Standing
from metasearch.engine.steps import LiveStep

_SMOOTHING = 0.1
"""Weight of the latest call in the running mean of their seconds."""


class InFlight:
    """The steps that run, and those of an earlier run that wait until they may cost something.

    Attributes:
        not_admitted: Those that wait, oldest first.
    """

    def __init__(self, ended: Callable[[], None]) -> None:
        """Set up.

        Args:
            ended: Is called whenever a step is gone, also one that never opened.
        """
        self._ended = ended
        self.not_admitted: deque[LiveStep] = deque()
        self._steps: dict[int, LiveStep] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 1

    def __iter__(self) -> Iterator[LiveStep]:
        return iter(self._steps.values())

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def active(self) -> int:
        """Steps that have been started and may cost something."""
        return len(self._tasks) - len(self.not_admitted)

    @property
    def evaluating(self) -> int:
        """Their programs that run or wait for a lane."""
        return sum(step.evaluating for step in self)

    def start(self, running: Coroutine[None, None, None]) -> None:
        """Let a step run."""
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ended()

    def begin(self, step: LiveStep, *, admitted: bool) -> None:
        """Count a step that has been opened."""
        if admitted:
            step.admitted.set()
        else:
            self.not_admitted.append(step)
        self.skip(step.number)
        self._steps[step.number] = step

    def skip(self, number: int) -> None:
        """Count a step that nobody had to run."""
        self._next = max(self._next, number + 1)

    def end(self, step: LiveStep) -> None:
        """Forget a step that has ended or was parked."""
        del self._steps[step.number]
        if step in self.not_admitted:
            self.not_admitted.remove(step)

    def all_ended_before(self, number: int) -> bool:
        """Whether all steps up to this one have been opened and have ended."""
        return self._next >= number and all(other >= number for other in self._steps)

    def cancel(self) -> None:
        """End them all at once."""
        for task in self._tasks:
            task.cancel()

    async def gone(self) -> None:
        """Wait until the last one has ended, whatever way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Width:
    """How many steps may be under way: model calls and lanes are to be busy, and no more.

    Attributes:
        concurrency: Model calls at once.
    """

    def __init__(
        self,
        concurrency: int,
        in_flight: InFlight,
        models: Models,
        measuring: Measuring,
        standing: Standing,
    ) -> None:
        self.concurrency = concurrency
        self._in_flight = in_flight
        self._models = models
        self._measuring = measuring
        self._standing = standing
        self._ask_seconds = 0.0

    def asked(self, seconds: float) -> None:
        """Count how long a model took to answer."""
        self._ask_seconds += _SMOOTHING * (seconds - self._ask_seconds)

    def has_room(self) -> bool:
        """Whether another step would be kept busy and may still spend an evaluation."""
        active, width = self._in_flight.active, self.concurrency
        if width == 1:
            return active == 0  # one after the other: a reproducible run
        # Those that wait for another attempt leave room, but not without end: what they wait
        # for may be an outage.
        elsewhere = sum(step.evaluating > 0 for step in self._in_flight)
        elsewhere += min(self._models.pausing, width)
        if active - elsewhere >= width:
            return False
        if self._queue_is_long():
            return False
        done = sum(
            step.evaluated and not step.evaluating and step.admitted.is_set()
            for step in self._in_flight
        )
        return active - done < self._standing.evaluations_left

    def _queue_is_long(self) -> bool:
        """Whether a program asked for now would find the lanes still busy with others.

        Parents are chosen as late as possible: no step opens while the queue is longer than
        twice the lanes, unless the lanes work it off before a model can answer.
        """
        waiting = self._in_flight.evaluating
        if not waiting:
            return False
        drained = waiting * self._measuring.seconds / self._measuring.lanes
        return waiting >= 2 * self._measuring.lanes and drained >= self._ask_seconds
