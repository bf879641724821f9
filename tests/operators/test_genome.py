"""Programs as genomes: blocks split and join exactly, and a reply changes one block only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.genome import (
    departures,
    differing,
    genes,
    in_use,
    needed_names,
    read_gene,
    replace,
    surroundings,
)
from metasearch.program import Program, RegionError
from metasearch.step import Rejected

NAMES = ("get_optimizer", "SE", "SE_LN", "DFSEBV2", "FCT", "EVE", "ME", "DW", "Network")
"""The blocks of the paper's seed network, in its order."""


def block(name: str, body: str = "pass") -> str:
    return f"class {name}:\n    {body}\n"


def layout(**bodies: str) -> Program:
    """A program like the paper's: a header, nine blocks, the last of which uses most others."""
    parts = ["import torch\n\n"]
    for name in NAMES:
        body = bodies.get(name, "pass")
        if name == "Network" and name not in bodies:
            body = "parts = (get_optimizer, SE_LN, DFSEBV2, FCT, EVE, ME, DW)"
        note = f"# Has the class {name}.\n# Leave its name.\n" if name == "ME" else ""
        parts.append(
            f"{note}# EVOLVE-BLOCK-START {name}\n{block(name, body)}# EVOLVE-BLOCK-END\n\n"
        )
    return Program(files={"network.py": "".join(parts)})


def fence(text: str) -> str:
    return f"Because.\n```python\n{text}```\n"


def test_the_layout_of_the_paper_has_ten_parts_and_joins_byte_for_byte() -> None:
    program = layout()
    found = genes(program)
    assert tuple(gene.name for gene in found) == NAMES
    assert program.source.startswith("import torch\n")
    for gene in found:
        assert replace(program, gene, gene.text) == program
        changed = replace(program, gene, block(gene.name, "x = 1"))
        assert [new.name for new, _ in differing(changed, program)] == [gene.name]
    assert found[6].note == "# Has the class ME.\n# Leave its name.\n"
    assert found[5].note == ""


@given(st.lists(st.sampled_from(["a", "", "b\r\n", "é\x0c", "# c\n"]), max_size=6), st.data())
def test_any_block_joins_as_it_was_split(texts: list[str], data: st.DataObject) -> None:
    lines = "".join(
        f"h{n}\n# EVOLVE-BLOCK-START\n{t}\n# EVOLVE-BLOCK-END\n" for n, t in enumerate(texts)
    )
    program = Program(files={"a.txt": lines + "end", "b.txt": "x"})
    for gene in genes(program):
        assert replace(program, gene, gene.text) == program


def test_blocks_without_names_are_told_apart() -> None:
    text = "# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\n"
    assert [g.name for g in genes(Program(files={"a.py": text}))] == ["a.py"]
    two = genes(Program(files={"a.py": text + text}))
    assert [g.name for g in two] == ["a.py, block 1", "a.py, block 2"]
    same = text.replace("START", "START: core ---")
    assert [g.name for g in genes(Program(files={"a.py": same + same}))] == ["core", "core (2)"]
    whole = genes(Program(files={"a.py": "x", "b.c": "y"}))
    assert [(g.name, g.text) for g in whole] == [("a.py", "x"), ("b.c", "y")]
    with pytest.raises(RegionError):
        genes(Program(files={"a.py": "# EVOLVE-BLOCK-START\n"}))


def test_how_far_a_program_has_gone_is_told_block_by_block() -> None:
    seed = layout()
    assert set(departures(seed, seed)) == {0.0}
    names = [gene.name for gene in genes(seed)]
    small, large = layout(FCT="pass  # a"), layout(FCT="return 1234567890", ME="x = 5")
    near, far = departures(small, seed), departures(large, seed)
    assert [name for name, d in zip(names, near, strict=True) if d] == ["FCT"]
    assert [name for name, d in zip(names, far, strict=True) if d] == ["FCT", "ME"]
    assert 0 < near[names.index("FCT")] < far[names.index("FCT")] < 1
    assert departures(Program(files={"other.py": ""}), Program(files={"program.py": "x"})) == (1,)


def test_a_block_that_nothing_mentions_is_not_worth_changing() -> None:
    live = [gene.name for gene in in_use(layout(), "Train the Network.")]
    assert live == [name for name in NAMES if name != "SE"]
    alone = Program(files={"a.py": "# EVOLVE-BLOCK-START\ndef f(): pass\n# EVOLVE-BLOCK-END\n"})
    assert len(in_use(alone, "no names here")) == 1


def test_what_others_use_has_to_be_defined_again() -> None:
    program = layout()
    dfsebv2 = genes(program)[3]
    assert needed_names(program, dfsebv2) == {"DFSEBV2"}
    renamed = read_gene(fence(block("Other")), program, dfsebv2)
    assert isinstance(renamed, Rejected)
    assert "no longer defines DFSEBV2" in renamed.reason
    assert needed_names(program, genes(program)[1]) == {"SE"}, "an entry of the evaluator, maybe"


def test_of_two_fences_the_one_counts_that_parses_and_defines_what_is_needed() -> None:
    program = layout()
    gene = genes(program)[4]
    good = block("FCT", "kernel = 4")
    for others in ("print(FCT())\n" * 9, "class FCT(:\n" * 9, block("Wrong", "y = " + "1" * 99)):
        for reply in (fence(others) + fence(good), fence(good) + fence(others)):
            edited = read_gene(reply, program, gene)
            assert isinstance(edited, Program)
            assert edited == replace(program, gene, good)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("No code at all.", "no fenced code block"),
        ("```python```", "no fenced code block"),
        ("```python\n", "empty"),
        ("```\nclass FCT:\n    kernel =\n```", "does not parse"),
        (fence(block("FCT")), "unchanged"),
        (fence(layout().source.replace("# EVOLVE", "#")), "alone"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_the_reason(reply: str, reason: str) -> None:
    program = layout()
    rejected = read_gene(reply, program, genes(program)[4])
    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason


def test_a_reply_with_markers_gives_its_block_and_nothing_else() -> None:
    program = layout()
    gene = genes(program)[4]
    other = layout(FCT="kernel = 4", EVE="sneaky = 1")
    edited = read_gene(fence(other.source), program, gene)
    assert edited == layout(FCT="kernel = 4")
    marked = f"# EVOLVE-BLOCK-START\n{block('FCT', 'kernel = 4')}# EVOLVE-BLOCK-END\n"
    assert read_gene(fence(marked), program, gene) == layout(FCT="kernel = 4")
    open_ = read_gene(fence("# EVOLVE-BLOCK-START\nx = 1\n"), program, gene)
    assert isinstance(open_, Rejected)


def test_the_surroundings_of_a_block_are_all_else_with_a_line_in_its_place() -> None:
    program = layout()
    middle = next(gene for gene in genes(program) if gene.name == "ME")
    [(path, around)] = surroundings(program, middle).items()
    assert path == "network.py"
    assert "\n[the block ME]\n\n# EVOLVE-BLOCK-START DW\n" in around
    assert "class ME" not in around
    assert "Leave its name" not in around, "its note is shown with it"
    assert all(f"class {name}:" in around for name in NAMES if name != "ME")
    plain = Program(files={"a.py": "x = 1\n", "b.py": "y = 2\n"})
    assert surroundings(plain, genes(plain)[0]) == {"b.py": "y = 2\n"}
