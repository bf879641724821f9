"""Which model answers a call: the one that is wanted, or its fallback while that is down.

A circuit breaker for each model. After some failed calls in a row it opens: the model counts
as down, and calls go to the fallback at once, without the time that retries take. From time
to time it is half open: one call tries the model with a single attempt. The first answer of
any kind closes it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

FAILURES = 3
"""Calls in a row that failed after all their retries, until their model counts as down."""
PAUSE = 60.0
"""Seconds from one trial of a model that is down to the next."""


@dataclass
class Breaker:
    """Whether one model is up, as its last calls show."""

    failures: int = 0
    """In a row, up to now."""
    next_trial: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the model counts as down."""
        return self.failures >= FAILURES


@dataclass(frozen=True)
class Route:
    """Where a call goes."""

    model: str
    fallback: str | None = None
    """Where it goes next if the model is down; ``None``: nowhere."""
    is_trial: bool = False
    """One attempt only: the model was down when last seen."""


class Router:
    """Keeps the breakers of a campaign's models. Belongs to one engine."""

    def __init__(
        self, *, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with all models up.

        Args:
            pause: Seconds between two trials of a model that is down.
            clock: Seconds that never go back.
        """
        self._pause = pause
        self._clock = clock
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)

    def route(self, wanted: str, fallback: str | None) -> Route:
        """Where a call goes that wants a model.

        Without a fallback it goes to the model in any case, up or down.
        """
        if fallback is None or fallback == wanted:
            return Route(wanted)
        breaker = self._breakers[wanted]
        if not breaker.is_open:
            return Route(wanted, fallback)
        now = self._clock()
        if now < breaker.next_trial:
            return Route(fallback)
        # Half open for this one call; a trial that never reports back is followed by another.
        breaker.next_trial = now + self._pause
        return Route(wanted, fallback, is_trial=True)

    def answered(self, model: str) -> None:
        """A model has answered, be it with a refusal: it is up."""
        self._breakers[model].failures = 0

    def failed(self, model: str) -> bool:
        """A call of a model came to nothing, after its retries; whether it is down from now on."""
        breaker = self._breakers[model]
        breaker.failures += 1
        breaker.next_trial = self._clock() + self._pause
        return breaker.failures == FAILURES
