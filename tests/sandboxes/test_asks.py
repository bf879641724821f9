"""Asks through every provider and way of starting, against the suite that ships."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from metasearch.sandboxes.base import SandboxProvider
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.docker import DockerProvider
from metasearch.testing.ask_conformance import AskConformance
from tests.sandboxes.checked import checked
from tests.sandboxes.dockerd import IMAGE, needs_docker

pytestmark = pytest.mark.sandbox


class TestWarm(AskConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(BubblewrapProvider()) as provider:
            yield provider


@pytest.mark.slow
class TestCold(AskConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(BubblewrapProvider(cold=True)) as provider:
            yield provider


@pytest.mark.slow
@needs_docker
class TestDocker(AskConformance):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with checked(DockerProvider(image=IMAGE)) as provider:
            yield provider
