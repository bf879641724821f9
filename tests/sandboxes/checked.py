"""Providers for fixtures: tried before a test has them, closed after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.base import SandboxProvider

Provider = TypeVar("Provider", bound=SandboxProvider)


@asynccontextmanager
async def checked(provider: Provider) -> AsyncIterator[Provider]:
    """The provider; the test is skipped where no sandbox of it can be opened."""
    try:
        await provider.check()
    except PrerequisiteError as error:
        pytest.skip(str(error))
    try:
        yield provider
    finally:
        await provider.close()
