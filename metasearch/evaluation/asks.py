"""The engine's end of one evaluation's asks: taken from the worker, answered, sent back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from metasearch.evaluation.channel import Channel, Message
from metasearch.sandboxes.asks import Answer, Ask, pack

AnswerAsk = Callable[[Ask], Awaitable[Answer]]
"""Answers the asks of one attempt at an evaluation, in the order in which it is called."""


class Asks:
    """What one evaluation has asked and not been answered yet."""

    def __init__(self, evaluation: asyncio.Future[Message], answer: AnswerAsk | None) -> None:
        self.failed = False
        """Whether one could not be answered, which has ended the evaluation."""
        self._evaluation = evaluation
        self._answer = answer
        self._running: set[asyncio.Task[None]] = set()

    def take(self, message: Message, channel: Channel) -> None:
        """Have the ask in a worker's message answered."""
        task = asyncio.create_task(self._serve(message, channel))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def end(self) -> None:
        """The evaluation has ended: nobody waits for answers any more."""
        for task in self._running:
            task.cancel()

    async def _serve(self, message: Message, channel: Channel) -> None:
        try:
            if self._answer is None:
                raise RuntimeError("a candidate asks, and nobody was given to answer it")
            answer = await self._answer(Ask.read(message["question"]))
        except Exception as error:
            # Ours, not the candidate's: it is to be evaluated again, from its beginning.
            if not self._evaluation.done():
                self.failed = True
                self._evaluation.set_exception(error)
            return
        await channel.send({"id": message["id"], "ask": message["ask"], **pack(answer)})
