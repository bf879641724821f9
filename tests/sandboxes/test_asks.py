"""Asks through every provider and way of starting, against the suite that ships."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.base import SandboxProvider
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.docker import DockerProvider
from metasearch.testing.ask_conformance import AskConformance
from tests.sandboxes.dockerd import IMAGE, needs_docker

pytestmark = pytest.mark.sandbox


async def _checked(provider: SandboxProvider) -> AsyncIterator[SandboxProvider]:
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


@pytest.mark.slow
@needs_docker
class TestDocker(AskConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(DockerProvider(image=IMAGE)):
            yield provider
