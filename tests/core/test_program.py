"""Programs: identity, paths, and text that may not change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from metasearch.program import Program, RegionError, blocks, protected_text, protection_breach

MARKED = "import math\n# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\nprint(x)\n"


def test_digest_depends_on_paths_and_texts_but_not_on_their_order() -> None:
    one = Program(files={"a.py": "1", "b.py": "2"})
    same = Program(files={"b.py": "2", "a.py": "1"})
    assert one.digest == same.digest
    assert one.digest != Program(files={"a.py": "12", "b.py": ""}).digest


@given(st.dictionaries(st.sampled_from(["a", "b", "ab"]), st.text(), min_size=1, max_size=3))
def test_digest_is_injective_on_what_it_covers(files: dict[str, str]) -> None:
    program = Program(files=files)
    for path in files:
        assert program.replace({path: files[path] + "x"}).digest != program.digest


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x.py", "a/../../x", "a\\b", "a//b", "./a", "a\nb"]
)
def test_paths_that_could_leave_the_program_are_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="plain relative path"):
        Program(files={path: "x"})


def test_oversized_programs_are_refused() -> None:
    with pytest.raises(ValidationError, match="over the limit"):
        Program(files={"a.py": "x" * 4_000_001})


def test_blocks_are_the_lines_between_the_markers() -> None:
    assert blocks(MARKED) == [(2, 3)]
    assert blocks("x = 1\n") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# EVOLVE-BLOCK-START\n", "never closed"),
        ("# EVOLVE-BLOCK-END\n", "without a START"),
        ("# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-START\n", "inside a block"),
    ],
)
def test_unpaired_markers_are_named_with_their_line(text: str, problem: str) -> None:
    with pytest.raises(RegionError, match=problem):
        blocks(text)


def test_only_text_inside_the_markers_may_change() -> None:
    parent = Program(files={"main.py": MARKED, "helper.py": "y = 2\n"})
    inside = parent.replace({"main.py": MARKED.replace("x = 1", "x = 5\nx += 1")})
    assert protection_breach(parent, inside) is None
    outside = parent.replace({"main.py": MARKED.replace("print(x)", "print(9)")})
    assert "outside" in (protection_breach(parent, outside) or "")
    other_file = parent.replace({"helper.py": "y = 3\n"})
    assert "helper.py" in (protection_breach(parent, other_file) or "")
    added = parent.replace({"new.py": ""})
    assert "added" in (protection_breach(parent, added) or "")
    markers_gone = parent.replace({"main.py": "x = 1\n"})
    assert protection_breach(parent, markers_gone) is not None


def test_without_markers_everything_may_change() -> None:
    parent = Program(files={"main.py": "x = 1\n"})
    assert protected_text(parent) == {}
    assert protection_breach(parent, Program(files={"other.py": ""})) is None


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
def test_any_text_without_markers_may_stand_inside_a_block(body: str) -> None:
    parent = Program(files={"main.py": MARKED})
    if "EVOLVE-BLOCK" in body:
        return
    # A block's text ends with a line break, else it would join the END marker's line.
    child = parent.replace({"main.py": MARKED.replace("x = 1\n", body + "\n")})
    assert protection_breach(parent, child) is None
