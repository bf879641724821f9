"""A shortcut is an edit that was made, or nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.lessons import shortcut_of
from metasearch.operators.shortcuts import perform
from metasearch.program import Program

LONG = [f"line_{n} = {n}" for n in range(40)]
SOURCE = "\n".join([*LONG, ""])


def program(text: str, **others: str) -> Program:
    return Program(files={"main.py": text, **others})


def test_performing_it_again_reproduces_the_program() -> None:
    before = program(SOURCE)
    after = program(SOURCE.replace("line_3 = 3", "a = 1\nb = 2").replace("line_30 = 30\n", ""))
    shortcut = shortcut_of("two places", before, after)
    assert shortcut is not None
    assert len(shortcut.sequence) == 2
    steps = [(each.name, each.arguments) for each in shortcut.sequence]
    assert perform(steps, {}, before) == after
    elsewhere = program("first = 0\n" + SOURCE)
    assert perform(steps, {}, elsewhere) == program("first = 0\n" + after.source)


def test_what_cannot_be_repeated_is_no_shortcut() -> None:
    before = program(SOURCE)
    assert shortcut_of("nothing", before, before) is None
    assert shortcut_of("a new file", before, program(SOURCE, **{"b.py": "x = 1\n"})) is None
    everywhere = program("\n".join([*(f"other_{n} = {n}" for n in range(400)), ""]))
    assert shortcut_of("too long", before, everywhere) is None
    scattered = program(SOURCE.replace("5 =", "5 +="))
    assert shortcut_of("five places", program(SOURCE.replace("5 =", "5  =")), scattered) is not None
    many = program("\n".join(f"{line};" if n % 6 == 0 else line for n, line in enumerate(LONG)))
    assert shortcut_of("seven places", before, many) is None


@given(
    st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12),
    st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12),
)
def test_a_shortcut_always_gives_the_very_program(one: list[str], other: list[str]) -> None:
    before, after = program("\n".join(one)), program("\n".join(other))
    shortcut = shortcut_of("any", before, after)
    if shortcut is not None:
        steps = [(each.name, each.arguments) for each in shortcut.sequence]
        assert perform(steps, {}, before) == after
