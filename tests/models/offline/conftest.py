"""Prompts as the strategies write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from metasearch.formats import COMPLETE_FILES, EDITS
from metasearch.operators.prompts import render_program
from metasearch.program import Program
from metasearch.prompts import Prompts

Messages = list[dict[str, str]]
Prompt = Callable[..., Messages]

ROOT = Path(__file__).parents[3] / "examples"


@pytest.fixture
def prompt() -> Prompt:
    def write(
        files: Mapping[str, str],
        inspirations: Sequence[Mapping[str, str]] = (),
        answer_format: str = COMPLETE_FILES,
    ) -> Messages:
        parts = [f"## Current program\n{render_program(Program(files=dict(files)))}"]
        parts.append("Result: score = 1\nIt printed:\n```\nimport fake\nx = 1\n```")
        for number, other in enumerate(inspirations):
            shown = render_program(Program(files=dict(other)))
            parts.append(f"## Inspiration #{number}\n{shown}\nResult: score = 2")
        parts.append("## Now\nPropose a change.")
        name = next(name for name, line in EDITS.items() if line == answer_format)
        rules = Prompts().render(f"answer_{name}", form=answer_format)
        return [
            {"role": "system", "content": f"# Answer\n{rules}"},
            {"role": "user", "content": "\n\n".join(parts)},
        ]

    return write


@pytest.fixture(scope="session")
def circle_source() -> str:
    return (ROOT / "circle_packing" / "program.py").read_text("utf-8")


@pytest.fixture(scope="session")
def bins_source() -> str:
    return (ROOT / "online_bin_packing" / "program.py").read_text("utf-8")
