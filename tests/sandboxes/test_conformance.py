"""Every provider and way of starting against the suite that ships with the package."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.base import SandboxProvider
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.docker import DockerProvider
from metasearch.sandboxes.none import NoIsolation
from metasearch.testing.sandbox_conformance import Commands, Outcomes, SandboxConformance, Values
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


class TestWarm(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(BubblewrapProvider()):
            yield provider


@pytest.mark.slow
class TestWatchedInsteadOfGrouped(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(BubblewrapProvider(groups=False)):
            yield provider


@pytest.mark.slow
class TestCold(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(BubblewrapProvider(cold=True)):
            yield provider


@pytest.mark.slow
@needs_docker
class TestDocker(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(DockerProvider(image=IMAGE)):
            yield provider


@pytest.mark.slow
class TestNoIsolation(Values, Commands, Outcomes):
    """What it can hold: there is no isolation, and it withstands no attack."""

    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async for provider in _checked(NoIsolation()):
            yield provider
