"""One program through a campaign's evaluator, with nothing kept of it."""

from __future__ import annotations

import contextlib
from functools import partial

from metasearch.campaign import Campaign
from metasearch.candidate import EvaluationResult, Split
from metasearch.engine.broker import Broker
from metasearch.engine.opening import build_image
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.models import Ledger, MemoryJournal, ModelClient
from metasearch.program import Program


async def evaluate_once(
    campaign: Campaign, program: Program, split: Split = Split.VALIDATION
) -> EvaluationResult:
    """Evaluate one program as the campaign would; nothing is archived."""
    settings = campaign.settings
    request = EvaluationRequest(number=0, files=program.files, split=split, seed=settings.seed)
    async with contextlib.AsyncExitStack() as rooms:
        attend = None
        if settings.agent.calls:
            ledger = Ledger(usd=settings.budget.usd, tokens=settings.budget.tokens)
            models = ModelClient(
                settings.models, MemoryJournal(), ledger, settings.seed, settings.concurrency
            )
            await rooms.enter_async_context(models)
            broker = await rooms.enter_async_context(Broker(models, settings.agent))
            await broker.check()
            attend = partial(broker.attend, 0, request.number, split)
        await build_image(campaign)
        pool = EvaluationPool(EvaluationSpec.of(campaign), lanes=1)
        await rooms.enter_async_context(pool)
        await pool.check()
        return await pool.evaluate(request, attend)
