"""The offline model on programs that are lines of symbols in brackets."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.formats import COMPLETE_FILES, SEARCH_REPLACE
from metasearch.models.offline import symbols
from metasearch.models.offline.reply import reply
from metasearch.operators.edits import read_edit
from metasearch.operators.genome import genes, read_gene
from metasearch.operators.prompts import fence
from metasearch.program import Program

LINE = "[up][down][left][right][up]\n"
OTHER = "[jump][jump][jump][wait]\n"
ALPHABET = "[up][down][left][right][turn]"

lines = st.lists(st.sampled_from(["[a]", "[b]", "[=c]", "[D+1]"]), min_size=1, max_size=40)


def children(prompt: Any, form: str, others: Any = (), task: str = "") -> list[Program]:
    parent = Program(files={"moves.steps": LINE})
    messages = prompt(parent.files, others, form)
    messages[0]["content"] = f"# Task\n{task}\n\n{messages[0]['content']}"
    found = [read_edit(reply(messages, seed), parent) for seed in range(60)]
    assert all(isinstance(child, Program) for child in found), found
    return [child for child in found if isinstance(child, Program)]


def used(programs: list[Program]) -> set[str]:
    return {symbol for child in programs for symbol in symbols.symbols_of(child.source) or ()}


@pytest.mark.parametrize("form", [COMPLETE_FILES, SEARCH_REPLACE])
def test_a_changed_line_is_a_line_again_and_another_one(prompt: Any, form: str) -> None:
    found = children(prompt, form)
    assert all(re.fullmatch(r"(\[\w+\])+\n", child.source) for child in found)
    assert all(child.source != LINE for child in found)
    assert len({child.digest for child in found}) > 30


def test_only_symbols_that_the_prompt_shows_are_put_in(prompt: Any) -> None:
    own = set(symbols.symbols_of(LINE) or ())
    assert used(children(prompt, COMPLETE_FILES)) == own
    assert used(children(prompt, COMPLETE_FILES, task=f"Use {ALPHABET}.")) == own | {"[turn]"}


def test_links_in_the_task_are_no_symbols(prompt: Any) -> None:
    found = children(prompt, COMPLETE_FILES, task="See [this][1], and x[0][1][2].")
    assert used(found) <= set(symbols.symbols_of(LINE) or ())


def test_parts_of_inspirations_of_the_same_kind_are_taken_over(prompt: Any) -> None:
    found = children(prompt, COMPLETE_FILES, [{"moves.steps": OTHER}])
    assert any("[jump][jump]" in child.source for child in found)
    assert "[wait]" in used(found)


def test_an_inspiration_of_another_kind_is_left_alone(prompt: Any) -> None:
    found = children(prompt, COMPLETE_FILES, [{"moves.steps": "def f(): pass\n"}])
    assert used(found) <= set(symbols.symbols_of(LINE) or ())


def test_a_line_without_a_files_name_is_a_program_too() -> None:
    """Strategies that rewrite one block show it so."""
    parent = Program(files={"moves.steps": LINE})
    [gene] = genes(parent)
    asked = {"role": "user", "content": f"## The block\n{fence(LINE, 'steps')}\nRewrite it."}
    for seed in range(20):
        child = read_gene(reply([asked], seed), parent, gene)
        assert isinstance(child, Program), child
        assert symbols.symbols_of(child.source)


def test_brackets_in_python_stay_python(prompt: Any) -> None:
    files = {"program.py": "table = {}\n\n\ndef f(i, j):\n    return table[i][j] + 1.5\n"}
    for seed in range(20):
        assert "symbol" not in reply(prompt(files), seed).splitlines()[0]


@given(lines, st.lists(lines, max_size=3), st.integers(1, 8), st.integers())
def test_any_line_stays_one(
    line: list[str], donors: list[list[str]], rounds: int, seed: int
) -> None:
    changed, done = symbols.vary(line, donors, ["[new]"], rounds, random.Random(seed))
    assert len(done) == rounds
    assert changed
    assert symbols.symbols_of("".join(changed)) == changed
    assert set(changed) <= {"[new]", *line, *(symbol for donor in donors for symbol in donor)}


def test_lines_do_not_grow_beyond_all_bounds() -> None:
    rng = random.Random(1)
    line = ["[a]"] * symbols.LONGEST
    for _ in range(200):
        line, _ = symbols.vary(line, [["[b]"] * symbols.LONGEST], [], 3, rng)
        assert 0 < len(line) <= symbols.LONGEST


@pytest.mark.parametrize(
    "text", ["", "[]", "[a", "[a] [b]", "[a]\n[b]", "x[a]", "[a[b]]", f"[{'a' * 41}]", "[ä]x"]
)
def test_what_is_no_line_of_symbols(text: str) -> None:
    assert symbols.symbols_of(text) is None


@pytest.mark.timeout(10)
def test_hostile_texts_are_looked_through_fast() -> None:
    for text in ("[" * 500_000, "[a" * 250_000, "[a]" * 3 + "[" * 500_000, "[a][b][c]x" * 50_000):
        assert symbols.symbols_of(text) is None
        assert symbols.symbols_shown([text]) == ()
