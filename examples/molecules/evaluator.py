"""Measures a molecule that is written in SELFIES: how drug-like it is, and how like known drugs.

The candidate is text and nothing of it runs, so it is read and measured here, outside the
sandbox. Any row of the alphabet's symbols is a molecule (Krenn et al., "Self-referencing embedded
strings", 2020), so all that can be wrong is an unknown symbol, or that nothing is left.
"""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from pathlib import Path

import selfies
from rdkit import Chem, DataStructs, RDLogger
from rdkit.Chem import QED, Descriptors, rdFingerprintGenerator, rdMolDescriptors
from rdkit.Chem.Draw import rdMolDraw2D

from metasearch.evaluation import BlockingCandidate, CandidateFailure, Outcome

KNOWN = Path(__file__).with_name("known.csv")
MAX_CHARACTERS = 2_000
"""Longer texts are not looked at: no drug needs a tenth of it."""
MAX_ATOMS = 60
"""Atoms besides hydrogen. Drawing and measuring a larger molecule takes too long."""

_SYMBOL = re.compile(r"\[[^\[\]]*\]")

RDLogger.DisableLog("rdApp.*")  # what is wrong with a molecule is told to the model instead


def evaluate(candidate: BlockingCandidate) -> dict[str, float]:
    """Drug-likeness, likeness to the nearest known drug, weight and rings of a molecule."""
    molecule = read(candidate.source)
    likeness, name = nearest(molecule)
    drug_likeness = float(QED.qed(molecule))
    candidate.attach("molecule.svg", draw(molecule))
    candidate.feedback(describe(molecule, drug_likeness, likeness, name))
    return {
        "qed": drug_likeness,
        "similarity": likeness,
        "weight": float(Descriptors.MolWt(molecule)),
        "rings": float(rdMolDescriptors.CalcNumRings(molecule)),
    }


def read(text: str) -> Chem.Mol:
    """The molecule that a text spells.

    Raises:
        CandidateFailure: If it is no row of known symbols, or no molecule that can be measured.
    """
    line = text.strip()
    if len(line) > MAX_CHARACTERS:
        raise _invalid(f"{len(line)} characters; at most {MAX_CHARACTERS} are read")
    if rest := _SYMBOL.sub("", line).strip():
        raise _invalid(f"{rest!r:.60} is no symbol in brackets; write one line such as [C][=O]")
    strange = sorted(set(_SYMBOL.findall(line)) - alphabet())
    if strange:
        raise _invalid(f"unknown symbols: {', '.join(strange)[:200]}; take those of the task")
    if not (smiles := selfies.decoder("".join(_SYMBOL.findall(line)))):
        raise _invalid("the symbols leave no atom; begin with one such as [C]")
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise _invalid(f"RDKit refuses the molecule {smiles[:200]}")
    if molecule.GetNumHeavyAtoms() > MAX_ATOMS:
        raise _invalid(f"{molecule.GetNumHeavyAtoms()} atoms; at most {MAX_ATOMS} are measured")
    return molecule


@cache
def alphabet() -> frozenset[str]:
    """The symbols of which every row is a molecule."""
    return frozenset(selfies.get_semantic_robust_alphabet())


def nearest(molecule: Chem.Mol) -> tuple[float, str]:
    """The largest Tanimoto similarity of Morgan fingerprints to a known drug, and its name."""
    names, prints = known()
    found = DataStructs.BulkTanimotoSimilarity(_fingerprint(molecule), prints)
    best = max(range(len(names)), key=found.__getitem__)
    return float(found[best]), names[best]


@lru_cache
def known() -> tuple[list[str], list[DataStructs.ExplicitBitVect]]:
    """Names and fingerprints of the known drugs."""
    with KNOWN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    prints = [_fingerprint(Chem.MolFromSmiles(row["smiles"])) for row in rows]
    return [row["name"] for row in rows], prints


@cache
def _generator() -> rdFingerprintGenerator.FingerprintGenerator64:
    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


def _fingerprint(molecule: Chem.Mol) -> DataStructs.ExplicitBitVect:
    return _generator().GetFingerprint(molecule)


def describe(molecule: Chem.Mol, drug_likeness: float, likeness: float, name: str) -> str:
    """What the molecule is, and how far each part of its drug-likeness is from what drugs have."""
    parts = QED.properties(molecule)
    return (
        f"{Chem.MolToSmiles(molecule)}, {rdMolDescriptors.CalcMolFormula(molecule)}: drug-likeness "
        f"{drug_likeness:.3f}; most like {name} ({likeness:.2f}).\n"
        f"Weight {parts.MW:.0f}, logP {parts.ALOGP:.1f}, acceptors {parts.HBA}, donors "
        f"{parts.HBD}, polar surface {parts.PSA:.0f}, rotatable bonds {parts.ROTB}, aromatic rings "
        f"{parts.AROM}, structural alerts {parts.ALERTS}."
    )


def draw(molecule: Chem.Mol) -> str:
    """The molecule as a picture."""
    drawing = rdMolDraw2D.MolDraw2DSVG(480, 360)
    rdMolDraw2D.PrepareAndDrawMolecule(drawing, molecule)
    drawing.FinishDrawing()
    return str(drawing.GetDrawingText())


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)
