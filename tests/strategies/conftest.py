"""What tests of strategies share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Finalise killed coroutines here; CPython 3.11 fails if that happens inside ast.parse."""
    yield
    gc.collect()
