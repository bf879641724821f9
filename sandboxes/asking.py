"""The owner's side of asks: what a running call asks is checked, answered and sent back.

The candidate's clock stands still while it waits for a model. It cannot stop it for longer
than it has asks to spend: each is bounded by whoever answers, and one that goes on when it
is refused is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from metasearch.sandboxes import asks, wire

MAX_REFUSED = 1000
"""Refused asks of one call after which a candidate is ended; else it could go on for ever."""


class Deadline:
    """Calls back when so many seconds have passed, those of pauses not counted."""

    def __init__(self, seconds: float, passed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._passed = passed
        self._left = seconds
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(seconds, passed)

    def pause(self) -> None:
        """Stand still."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._left -= self._loop.time() - self._since

    def go_on(self) -> None:
        """Run on after a pause."""
        if self._timer is None:
            self._since = self._loop.time()
            self._timer = self._loop.call_later(max(0.0, self._left), self._passed)

    def stop(self) -> None:
        """Never call back."""
        if self._timer is not None:
            self._timer.cancel()


class Asking:
    """The asks of one sandbox."""

    def __init__(
        self,
        answers: asks.Answers | None,
        send: Callable[[bytes], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Set up.

        Args:
            answers: Who answers; nobody if not given.
            send: Takes a frame for the candidate.
            failed: Is told when answering fails, by our fault.
        """
        self.at_once = 0 if answers is None else answers.at_once
        """Most asks in flight; 0 if none is allowed."""
        self._answers = answers
        self._send = send
        self._failed = failed
        self._running: dict[int, asyncio.Task[None]] = {}
        self._deadline: Deadline | None = None
        self._refused = 0

    def begin(self, deadline: Deadline) -> None:
        """A call runs from now on, until this deadline."""
        self._deadline = deadline
        self._refused = 0

    def take(self, message: dict[str, Any]) -> None:
        """Have an ask of the running call answered.

        Raises:
            asks.Malformed: Only who does not use ``metasearch_runner`` sends such a thing.
        """
        number = message["ask"]
        if self._answers is None or self._deadline is None:
            raise asks.Malformed("asked a model, which it may not")
        if type(number) is not int or not 0 <= number < 2**53 or number in self._running:
            raise asks.Malformed("numbered its asks wrongly")
        if len(self._running) >= self.at_once:
            raise asks.Malformed(f"had more than {self.at_once} asks in flight")
        if self._refused >= MAX_REFUSED:
            raise asks.Malformed(f"went on asking after {MAX_REFUSED} of its asks were refused")
        ask = asks.Ask.read(message)
        self._deadline.pause()
        self._running[number] = asyncio.create_task(self._answer(number, self._answers, ask))

    def end(self) -> None:
        """The call has ended: nobody waits for what it has asked."""
        self._deadline = None
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()

    async def _answer(self, number: int, answers: asks.Answers, ask: asks.Ask) -> None:
        try:
            answer = await answers.answer(ask)
        except Exception as error:
            self._failed(error)
            return
        self._refused += isinstance(answer, asks.Refused)
        # Before it is sent: the next ask may be here sooner than any callback runs.
        del self._running[number]
        if not self._running and self._deadline is not None:
            self._deadline.go_on()
        self._send(wire.encode({"asked": number, **asks.pack(answer)}))
