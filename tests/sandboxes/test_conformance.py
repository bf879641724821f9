"""Every provider and way of starting against the suite that ships with the package."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from metasearch.sandboxes.base import SandboxProvider
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.docker import DockerProvider
from metasearch.sandboxes.none import NoIsolation
from metasearch.testing.sandbox_conformance import Commands, Outcomes, SandboxConformance, Values
from tests.sandboxes.checked import checked
from tests.sandboxes.dockerd import IMAGE, needs_docker

pytestmark = pytest.mark.sandbox


class TestWarm(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(BubblewrapProvider()) as provider:
            yield provider


@pytest.mark.slow
class TestWatchedInsteadOfGrouped(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(BubblewrapProvider(groups=False)) as provider:
            yield provider


@pytest.mark.slow
class TestCold(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(BubblewrapProvider(cold=True)) as provider:
            yield provider


@pytest.mark.slow
@needs_docker
class TestDocker(SandboxConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(DockerProvider(image=IMAGE)) as provider:
            yield provider


@pytest.mark.slow
class TestNoIsolation(Values, Commands, Outcomes):
    """What it can hold: there is no isolation, and it withstands no attack."""

    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(NoIsolation()) as provider:
            yield provider
