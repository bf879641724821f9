"""How many candidates a machine has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.evaluation import Machine, default_lanes
from metasearch.sandboxes.base import Limits

GIB = 1024**3


@pytest.mark.parametrize(
    ("cores", "memory", "limits", "lanes"),
    [
        (8, 64 * GIB, Limits(memory=GIB), 8),
        (8, 4 * GIB, Limits(memory=GIB), 3),
        (8, 64 * GIB, Limits(memory=GIB, cpus=4), 2),
        (2, 64 * GIB, Limits(memory=GIB, cpus=0.5), 4),
        (1, GIB // 4, Limits(memory=GIB, cpus=8), 1),
    ],
)
def test_lanes_fit_cores_and_memory(cores: int, memory: int, limits: Limits, lanes: int) -> None:
    assert default_lanes(limits, Machine(cores, memory)) == lanes


def test_a_container_counts_only_what_it_was_given(tmp_path: Path) -> None:
    free = Machine.here(tmp_path)
    assert free.cores >= 1
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 4}\n")
    assert Machine.here(tmp_path) == Machine(1, 3 * GIB // 4)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert Machine.here(tmp_path).cores == free.cores
