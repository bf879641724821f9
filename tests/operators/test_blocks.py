"""Edits by quotation: what fits, what is ambiguous, and that a diff gives back its target."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.blocks import Block, diff_hunks, replace_once
from metasearch.operators.edits import read_edit
from metasearch.program import Program, protected_text
from metasearch.step import Rejected

LOOP = """def total(items):
    result = 0
    for item in items:
        if item > 0:
            result += item
    return result
"""
PAIR = Program(files={"main.py": "import helper\nprint(helper.g())\n", "helper.py": "G = 1\n"})


def replaced(text: str, search: str, replace: str) -> str | Rejected:
    return replace_once(text, Block(None, search.split("\n"), replace.split("\n")))


def test_a_quotation_may_be_indented_otherwise_throughout() -> None:
    changed = replaced(LOOP, "if item > 0:\n    result += item", "if item > 1:\n    result += 2")
    assert changed == LOOP.replace("item > 0", "item > 1").replace("+= item", "+= 2")


def test_an_indentation_that_differs_from_line_to_line_is_no_quotation() -> None:
    crooked = "if item > 0:\n  result += item"
    assert isinstance(replaced(LOOP, crooked, "pass"), Rejected)


def test_a_quotation_with_a_slip_is_taken_if_only_one_place_is_like_it() -> None:
    slip = "    for item in items:\n        if item > 0 :\n            result = result + item"
    changed = replaced(LOOP, slip.replace("result = result + item", "result += item"), "    pass")
    assert changed == "def total(items):\n    result = 0\n    pass\n    return result\n"
    outcome = replaced(LOOP + LOOP.replace("total", "other"), slip, "    pass")
    assert isinstance(outcome, Rejected)


def test_a_short_quotation_is_never_taken_with_a_slip() -> None:
    outcome = replaced(LOOP, "    result = 1", "    result = 2")
    assert outcome == Rejected("matches nothing; its first line is '    result = 1'")


def test_two_places_are_none() -> None:
    outcome = replaced("a\nb\na\n", "a", "c")
    assert outcome == Rejected("matches 2 places; quote more lines around it")


def test_line_numbers_of_a_diff_are_not_believed() -> None:
    reply = (
        "I keep only large items.\n```diff\n--- a/program.py\n+++ b/program.py\n"
        "@@ -100,99 +7,1 @@ def total(items):\n     for item in items:\n"
        "-        if item > 0:\n+        if item > 5:\n             result += item\n```\n"
    )
    outcome = read_edit(reply, Program(files={"program.py": LOOP}))
    assert isinstance(outcome, Program)
    assert outcome.source == LOOP.replace("> 0", "> 5")


def test_a_diff_makes_and_deletes_files() -> None:
    reply = (
        "```diff\n--- a/main.py\n+++ b/main.py\n@@ -1,2 +1,2 @@\n-import helper\n+import other\n"
        "-print(helper.g())\n+print(other.G)\n--- a/helper.py\n+++ /dev/null\n@@ -1 +0,0 @@\n"
        "-G = 1\n--- /dev/null\n+++ b/other.py\n@@ -0,0 +1 @@\n+G = 2\n```\n"
    )
    outcome = read_edit(reply, PAIR)
    assert isinstance(outcome, Program)
    assert outcome.files == {"main.py": "import other\nprint(other.G)\n", "other.py": "G = 2\n"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("### Delete file: main.py", "main.py is the main file"),
        ("### Delete file: gone.py", "no 'gone.py' to delete"),
        ("```diff\n--- /dev/null\n+++ b/helper.py\n@@ -0,0 +1 @@\n+x = 1\n```", "exists already"),
        ("```diff\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n```", "edits 'x.py'; files:"),
        ("```diff\n--- a/main.py\n+++ b/main.py\n@@ -1 +1 @@\n+b\n```", "is empty; quote"),
        ("```diff\n--- /dev/null\n+++ b/../x.py\n@@ -0,0 +1 @@\n+x = 1\n```", "x.py"),
    ],
)
def test_files_that_cannot_be_made_changed_or_deleted(reply: str, reason: str) -> None:
    outcome = read_edit(reply, PAIR)
    assert isinstance(outcome, Rejected)
    assert reason in outcome.reason


def test_a_line_deletes_a_file() -> None:
    reply = "### Delete file: helper.py\n### File: main.py\n```python\nprint(1)\n```"
    outcome = read_edit(reply, PAIR)
    assert isinstance(outcome, Program)
    assert outcome.files == {"main.py": "print(1)\n"}


words = st.lists(st.sampled_from(["a", "b", "  c", "d = 1", "", "--- x", "+++ y"]), max_size=14)
unique = st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=30)


def diff(before: str, after: str, context: int = 3) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        "a/notes.txt",
        "b/notes.txt",
        n=context,
    )
    return "".join(lines)


@given(unique, unique, st.integers(1, 5))
def test_a_diff_over_lines_that_tell_their_place_gives_its_target(
    before: list[int], after: list[int], context: int
) -> None:
    source, target = (
        "top\n" + "".join(f"line {number}\n" for number in numbers) for numbers in (before, after)
    )
    outcome = read_edit(
        f"```diff\n{diff(source, target, context)}```", Program(files={"notes.txt": source})
    )
    if source == target:
        assert isinstance(outcome, Rejected)
    else:
        assert isinstance(outcome, Program)
        assert outcome.source == target


@given(words, words)
def test_any_diff_gives_its_target_or_nothing(before: list[str], after: list[str]) -> None:
    source, target = ("\n".join(["top", *lines, ""]) for lines in (before, after))
    text = f"~~~~diff\n{diff(source, target)}~~~~"
    outcome = read_edit(text, Program(files={"notes.txt": source}))
    if isinstance(outcome, Program):
        assert outcome.source == target
    else:
        assert source == target or "places" in outcome.reason


MARKED = Program(
    files={"notes.txt": "head\n# EVOLVE-BLOCK-START\none\ntwo\n# EVOLVE-BLOCK-END\ntail\n"}
)
pieces = st.lists(
    st.sampled_from(
        ["head", "one", "two", "tail", "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END", "new", ""]
    ),
    max_size=8,
).map("\n".join)


@given(st.lists(st.tuples(pieces, pieces), min_size=1, max_size=3))
def test_no_edit_touches_protected_text(changes: list[tuple[str, str]]) -> None:
    searches = "".join(
        f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"
        for search, replace in changes
    )
    hunks = "".join(
        "@@ -1 +1 @@\n"
        + "".join(f"-{line}\n" for line in search.split("\n"))
        + "".join(f"+{line}\n" for line in replace.split("\n"))
        for search, replace in changes
    )
    diffed = f"```diff\n--- a/notes.txt\n+++ b/notes.txt\n{hunks}```"
    whole = f"```\n{changes[0][0]}\n```"
    for reply in (searches, diffed, whole):
        outcome = read_edit(reply, MARKED)
        if isinstance(outcome, Program):
            assert protected_text(outcome) == protected_text(MARKED)
        else:
            assert outcome.reason


@given(st.text(max_size=400))
def test_any_text_is_read_as_hunks_without_failing(text: str) -> None:
    diff_hunks(text)
    read_edit(f"```diff\n{text}\n```", PAIR)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("line", ["@@ x", "--- a", "+++ b", "+", "-x", " y"])
def test_no_diff_of_a_megabyte_holds_the_engine_up(line: str) -> None:
    head = "--- a/main.py\n+++ b/main.py\n@@ -1 +1 @@\n"
    read_edit(f"```diff\n{head}" + f"{line}\n" * (1_000_000 // (len(line) + 1)) + "```", PAIR)
