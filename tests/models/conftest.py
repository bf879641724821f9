"""Clients of the test server with a journal in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from metasearch.campaign import ModelSection, Price
from metasearch.models import Backoff, Ledger, ModelClient, Recording
from metasearch.models.memory_journal import MemoryJournal
from metasearch.models.routing import Router
from metasearch.testing.model_server import ModelServer

PRICE = Price(input=1.0, output=2.0)
FAST = Backoff(first=0.01, longest=0.05)

MakeClient = Callable[..., ModelClient]


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def make_client(journal: MemoryJournal) -> MakeClient:
    """A client of a test server: priced, impatient, with budgets and settings as asked."""

    def make(
        server: ModelServer,
        *,
        usd: float | None = None,
        tokens: int | None = None,
        concurrency: int = 16,
        backoff: Backoff = FAST,
        ledger: Ledger | None = None,
        router: Router | None = None,
        recordings: Mapping[str, Recording] | None = None,
        **settings: object,
    ) -> ModelClient:
        values = {
            "default": "openai/test",
            "api_base": server.url,
            "max_tokens": 100,
            "prices": {"openai/test": PRICE},
            **settings,
        }
        return ModelClient(
            ModelSection.model_validate(values),
            journal,
            Ledger(usd=usd, tokens=tokens) if ledger is None else ledger,
            seed=7,
            concurrency=concurrency,
            backoff=backoff,
            router=router,
            recordings=recordings,
        )

    return make
