"""Measuring queued candidates, with what they need around them."""

from __future__ import annotations

from functools import partial

from metasearch.archive import CampaignArchive
from metasearch.candidate import Candidate
from metasearch.engine.broker import Broker
from metasearch.engine.outage import Outage
from metasearch.engine.ports import Pool
from metasearch.errors import CampaignError
from metasearch.evaluation import EvaluationRequest

_SMOOTHING = 0.1
"""Weight of the latest evaluation in the running mean of their seconds."""


class Measuring:
    """Has candidates evaluated and their results stored.

    Attributes:
        seconds: Running mean of what one evaluation takes.
    """

    def __init__(
        self,
        archive: CampaignArchive,
        pool: Pool | None,
        broker: Broker | None,
        outage: Outage,
        seed: int,
    ) -> None:
        self.seconds = 0.0
        self._archive = archive
        self._pool = pool
        self._broker = broker
        self._outage = outage
        self._seed = seed

    @property
    def lanes(self) -> int:
        """Evaluations that run at once; none if there is nothing to evaluate with."""
        return self._pool.lanes if self._pool else 0

    async def settle(self, candidate: Candidate) -> Candidate:
        """Evaluate a queued candidate and store what came out.

        Raises:
            CampaignError: There is no evaluator.
            Parked: The engine stops while sandboxes or models are away.
        """
        pool = self._pool
        if pool is None:
            raise CampaignError(
                "The strategy proposes a program, and this campaign has no evaluator to measure it."
            )
        program = self._archive.program(candidate)
        request = EvaluationRequest(number=candidate.number, files=program.files, seed=self._seed)
        attend = None
        if self._broker is not None:
            attend = partial(self._broker.attend, candidate.step, candidate.number)
        result = await self._outage.sit_out(lambda: pool.evaluate(request, attend))
        self.seconds += _SMOOTHING * (result.seconds - self.seconds)
        return self._archive.settle(candidate.number, result)

    def abandon(self) -> None:
        """Wait for no reply that a candidate has asked for."""
        if self._broker is not None:
            self._broker.abandon()
