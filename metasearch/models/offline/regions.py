"""The texts of a program that may change, as pieces that can be parsed by themselves."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from metasearch.models.offline.kinds import Kind, of_annotation
from metasearch.program import RegionError, blocks


@dataclass(frozen=True)
class Region:
    """One editable piece of a file: between markers, or the whole of it."""

    path: str
    number: int
    """Which of the file's pieces it is."""
    before: str
    text: str
    after: str

    @property
    def indent(self) -> str:
        """What all its lines begin with."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        flat = textwrap.dedent(self.text)
        first = next((line for line in flat.splitlines() if line.strip()), "")
        return lines[0][: len(lines[0]) - len(first)] if lines else ""

    @cached_property
    def outer(self) -> Mapping[str, Kind]:
        """Names that the rest of the file binds at its top level, with their kinds."""
        return _bound(self.before) | _bound(self.after)

    def inserted(self, text: str) -> str:
        """The whole file with another text in this place."""
        if self.text.endswith("\n") and not text.endswith("\n"):
            text += "\n"
        return self.before + text + self.after


def editable(files: Mapping[str, str]) -> list[Region]:
    """All pieces that may change: those between markers, or every file if there are none."""
    marked: list[Region] = []
    whole: list[Region] = []
    for path, text in files.items():
        try:
            ranges = blocks(text, path)
        except RegionError:
            ranges = None
        if ranges is None:
            whole.append(Region(path, 0, "", text, ""))
            continue
        lines = text.splitlines(keepends=True)
        for number, (start, end) in enumerate(ranges):
            parts = ("".join(lines[a:b]) for a, b in ((0, start), (start, end), (end, None)))
            before, inside, after = parts
            if inside.strip():
                marked.append(Region(path, number, before, inside, after))
    return marked or [region for region in whole if region.text.strip()]


def counterpart(region: Region, files: Mapping[str, str]) -> Region | None:
    """The same piece of another program."""
    for other in editable(files):
        if (other.path, other.number) == (region.path, region.number):
            return other
    return None


def _bound(text: str) -> dict[str, Kind]:
    """Top-level names of a part of a file. A part that does not parse alone binds none."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[str, Kind] = {}
    for node in tree.body:
        match node:
            case ast.Import(names=names):
                found |= {(n.asname or n.name).split(".")[0]: Kind.MODULE for n in names}
            case ast.ImportFrom(names=names):
                found |= {n.asname or n.name: Kind.FUNCTION for n in names}
            case ast.FunctionDef(name=name, returns=returns):
                found[name] = Kind.FUNCTION
                if returns is not None:
                    found[f"{name}()"] = of_annotation(ast.unparse(returns))
            case ast.ClassDef(name=name):
                found[name] = Kind.OTHER
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = _constant(value)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                found[name] = of_annotation(ast.unparse(annotation))
    return found


def _constant(node: ast.expr) -> Kind:
    match node:
        case ast.Constant(value=bool()):
            return Kind.TRUTH
        case ast.Constant(value=int()):
            return Kind.INTEGER
        case ast.Constant(value=float()) | ast.UnaryOp():
            return Kind.NUMBER
        case ast.Constant(value=str()):
            return Kind.TEXT
        case ast.List() | ast.Tuple():
            return Kind.SEQUENCE
    return Kind.OTHER
