"""examples/molecules: programs that are SELFIES, measured without a sandbox."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import CandidateFailure, Outcome
from metasearch.models.offline import symbols
from metasearch.models.offline.reply import reply
from metasearch.operators.edits import read_edit
from metasearch.operators.prompts import render_program
from metasearch.program import Program
from tests.examples.conftest import load

pytest.importorskip("selfies", reason="needs the extra molecules: selfies is missing")
pytest.importorskip("rdkit", reason="needs the extra molecules: rdkit is missing")

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

FOLDER = Path(__file__).parents[2] / "examples" / "molecules"
BENZENE = "[C][=C][C][=C][C][=C][Ring1][=Branch1]"
ASPIRIN = "[C][C][=Branch1][C][=O][O][C][=C][C][=C][C][=C][Ring1][=Branch1][C][=Branch1][C][=O][O]"


class Written:
    """What the evaluator needs of a candidate: its text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.attached: dict[str, str] = {}
        self.said = ""

    def attach(self, name: str, content: str) -> None:
        self.attached[name] = content

    def feedback(self, text: str) -> None:
        self.said += text


@pytest.fixture(scope="module")
def evaluator() -> Any:
    return load(FOLDER / "evaluator.py", "molecules_evaluator")


@pytest.fixture(scope="module")
def task() -> str:
    return load_campaign(FOLDER).settings.task


def test_the_seed_is_scored_and_drawn(evaluator: Any) -> None:
    settings = load_campaign(FOLDER).settings
    seed = Written((FOLDER / settings.program.files[0]).read_text("utf-8"))
    scores = evaluator.evaluate(seed)
    assert set(scores) == {*settings.objectives, *settings.evaluator.metrics}
    assert scores["rings"] == 0
    assert scores["weight"] == pytest.approx(170.34, abs=0.01)
    assert seed.attached["molecule.svg"].rstrip().endswith("</svg>")
    assert "C12H26" in seed.said


def test_a_known_drug_is_found_again(evaluator: Any) -> None:
    one = Written(ASPIRIN)
    scores = evaluator.evaluate(one)
    assert scores["similarity"] == 1
    assert scores["qed"] == pytest.approx(0.550, abs=0.001)  # as published for aspirin
    assert "most like aspirin (1.00)" in one.said


def test_the_known_drugs_have_the_formulas_that_stand_beside_them() -> None:
    with (FOLDER / "known.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({Chem.CanonSmiles(row["smiles"]) for row in rows}) == 60
    for row in rows:
        assert CalcMolFormula(Chem.MolFromSmiles(row["smiles"])) == row["formula"], row["name"]


def test_the_task_names_only_symbols_of_the_alphabet_and_tells_benzene(
    evaluator: Any, task: str
) -> None:
    assert set(symbols.symbols_shown([task])) <= evaluator.alphabet()
    assert BENZENE in task.replace("\n", "")
    assert CalcMolFormula(evaluator.read(BENZENE)) == "C6H6"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no atom"),
        ("[Ring1]", "no atom"),
        ("CCO", "no symbol in brackets"),
        ("[C][Xx]", r"unknown symbols: \[Xx\]"),
        ("[C].[C]", "no symbol in brackets"),
        ("[C" * 100, "no symbol in brackets"),
        ("[C]" * 61, "61 atoms"),
        ("[C]" * 1000, "3000 characters"),
        ("[\N{SNOWMAN}]", "unknown symbols"),
        ("def f():\n    pass\n", "no symbol in brackets"),
    ],
)
def test_what_is_no_molecule_is_invalid_and_said_so(evaluator: Any, text: str, reason: str) -> None:
    with pytest.raises(CandidateFailure, match=reason) as caught:
        evaluator.evaluate(Written(text))
    assert caught.value.outcome is Outcome.INVALID
    assert len(caught.value.message) < 500


def test_symbols_may_stand_on_several_lines(evaluator: Any) -> None:
    assert CalcMolFormula(evaluator.read("[C][C]\n[O]\n")) == "C2H6O"


@pytest.mark.slow
def test_a_thousand_mutations_all_spell_molecules(evaluator: Any, task: str) -> None:
    """Each is made of the one before, by what the model answers to a prompt."""
    seed = Program(files={"molecule.selfies": (FOLDER / "molecule.selfies").read_text("utf-8")})
    aspirin = Program(files={"molecule.selfies": ASPIRIN})
    program, made = seed, set()
    for number in range(1_000):
        content = (
            f"{task}\n\n## Current program\n{render_program(program)}\n"
            f"## Inspiration #1\n{render_program(aspirin)}\nAnswer format: complete files\n"
        )
        child = read_edit(reply([{"role": "user", "content": content}], number), program)
        assert isinstance(child, Program), child
        try:
            made.add(Chem.MolToSmiles(evaluator.read(child.source)))
        except CandidateFailure as failure:
            # A molecule all the same; it is too large for the walk to go on from it.
            assert "atoms; at most" in failure.message  # noqa: PT017
            child = seed
        program = child
    assert len(made) > 500
