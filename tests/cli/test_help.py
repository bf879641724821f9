"""Help comes at once: no command's heavy imports stand in its way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import Result

import metasearch

HEAVY = (
    *("litellm", "pydantic", "rich.live", "numpy", "sqlite3", "sqlmodel", "asyncio", "psutil"),
    *("fastapi", "uvicorn"),
)


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    words = [sys.executable, "-c", code]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import metasearch", "import metasearch.cli"])
def test_nothing_heavy_is_imported_before_a_command_runs(statement: str) -> None:
    assert imported_by(statement).isdisjoint(HEAVY)


def test_help_names_every_command(invoke: Callable[..., Result]) -> None:
    shown = invoke("--help").stdout
    commands = (
        "init run evaluate list status show best diff lineage facts health export serve strategies "
        "doctor"
    )
    for command in [*commands.split(), "archive"]:
        assert f" {command} " in shown


def test_version(invoke: Callable[..., Result]) -> None:
    assert invoke("--version").stdout == f"metasearch {metasearch.__version__}\n"
