"""What tests of several rooms share, and which of them may run at one time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from metasearch.archive import Archive

_MACHINE = (
    "tests/sandboxes/",
    "tests/cli/test_sandbox.py",
    "tests/evaluation/test_on_docker.py",
    "tests/whole/test_docker_campaigns.py",
    "tests/whole/test_in_containers.py",
)
"""These count, stop or remove what belongs to the whole machine: one after the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For ``pytest -n 2 --dist loadgroup``: the tests of one file stay together."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        group = "machine" if file.startswith(_MACHINE) else file
        item.add_marker(pytest.mark.xdist_group(group))


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
