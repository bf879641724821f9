"""Identity leaves out what cannot matter and nothing else; similarity is what it says."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.identity import identity
from metasearch.operators.novelty import (
    FOUND,
    VALUES,
    Embedded,
    Shingles,
    local_embedding,
    rows_for_shingles,
    rows_for_vectors,
)
from metasearch.program import Program

PLAIN = """
import math

LIMIT = 10

def area(radii, scale=1.0):
    total = 0.0
    for radius in radii:
        total += math.pi * radius ** 2 * scale
    return min(total, LIMIT)

class Packing:
    def fill(self, n):
        inner = [k * k for k in range(n)]
        def largest():
            return max(inner)
        return largest() in {"a", "b", "c"}
"""


def program(text: str, path: str = "program.py") -> Program:
    return Program(files={path: text})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total = 0.0", "total = 0.0  # the sum so far"),
        ("total = 0.0", "total  =  0.0\n"),
        ("def area(radii, scale=1.0):", 'def area(radii, scale=1.0):\n    """The area."""'),
        ("class Packing:", 'class Packing:\n    """Circles."""\n'),
        ("import math", '"""A module."""\nimport math'),
        ("total", "summed"),
        ("radius", "r"),
        ("inner", "squares"),
        ("[k * k for k in range(n)]", "[j * j for j in range(n)]"),
        ('{"a", "b", "c"}', "{'a', 'b', 'c'}"),
        ("LIMIT = 10", "LIMIT = 1_0"),
    ],
)
def test_what_cannot_matter_does_not_count(old: str, new: str) -> None:
    changed = PLAIN.replace(old, new)
    assert changed != PLAIN
    assert identity(program(changed)) == identity(program(PLAIN))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total = 0.0", "total = 0.5"),
        ("scale=1.0", "scale=1.5"),
        ("scale=1.0", "scale=1"),
        ("scale", "factor"),  # a parameter may be given by name
        ("LIMIT", "MOST"),  # others may import it
        ("area", "surface"),
        ("self", "this"),
        ("math.pi", "math.e"),
        ("+=", "-="),
        ("min(total, LIMIT)", "min(LIMIT, total)"),
        ('"a"', '"d"'),
        ("import math", "import math\nimport os"),
        ("class Packing:", "class Packing:\n    size = 3"),
        ("return largest()", "return radius()"),
    ],
)
def test_what_may_matter_counts(old: str, new: str) -> None:
    changed = PLAIN.replace(old, new)
    assert changed != PLAIN
    assert identity(program(changed)) != identity(program(PLAIN))


def test_two_names_that_change_places_count() -> None:
    first = "def f():\n    a = 1\n    b = 2\n    return a\n"
    second = "def f():\n    a = 1\n    b = 2\n    return b\n"
    renamed = "def f():\n    x = 1\n    y = 2\n    return x\n"
    assert identity(program(first)) != identity(program(second))
    assert identity(program(first)) == identity(program(renamed))


def test_a_local_name_is_not_taken_for_a_global_one() -> None:
    local = "g = 1\ndef f():\n    x = 2\n    return x + g\n"
    shadow = "g = 1\ndef f():\n    g = 2\n    return g + g\n"
    assert identity(program(local)) != identity(program(shadow))


@pytest.mark.parametrize("word", ["__doc__", "inspect.getsource(f)", "locals()", "__file__"])
def test_a_program_that_sees_itself_is_taken_by_its_text(word: str) -> None:
    text = f"def f():\n    x = 1\n    return {word}\n"
    assert identity(program(text)) != identity(program(text.replace("x", "y")))


@pytest.mark.parametrize(
    ("path", "one", "other", "same"),
    [
        ("a.c", "int f(){ return 1; }", "int f(){\treturn   1; } // one", True),
        ("a.rs", "fn f() {\n  1\n}", "fn f() {\n\n/* one\n */    1\n}", True),
        ("a.js", "let s = 'a  b'", "let s = 'a b'", False),
        ("a.js", "let s = `a\n  b`", "let s = `a\nb`", False),
        ("a.js", "return\nx", "return x", False),
        ("a.go", 's := "http://a"', 's := "http://b"', False),
        ("a.txt", "Think  twice.", "Think twice.", False),
        ("a.py", "def f(:", "def f( :", False),
    ],
)
def test_other_languages(path: str, one: str, other: str, same: bool) -> None:
    assert (identity(program(one, path)) == identity(program(other, path))) is same


def test_files_count_with_their_paths() -> None:
    one = Program(files={"a.py": "x = 1\n", "b.py": "y = 2\n"})
    assert identity(one) == identity(Program(files={"b.py": "y = 2 #\n", "a.py": "x = 1\n"}))
    assert identity(one) != identity(Program(files={"b.py": "x = 1\n", "a.py": "y = 2\n"}))


@pytest.mark.parametrize(
    "text",
    ["(" * 5_000, "x" + " + x" * 20_000, "[" * 90 + "]" * 90, "'\ud800'", "\0", "a" * 3_000_000],
)
def test_hostile_texts_of_python_have_an_identity_and_a_sketch(text: str) -> None:
    odd = program(text)
    assert identity(odd) == identity(program(text))
    assert Shingles.of(odd, 8).similarity(Shingles.of(odd, 8)) == 1.0
    assert Embedded.of(odd, local_embedding(odd), 8).numbers == Shingles.of(odd, 8).numbers


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ['"\\', "'\\", "'", "`", "/*", "/", '"', "\\", " ", "'\n"])
def test_hostile_texts_with_braces_take_no_longer_than_others(text: str) -> None:
    odd = program(text * 45_000, "a.js")
    assert identity(odd) == identity(odd)


@pytest.mark.slow
def test_keys_are_the_same_in_every_process() -> None:
    """String hashes, and with them the order of sets, differ between processes."""
    code = (
        "from metasearch.operators.identity import identity\n"
        "from metasearch.operators.novelty import *\n"
        "from tests.operators.test_novelty import PLAIN, program\n"
        "p = program(PLAIN)\n"
        "print(identity(p), Shingles.of(p, 16).keys, Embedded.of(p, local_embedding(p), 16).keys)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert str(identity(program(PLAIN))) in printed.pop()


def test_shingles_have_the_jaccard_index_of_the_paper() -> None:
    words = [f"w{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(104)]
    one, other = (Shingles.of(program(" ".join(w), "a.txt"), 4) for w in (words, words[:-4]))
    # With the path there are 105 and 101 tokens, so 101 and 97 shingles; all of the latter shared.
    assert one.similarity(other) == 97 / 101
    assert other.similarity(one) == 97 / 101


def test_other_numbers_are_never_similar() -> None:
    one, other = program("x = 1\ny = 2\n" * 50), program("x = 1\ny = 2\n" * 49 + "x = 1\ny = 3\n")
    assert Shingles.of(one, 8).similarity(Shingles.of(other, 8)) == 0
    sketches = [Embedded.of(p, local_embedding(p), 8) for p in (one, other)]
    assert sketches[0].similarity(sketches[1]) == 0
    assert not set(sketches[0].keys) & set(sketches[1].keys)


def test_local_embeddings_of_like_programs_are_alike() -> None:
    like = program(PLAIN.replace("min(", "max("))
    unlike = program("def sort(items):\n    return sorted(items, reverse=True)\n")
    plain = Embedded.of(program(PLAIN), local_embedding(program(PLAIN)), 8)

    def cosine(other: Program) -> float:
        vector = Embedded.of(other, local_embedding(other), 8).vector
        return float(vector @ plain.vector)

    assert cosine(like) > 0.95
    assert cosine(unlike) < 0.6


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], [float("nan"), 1.0]])
def test_a_vector_without_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(ValueError, match="no direction"):
        Embedded.of(program(PLAIN), vector, 8)


@given(st.floats(0.05, 1))
def test_rows_find_what_is_just_similar_enough(threshold: float) -> None:
    rows = rows_for_shingles(threshold)
    assert VALUES % rows == 0
    assert 1 - (1 - threshold**rows) ** (VALUES // rows) >= (FOUND if rows > 1 else 0)


def test_similar_programs_share_a_key_about_as_often_as_promised() -> None:
    """100 pairs with a Jaccard index of 0.9 to 0.91."""
    rng = random.Random(0)
    found = 0
    for _ in range(100):
        words = ["".join(rng.choices("abcdefgh", k=6)) for _ in range(200)]
        texts = (" ".join(words), " ".join(words[:-18]))
        one, other = (Shingles.of(program(t, "a.txt"), rows_for_shingles(0.9)) for t in texts)
        assert 0.9 < one.similarity(other) < 0.91
        found += bool(set(one.keys) & set(other.keys))
    assert found >= 95  # 4 misses or fewer have a chance of over 99 % at FOUND
    assert rows_for_vectors(0.99) == 16
