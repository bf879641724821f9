"""Shortcuts: sequences of edits that worked, with places to be filled, performed as a whole.

After Mobile-Agent-E (arXiv 2501.11733). A place is written ``<name>``, and only the names that a
shortcut declares are places; what is put into them is never read again for further ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from metasearch.operators.blocks import Block, Creation, Deletion
from metasearch.operators.edits import apply_edits
from metasearch.program import Program
from metasearch.step import Rejected

Operation = tuple[str, Mapping[str, str]]
"""``replace`` (path, search, text), ``create`` (path, text) or ``delete`` (path)."""

_FIELDS = {"replace": {"path", "search", "text"}, "create": {"path", "text"}, "delete": {"path"}}


def perform(
    sequence: Sequence[Operation], arguments: Mapping[str, str], program: Program
) -> Program | Rejected:
    """The program after a shortcut: all of its operations, or none.

    Args:
        sequence: The operations, in their order.
        arguments: What goes into the places, by name.
        program: What it is performed on.
    """
    edits: list[Block | Creation | Deletion] = []
    for number, (name, fields) in enumerate(sequence, start=1):
        if set(fields) != _FIELDS.get(name):
            return Rejected(
                f"operation {number} of the shortcut is {name!r} with {sorted(fields)}; there are "
                + ", ".join(f"{known} with {sorted(needs)}" for known, needs in _FIELDS.items())
            )
        filled = {field: _fill(text, arguments) for field, text in fields.items()}
        if name == "replace":
            lines = filled["search"].split("\n"), filled["text"].split("\n")
            edits.append(Block(filled["path"], *lines))
        elif name == "create":
            edits.append(Creation(filled["path"], filled["text"].split("\n")))
        else:
            edits.append(Deletion(filled["path"]))
    return apply_edits(program, edits)


def _fill(text: str, arguments: Mapping[str, str]) -> str:
    if not arguments:
        return text
    places = "|".join(re.escape(name) for name in arguments)
    return re.sub(f"<({places})>", lambda match: arguments[match[1]], text)
