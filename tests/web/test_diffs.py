"""Differences of programs: every line has its place in one file or in both."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from metasearch.web.diffs import MAX_LINES, compare

LINES = st.lists(st.sampled_from(["a", "b", "c", "", " a"]), max_size=30)


@given(LINES, LINES)
def test_both_files_can_be_read_from_the_difference(old: list[str], new: list[str]) -> None:
    before, after = "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)
    (found,) = compare({"p": before}, {"p": after}, context=100)
    if before == after:
        assert found.status == "same"
        return
    assert [line.text for line in found.lines if line.kind in ("kept", "removed")] == old
    assert [line.text for line in found.lines if line.kind in ("kept", "added")] == new
    assert [line.before for line in found.lines if line.before] == list(range(1, len(old) + 1))
    assert [line.after for line in found.lines if line.after] == list(range(1, len(new) + 1))


def test_kept_lines_far_from_a_change_are_left_out() -> None:
    old = [str(number) for number in range(100)]
    new = [*old[:50], "new", *old[51:]]
    (found,) = compare({"p": "\n".join(old)}, {"p": "\n".join(new)}, context=2)
    kinds = [line.kind for line in found.lines]
    assert kinds == ["gap", "kept", "kept", "removed", "added", "kept", "kept", "gap"]
    assert (found.added, found.removed) == (1, 1)


def test_files_come_and_go() -> None:
    found = compare({"a": "1\n", "b": "2\n"}, {"b": "2\n", "c": "3\n"})
    assert [(file.path, file.status) for file in found] == [
        ("a", "removed"),
        ("b", "same"),
        ("c", "added"),
    ]


def test_hostile_files_cost_little() -> None:
    many = "\n" * (MAX_LINES + 1)
    assert compare({"p": many}, {"p": many + "x"})[0].status == "too large"
    started = time.process_time()
    compare({"p": "a\n" * 4000}, {"p": "b\na\n" * 2000})
    compare({"p": "x" * 5_000_000}, {"p": "y" * 5_000_000})
    assert time.process_time() - started < 5
