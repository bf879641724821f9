"""How many candidates a machine has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.evaluation import Machine, plan_lanes
from metasearch.sandboxes.base import Limits, SandboxSpec

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
    assert plan_lanes(SandboxSpec(limits), Machine(cores, memory)).count == lanes


def test_lanes_say_what_bounds_them() -> None:
    machine = Machine(2, 23 * 10**9)
    plan = plan_lanes(SandboxSpec(Limits(memory=10**9)), machine)
    assert str(plan) == (
        "2 (cores: 2 / 1 each; memory: 23.0 GB / 1.0 GB each; devices: none asked)"
    )


@pytest.mark.parametrize(
    ("gpus", "devices", "asked", "lanes"),
    [
        (1, 3, None, 3),
        (1, 100, None, 16),
        (0.25, 8, 4, 4),
        (1, 2, 8, 2),
        (0, 0, 40, 40),
    ],
)
def test_lanes_follow_the_devices(gpus: float, devices: int, asked: int | None, lanes: int) -> None:
    spec = SandboxSpec(Limits(memory=GIB), gpus=gpus)
    plan = plan_lanes(spec, Machine(16, 64 * GIB), devices=devices, asked=asked)
    assert plan.count == lanes
    assert ("none asked" in plan.reasons) == (gpus == 0)


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
