"""Campaigns of the laboratory."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from tests.engine.kit import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "evaluator.py").write_text("")
    (tmp_path / "program.py").write_text("x = 100.0\n")
    (tmp_path / "campaign.toml").write_text(
        'name = "lab"\ntask = "Make x large."\n[objectives]\nscore = "maximize"\n'
    )
    return tmp_path


@pytest.fixture
def run(archive: Archive, folder: Path) -> CampaignArchive:
    return archive.create(load(folder))
