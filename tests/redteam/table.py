"""Writes the table of attacks into docs/security.md: ``python -m tests.redteam.table``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from metasearch.testing.hostile_conformance import Attacks, Isolation
from metasearch.testing.sandbox_conformance import Outcomes
from tests.redteam.catalogue import ATTACKS, THEMES, TITLES
from tests.redteam.lying import LIES

FILE = Path(__file__).parents[2] / "docs" / "security.md"
_PART = re.compile(r"(<!-- attacks: [^\n]* -->\n).*(<!-- end of attacks -->)", re.DOTALL)


def rendered(text: str) -> str:
    """The page with its table as the suite has it."""
    found = _PART.search(text)
    assert found is not None, f"{FILE} has lost the marks around its table"
    return text[: found.end(1)] + "\n".join(_lines()) + "\n" + text[found.start(2) :]


def _lines() -> Iterator[str]:
    lies = sum(map(len, LIES.values()))
    yield ""
    yield (
        f"{len(ATTACKS)} attacks, {lies} lies told to the evaluators that we ship, and "
        f"{len(_conformance())} behaviours of the conformance suite."
    )
    for theme, attacks in THEMES.items():
        yield from ("", f"### {TITLES[theme]}", "", "| Attack | What becomes of it |", "|---|---|")
        for attack in attacks:
            yield f"| {_cell(attack.name)} | {attack.ending} |"
    yield from ("", "### Outputs that lie, told to our own evaluators", "")
    yield from ("| Evaluator | Lie | What becomes of it |", "|---|---|---|")
    for path, told in LIES.items():
        for lie in told:
            yield f"| {path.rpartition('/')[2]} | {_cell(lie.name)} | {lie.ending} |"
    yield from ("", "### In the conformance suite", "")
    yield from (f"- {behaviour}" for behaviour in _conformance())
    yield ""


def _conformance() -> list[str]:
    """The hostile ones among the behaviours that every provider is tested for."""
    names: list[str] = []
    for group in (Outcomes, Isolation, Attacks):
        names += [
            name.removeprefix("test_").replace("_", " ")
            for name, _ in inspect.getmembers(group, inspect.isfunction)
            if name.startswith("test_")
        ]
    return names


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    FILE.write_text(rendered(FILE.read_text("utf-8")), "utf-8")
