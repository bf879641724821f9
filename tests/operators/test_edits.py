"""Reading replies as edits: what is understood, what is refused, and with which reason."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.edits import fences, read_edit
from metasearch.operators.prompts import render_program
from metasearch.program import Program, protected_text
from metasearch.step import Rejected

PLAIN = Program(files={"program.py": "def f(x):\n    return x + 1\n"})
MARKED = Program(
    files={
        "program.py": "import math\n# EVOLVE-BLOCK-START\ndef f(x):\n    return x\n"
        "# EVOLVE-BLOCK-END\nresult = f(1)\n"
    }
)
PAIR = Program(
    files={"main.py": "import helper\nprint(helper.g())\n", "helper.py": "def g():\n    return 1\n"}
)


def edited(reply: str, parent: Program) -> dict[str, str]:
    program = read_edit(reply, parent)
    assert isinstance(program, Program), program
    return program.files


def refused(reply: str, parent: Program) -> str:
    outcome = read_edit(reply, parent)
    assert isinstance(outcome, Rejected)
    return outcome.reason


def test_one_bare_fence_is_the_whole_program() -> None:
    reply = "I double it.\n```python\ndef f(x):\n    return 2 * x\n```\n"
    assert edited(reply, PLAIN) == {"program.py": "def f(x):\n    return 2 * x\n"}


def test_the_longest_fence_counts_when_there_are_asides() -> None:
    reply = "```\nshort\n```\nso:\n```python\ndef f(x):\n    return 3 * x + 7\n```\n```sh\nls\n```"
    assert edited(reply, PLAIN)["program.py"].startswith("def f(x):\n    return 3")


def test_fences_inside_strings_do_not_end_the_block() -> None:
    text = (
        'def f(x):\n    """Use ```code``` so:\n    ```\n    f(1)\n    ```\n    """\n    return x\n'
    )
    shown = render_program(Program(files={"program.py": text}))
    assert edited(shown, PLAIN) == {"program.py": text}


def test_files_are_named_by_the_line_before_the_fence() -> None:
    reply = "### File: helper.py\n```python\ndef g():\n    return 2\n```\n"
    assert edited(reply, PAIR) == {**PAIR.files, "helper.py": "def g():\n    return 2\n"}


def test_several_files_need_names() -> None:
    assert "which file" in refused("```python\nx = 1\n```", PAIR)


def test_new_files_may_be_added_when_nothing_is_protected() -> None:
    reply = render_program(Program(files={"main.py": "import extra\n", "extra.py": "x = 1\n"}))
    assert edited(reply, PAIR)["extra.py"] == "x = 1\n"


def test_a_block_alone_goes_between_the_markers() -> None:
    reply = "```python\ndef f(x):\n    return math.sqrt(x)\n```"
    source = edited(reply, MARKED)["program.py"]
    assert source.startswith(
        "import math\n# EVOLVE-BLOCK-START\ndef f(x):\n    return math.sqrt(x)\n# EV"
    )


def test_protected_text_may_not_change() -> None:
    reply = render_program(MARKED.replace({"program.py": MARKED.source.replace("f(1)", "f(999)")}))
    assert "outside the EVOLVE-BLOCK markers" in refused(reply, MARKED)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I have no idea.", "no fenced code block"),
        ("```python\ndef f(x:\n```", "does not parse"),
        ("```python\ndef f(x):\n    return x + 1\n```", "unchanged"),
        ("```python\nx = '\\0'\0\n```", "does not parse"),
    ],
)
def test_unusable_replies_say_why(reply: str, reason: str) -> None:
    assert reason in refused(reply, PLAIN)


def search_replace(search: str, replace: str, path: str = "") -> str:
    heading = f"### File: {path}\n" if path else ""
    return f"{heading}<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def test_search_replace_exact() -> None:
    reply = search_replace("    return x + 1\n", "    return x + 2\n")
    assert edited(reply, PLAIN)["program.py"] == "def f(x):\n    return x + 2\n"


def test_search_replace_tolerates_trailing_blanks() -> None:
    reply = search_replace("    return x + 1   \n", "    return x + 2\n")
    assert edited(reply, PLAIN)["program.py"] == "def f(x):\n    return x + 2\n"


def test_search_replace_in_a_named_file() -> None:
    reply = search_replace("    return 1\n", "    return 5\n", "helper.py")
    assert edited(reply, PAIR)["helper.py"] == "def g():\n    return 5\n"


@pytest.mark.parametrize(
    ("search", "reason"),
    [("    return x - 1\n", "matches nothing"), ("x", "places"), ("\n", "is empty")],
)
def test_search_that_does_not_fit_names_the_reason(search: str, reason: str) -> None:
    search = search if search.endswith("\n") else search + "\n"
    parent = Program(files={"program.py": "x\ny\nx\n"}) if search == "x\n" else PLAIN
    assert reason in refused(search_replace(search, "z\n"), parent)


def test_nothing_is_applied_when_one_block_fails() -> None:
    good = search_replace("    return x + 1\n", "    return x + 2\n")
    assert "block 2" in refused(good + search_replace("nowhere\n", "z\n"), PLAIN)


lines = st.lists(st.sampled_from(["a", "b", "  c", "d = 1", ""]), min_size=1, max_size=12)


@given(lines, lines)
def test_complete_files_give_back_exactly_what_was_rendered(
    before: list[str], after: list[str]
) -> None:
    parent = Program(files={"notes.txt": "\n".join(before) + "\n"})
    child = Program(files={"notes.txt": "\n".join(after) + "\n"})
    outcome = read_edit(render_program(child), parent)
    assert outcome == child or (isinstance(outcome, Rejected) and child == parent)


@given(lines, lines)
def test_search_replace_of_a_whole_file_gives_the_target(
    before: list[str], after: list[str]
) -> None:
    source, target = "\n".join(["top", *before]) + "\n", "\n".join(["top", *after]) + "\n"
    outcome = read_edit(search_replace(source, target), Program(files={"notes.txt": source}))
    if source == target:
        assert isinstance(outcome, Rejected)
    else:
        assert isinstance(outcome, Program), list(difflib.ndiff(before, after))
        assert outcome.source == target


@given(st.text(max_size=300))
def test_any_reply_gives_a_program_or_a_reason_and_never_touches_protected_text(reply: str) -> None:
    for text in (reply, f"```python\n{reply}\n```", search_replace("def f(x):\n", reply + "\n")):
        outcome = read_edit(text, MARKED)
        if isinstance(outcome, Program):
            assert protected_text(outcome) == protected_text(MARKED)
        else:
            assert outcome.reason


def test_fences_know_their_language_and_file() -> None:
    [fence] = fences("**File: `a.py`**\n~~~python\nx\n~~~")
    assert (fence.path, fence.language, fence.text) == ("a.py", "python", "x\n")


def test_search_quotes_whole_lines_and_never_a_part_of_one() -> None:
    parent = Program(files={"notes.txt": "max = 1\nx = 1\n"})
    assert edited(search_replace("x = 1\n", "z = 9\n"), parent) == {"notes.txt": "max = 1\nz = 9\n"}


def test_lines_are_counted_as_markdown_counts_them() -> None:
    reply = (
        "### File: main.py\n```python\nx = '\f'\n```\n### File: helper.py\n```python\ny = 2\n```\n"
    )
    assert edited(reply, PAIR) == {"main.py": "x = '\f'\n", "helper.py": "y = 2\n"}


@pytest.mark.parametrize(
    "reply",
    ["<<<<<<< SEARCH\n=======\n" * 40_000, "#\n" * 300_000, "File: " * 150_000, "`" * 900_000],
)
@pytest.mark.timeout(20)
def test_no_reply_of_a_megabyte_holds_the_engine_up(reply: str) -> None:
    assert refused(reply, PAIR)
