"""Finding where control groups can be made, on made-up file systems of both versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metasearch.sandboxes import cgroups
from metasearch.sandboxes.base import Limits


def machine(root: Path, groups: str, *mounts: tuple[str, str, str]) -> Path:
    """A root folder with what /proc says about control groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    lines = [
        f"30 23 0:26 / {place} rw,nosuid shared:4 - {kind} {kind} rw,{options}\n"
        for place, kind, options in mounts
    ]
    (root / "proc/self/mountinfo").write_text("".join(lines))
    return root


def group(folder: Path, enabled: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "cgroup.subtree_control").write_text(enabled)
    (folder / "cgroup.procs").write_text("")
    return folder


def test_version_2_takes_the_nearest_group_that_can_have_children(tmp_path: Path) -> None:
    root = machine(
        tmp_path, "0::/user.slice/session-1.scope\n", ("/sys/fs/cgroup", "cgroup2", "nsdelegate")
    )
    top = group(root / "sys/fs/cgroup", "memory pids cpu")
    group(top / "user.slice", "cpu memory pids")
    own = group(top / "user.slice/session-1.scope", "")
    # Holds processes, so it gives nothing to children.
    (own / "cgroup.subtree_control").unlink()
    (own / "cgroup.subtree_control").mkdir()
    (tree,) = cgroups.trees(root)
    assert tree.unified
    assert tree.folder == top / "user.slice"
    assert "memory" in tree.controllers


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "5:memory:/job\n4:pids:/\n3:cpu,cpuacct:/job\n2:freezer:/\n1:name=systemd:/\n0::/\n",
        ("/sys/fs/cgroup/memory", "cgroup", "memory"),
        ("/sys/fs/cgroup/pids", "cgroup", "pids"),
        ("/sys/fs/cgroup/cpu", "cgroup", "cpu,cpuacct"),
        ("/sys/fs/cgroup/unified", "cgroup2", "x"),
    )
    for name in ("memory/job", "pids", "cpu/job"):
        (root / "sys/fs/cgroup" / name).mkdir(parents=True)
    (root / "sys/fs/cgroup/unified").mkdir()
    found = {tuple(tree.controllers): tree.folder for tree in cgroups.trees(root)}
    assert found == {
        ("memory",): root / "sys/fs/cgroup/memory/job",
        ("pids",): root / "sys/fs/cgroup/pids",
        ("cpu",): root / "sys/fs/cgroup/cpu/job",
    }


def test_nothing_without_a_memory_controller(tmp_path: Path) -> None:
    root = machine(tmp_path, "4:pids:/\n", ("/sys/fs/cgroup/pids", "cgroup", "pids"))
    (root / "sys/fs/cgroup/pids").mkdir(parents=True)
    assert cgroups.trees(root) == ()
    assert cgroups.trees(tmp_path / "nowhere") == ()


@pytest.mark.sandbox
def test_slots_of_dead_owners_are_removed_and_no_others() -> None:
    where = cgroups.trees()
    if not where:
        pytest.skip("control groups cannot be made here")
    code = (
        "import os; from metasearch.sandboxes import cgroups; "
        "slot = cgroups.Slots(cgroups.trees()).make(); print(slot is not None, flush=True); "
        "os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    mine = cgroups.Slots(where)
    slot = mine.make()
    assert slot is not None
    slot.limit(Limits(memory=64 * 1024**2, cpus=0.5))
    try:
        assert cgroups.reap()[0] >= 1
        assert cgroups.reap()[0] == 0
        assert all(folder.is_dir() for folder in slot._groups.values())
    finally:
        mine.close()
    assert not any(folder.is_dir() for folder in slot._groups.values())
