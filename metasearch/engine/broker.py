"""The model broker: what candidates ask while they are evaluated, within caps and journalled.

A candidate's asks are numbered in the order in which they arrive, and an evaluation that is
run again (after a crash, or with a larger budget) starts again from its first one. An ask
finds its stored reply if the same candidate asks the same question at the same place; so a
program that asks one thing after the other pays for nothing twice. One whose threads race
may ask in another order then, and pays again for the questions that have changed places.

A cap that is reached is the candidate's affair: it gets a refusal. The campaign's budget and
the provider are ours: what they raise ends the evaluation, and its candidate stays queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from metasearch.campaign import AgentSection, Price, Role
from metasearch.candidate import Split
from metasearch.errors import BudgetExhausted, ModelSetupError, RequestRefused
from metasearch.evaluation import AnswerAsk
from metasearch.exchange import Message
from metasearch.models import Ledger, ModelClient
from metasearch.sandboxes.asks import Answer, Ask, Given, Refused
from metasearch.step import Reply

ROLE: Role = "agent"

_TEST = 1_000_000
"""Place of the first ask on the test split, behind any on the validation split: the same
question there is asked anew, since it belongs to another measurement."""


class Broker:
    """Asks the campaign's model for candidates. Belongs to one engine and its event loop."""

    def __init__(self, models: ModelClient, caps: AgentSection) -> None:
        self._models = models
        self._caps = caps
        self._running: dict[tuple[int, int, int], asyncio.Task[Reply]] = {}

    async def check(self, roles: Sequence[Role] = ()) -> dict[str, Price | None]:
        """Check the model that candidates ask, and those of further roles; their prices.

        Raises:
            ModelSetupError: A model cannot be used, or a cap in USD cannot be kept.
        """
        prices = await self._models.check((*roles, ROLE))
        usd, _ = await self._models.upper_bound(ROLE, (), self._caps.max_tokens)
        if usd is None and self._caps.usd is not None:
            raise ModelSetupError(
                f"The price of the model for role 'agent' is unknown, so agent.usd = "
                f"{self._caps.usd:g} cannot be kept. Give the price under [models.prices], or "
                "leave agent.usd out and keep to agent.tokens."
            )
        return prices

    def attend(self, step: int, candidate: int, split: Split = Split.VALIDATION) -> AnswerAsk:
        """What answers the asks of one attempt at an evaluation; its caps are fresh."""
        return _Allowance(self, self._caps, step, candidate, split).answer

    async def ask(self, step: int, call: int, candidate: int, ask: Ask, max_tokens: int) -> Reply:
        """The reply to an ask, from the journal if it is there.

        Once sent, a call goes on and its reply is stored, whatever becomes of who asked.
        """
        name = (step, call, candidate)
        while name in self._running:
            # Of an attempt whose worker has died: its reply may answer this one.
            await asyncio.wait({self._running[name]})
        asked = self._models.ask(
            step=step,
            call=call,
            asker=candidate,
            role=ROLE,
            messages=_messages(ask),
            temperature=ask.temperature,
            max_tokens=max_tokens,
        )
        running = self._running[name] = asyncio.create_task(asked)
        running.add_done_callback(lambda done: self._forget(name, done))
        return await asyncio.shield(running)

    async def upper_bound(self, ask: Ask, max_tokens: int) -> tuple[float | None, int]:
        """The most USD and tokens that an ask may take."""
        return await self._models.upper_bound(ROLE, _messages(ask), max_tokens)

    def abandon(self) -> None:
        """Wait for no reply any more; they will be asked for again."""
        for running in self._running.values():
            running.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let replies that are under way arrive and be stored, unless all is cancelled."""
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.abandon()
        if self._running:
            await asyncio.wait(self._running.values())

    def _forget(self, name: tuple[int, int, int], done: asyncio.Task[Reply]) -> None:
        del self._running[name]
        if not done.cancelled():
            done.exception()  # Seen, also where nobody waits for it any more.


class _Allowance:
    """What one attempt at an evaluation has used of its caps. Replays count like new calls."""

    def __init__(
        self, broker: Broker, caps: AgentSection, step: int, candidate: int, split: Split
    ) -> None:
        self._broker = broker
        self._caps = caps
        self._step = step
        self._candidate = candidate
        self._first = _TEST if split is Split.TEST else 0
        self._calls = 0
        self._seconds = 0.0
        self._ledger = Ledger(usd=caps.usd, tokens=caps.tokens)

    async def answer(self, ask: Ask) -> Answer:
        caps = self._caps
        if self._calls >= caps.calls:
            return Refused(f"all {caps.calls} calls of this evaluation are used up", "calls")
        if self._seconds >= caps.seconds:
            used = f"{self._seconds:.1f} of {caps.seconds:g} seconds"
            return Refused(f"the models have worked for this evaluation {used}", "seconds")
        call = self._first + self._calls
        self._calls += 1
        max_tokens = min(ask.max_tokens or caps.max_tokens, caps.max_tokens)
        usd, tokens = await self._broker.upper_bound(ask, max_tokens)
        try:
            reservation = await self._ledger.reserve(usd, tokens)
        except BudgetExhausted as error:
            return Refused(self._too_much(error.budget, usd, tokens), error.budget)
        try:
            reply = await self._broker.ask(self._step, call, self._candidate, ask, max_tokens)
        except RequestRefused as error:
            self._ledger.release(reservation)
            return Refused(str(error))
        except BaseException:
            self._ledger.release(reservation)
            raise
        self._ledger.settle(reservation, reply.usage)
        self._seconds += reply.usage.seconds
        usage = reply.usage
        return Given(
            reply.text, reply.finish_reason, usage.input_tokens, usage.output_tokens, usage.usd
        )

    def _too_much(self, cap: str, usd: float | None, tokens: int) -> str:
        spent = self._ledger.spent
        if cap == "usd":
            used, most = f"{spent.usd or 0:.4f} of {self._caps.usd:g} USD", f"{usd or 0:.4f}"
        else:
            used, most = f"{spent.tokens} of {self._caps.tokens} tokens", str(tokens)
        return f"this evaluation has used {used}, and this ask may take up to {most}"


def _messages(ask: Ask) -> tuple[Message, ...]:
    return tuple(Message(role=role, content=content) for role, content in ask.messages)
