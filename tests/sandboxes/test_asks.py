"""Asks through every provider and way of starting, against the suite that ships."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.base import SandboxProvider
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.testing.ask_conformance import AskConformance

pytestmark = pytest.mark.sandbox


async def _checked(provider: BubblewrapProvider) -> AsyncIterator[SandboxProvider]:
    try:
        await provider.check()
    except PrerequisiteError as error:
        pytest.skip(str(error))
    try:
        yield provider
    finally:
        await provider.close()


class TestWarm(AskConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(BubblewrapProvider()):
            yield provider


@pytest.mark.slow
class TestCold(AskConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(BubblewrapProvider(cold=True)):
            yield provider
