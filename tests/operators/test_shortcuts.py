"""Shortcuts perform as recorded, with their places filled, wholly or not at all."""

from __future__ import annotations

import difflib

import pytest

from metasearch.operators.blocks import Block, diff_hunks
from metasearch.operators.shortcuts import Operation, perform
from metasearch.program import Program
from metasearch.step import Rejected

BEFORE = Program(files={"main.py": "import math\n\n\ndef f(x):\n    y = x * x\n    return y\n"})


def test_replaying_a_recorded_diff_reproduces_it() -> None:
    after = "import math\n\n\ndef f(x):\n    y = math.sqrt(x)\n    return y + 1\n"
    diff = "".join(
        difflib.unified_diff(
            BEFORE.source.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "a/main.py",
            "b/main.py",
        )
    )
    sequence: list[Operation] = []
    for hunk in diff_hunks(diff):
        assert isinstance(hunk, Block)
        search, text = "\n".join(hunk.search), "\n".join(hunk.replace)
        sequence.append(("replace", {"path": "main.py", "search": search, "text": text}))
    assert perform(sequence, {}, BEFORE) == Program(files={"main.py": after})


def test_places_are_filled_once_and_only_declared_ones() -> None:
    sequence = [
        ("replace", {"path": "main.py", "search": "    return <var>", "text": "    return <new>"})
    ]
    found = perform(sequence, {"var": "y", "new": "y < 1 > 0  # <var>"}, BEFORE)
    assert isinstance(found, Program)
    assert "    return y < 1 > 0  # <var>\n" in found.source


def test_files_are_made_and_deleted() -> None:
    made = perform([("create", {"path": "<name>.py", "text": "A = 1"})], {"name": "b"}, BEFORE)
    assert isinstance(made, Program)
    assert made.files["b.py"] == "A = 1\n"
    assert perform([("delete", {"path": "b.py"})], {}, made) == BEFORE


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (("replace", {"path": "main.py", "search": "no such line", "text": ""}), "matches nothing"),
        (("replace", {"path": "main.py", "search": "    return y"}), "operation 2"),
        (("shell", {"path": "main.py"}), "'shell'"),
        (("delete", {"path": "main.py"}), "main file"),
        (("create", {"path": "../evil.py", "text": "x"}), "evil"),
        (("replace", {"path": "main.py", "search": "    return y", "text": "  )"}), "parse"),
    ],
)
def test_one_operation_that_fails_undoes_all(operation: Operation, reason: str) -> None:
    good = ("replace", {"path": "main.py", "search": "    y = x * x", "text": "    y = x"})
    found = perform([good, operation], {}, BEFORE)
    assert isinstance(found, Rejected)
    assert reason in found.reason
