"""The budget in USD and tokens, kept by reservation.

Before a call, the most that it may cost is reserved; afterwards the reservation is settled
with what it did cost. Spent, held and reserved together never exceed the limit, whatever
runs concurrently, so the bill cannot either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from metasearch.errors import BudgetExhausted, MetasearchError, ModelSetupError
from metasearch.exchange import Usage


@dataclass(frozen=True, eq=False)
class Reservation:
    """The most that one call in flight may cost. Settle, release or hold it, once."""

    usd: float | None
    """``None``: the price is unknown, and there is no USD limit to keep."""
    tokens: int


@dataclass(eq=False)
class _Waiter:
    model: str
    usd: float | None
    tokens: int
    granted: asyncio.Future[Reservation] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Ledger:
    """What a campaign has spent, and what it may still spend. Belongs to one event loop.

    Attributes:
        usd_limit: ``None`` for no limit.
        tokens_limit: Likewise.
        spent: What calls did cost; its ``usd`` is ``None`` once any cost is unknown.
        held_usd: Reservations of calls whose cost will never be known, because an engine
            ended while they were in flight. They count as spent.
        held_tokens: Likewise.
    """

    def __init__(
        self,
        *,
        usd: float | None = None,
        tokens: int | None = None,
        spent: Usage | None = None,
        held_usd: float | None = 0.0,
        held_tokens: int = 0,
    ) -> None:
        """Start from the archive's totals.

        Args:
            usd: Limit in USD.
            tokens: Limit in tokens, input plus output.
            spent: The campaign's usage so far.
            held_usd: Reserved by lost calls so far; ``None`` if some had no known price.
            held_tokens: Likewise.

        Raises:
            ModelSetupError: There is a USD limit, but what was spent is unknown.
        """
        self.usd_limit = usd
        self.tokens_limit = tokens
        self.spent = spent or Usage()
        self.held_usd = held_usd
        self.held_tokens = held_tokens
        self._open: set[Reservation] = set()
        self._waiting: deque[_Waiter] = deque()
        if usd is not None and (self.spent.usd is None or held_usd is None):
            raise ModelSetupError(
                f"The budget of {usd:g} USD cannot be kept: this campaign has already made "
                "calls whose price was unknown. Start it afresh (--fresh) with the prices "
                "under [models.prices], or limit tokens instead (budget.tokens)."
            )

    @property
    def reserved_usd(self) -> float:
        """Of calls in flight; those of unknown price count nothing."""
        return sum(reservation.usd or 0.0 for reservation in self._open)

    @property
    def reserved_tokens(self) -> int:
        """Of calls in flight."""
        return sum(reservation.tokens for reservation in self._open)

    @property
    def usd_left(self) -> float | None:
        """What nothing has claimed yet; ``None`` without a limit."""
        if self.usd_limit is None:
            return None
        return self.usd_limit - self._gone_usd() - self.reserved_usd

    @property
    def tokens_left(self) -> int | None:
        """What nothing has claimed yet; ``None`` without a limit."""
        if self.tokens_limit is None:
            return None
        return self.tokens_limit - self._gone_tokens() - self.reserved_tokens

    async def reserve(self, usd: float | None, tokens: int, *, model: str = "") -> Reservation:
        """Claim the most that a call may cost, before it is sent.

        Waits, first come first served, while calls in flight may still turn out cheaper
        than reserved.

        Args:
            usd: The most it may cost; ``None`` if the price is unknown.
            tokens: The most it may use.
            model: For the error message.

        Raises:
            BudgetExhausted: It would not fit even if every call in flight cost nothing.
            ModelSetupError: The price is unknown and there is a limit in USD.
        """
        if usd is None and self.usd_limit is not None:
            raise ModelSetupError(unknown_price(model, self.usd_limit))
        waiter = _Waiter(model, usd, tokens)
        self._waiting.append(waiter)
        self._grant()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                # Granted in the same turn of the loop in which the caller was cancelled.
                if waiter.granted.exception() is None:
                    self.release(waiter.granted.result())
            else:
                self._waiting.remove(waiter)
                self._grant()
            raise

    def resettle(self, *, usd: float | None, tokens: int | None) -> None:
        """Keep other limits from now on; who waits is answered by them."""
        self.usd_limit, self.tokens_limit = usd, tokens
        self._grant()

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Replace a reservation by what the call did cost."""
        self._open.discard(reservation)
        self.spent += usage
        self._grant()

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back: the call was not made, or not billed."""
        self._open.discard(reservation)
        self._grant()

    def hold(self, reservation: Reservation) -> None:
        """Keep a reservation for good: nobody will ever know what the call did cost."""
        self._open.discard(reservation)
        self.held_tokens += reservation.tokens
        if reservation.usd is None or self.held_usd is None:
            self.held_usd = None
        else:
            self.held_usd += reservation.usd
        self._grant()

    def _gone_usd(self) -> float:
        return (self.spent.usd or 0.0) + (self.held_usd or 0.0)

    def _gone_tokens(self) -> int:
        return self.spent.tokens + self.held_tokens

    def _grant(self) -> None:
        """Answer whoever waits and can be answered, in order of arrival."""
        blocked = False
        for waiter in list(self._waiting):
            error = self._never(waiter)
            if error is None and (blocked or not self._fits(waiter)):
                # Nobody overtakes: a large call would otherwise wait for ever.
                blocked = True
                continue
            self._waiting.remove(waiter)
            if waiter.granted.done():
                continue
            if error is not None:
                waiter.granted.set_exception(error)
            else:
                reservation = Reservation(waiter.usd, waiter.tokens)
                self._open.add(reservation)
                waiter.granted.set_result(reservation)

    def _fits(self, waiter: _Waiter) -> bool:
        usd, tokens = self.usd_left, self.tokens_left
        return (usd is None or (waiter.usd or 0.0) <= usd) and (
            tokens is None or waiter.tokens <= tokens
        )

    def _never(self, waiter: _Waiter) -> MetasearchError | None:
        call = f"the next call of {waiter.model}" if waiter.model else "the next call"
        if self.usd_limit is not None and self._gone_usd() + (waiter.usd or 0.0) > self.usd_limit:
            return BudgetExhausted(
                f"The budget of {self.usd_limit:g} USD is used up: {self.spent.usd or 0:.4f} "
                f"spent, {self.held_usd or 0:.4f} held for calls that were cut off, and {call} "
                f"may cost up to {waiter.usd or 0:.4f}. Raise budget.usd (--usd) to go on.",
                "usd",
            )
        gone = self._gone_tokens()
        if self.tokens_limit is not None and gone + waiter.tokens > self.tokens_limit:
            return BudgetExhausted(
                f"The budget of {self.tokens_limit} tokens is used up: {self.spent.tokens} "
                f"used, {self.held_tokens} held for calls that were cut off, and {call} may "
                f"use up to {waiter.tokens}. Raise budget.tokens to go on.",
                "tokens",
            )
        return None


def unknown_price(model: str, limit: float) -> str:
    """What to tell someone who limits USD and names a model of unknown price."""
    return (
        f"The price of model {model!r} is unknown, so a budget of {limit:g} USD cannot be "
        f'kept. Give it in campaign.toml, in USD per million tokens:\n  [models.prices."{model}"]'
        "\n  input = ...\n  output = ...\nor leave budget.usd out and limit budget.tokens."
    )
