"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from metasearch.archive import Archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign about one number."""
    (tmp_path / "program.py").write_text("x = 0\n")
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "campaign.toml").write_text(
        'name = "numbers"\ntask = "Find a large x."\n[objectives]\nscore = "maximize"\n'
    )
    return tmp_path


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """A new archive."""
    with Archive.open(tmp_path / "archive.db", create=True) as opened:
        yield opened
