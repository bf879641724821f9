"""A program as a genome: the texts between its EVOLVE-BLOCK markers, each a gene with a name.

A marker line may name its block (``# EVOLVE-BLOCK-START optimizer``), and the comment lines
straight above it are the block's note: models read it, and as protected text it stays. A
program without markers has one gene for each file.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from metasearch.operators.edits import UNCHANGED, does_not_parse, fences
from metasearch.program import Program, RegionError, blocks, protected_text, protection_breach
from metasearch.step import Rejected

_START = re.compile(r"(.*?)EVOLVE-BLOCK-START(.*)")
_MARKER = "EVOLVE-BLOCK-"
_COMPARED = 8_000
"""Characters of a gene by which it is told how far it has gone."""
_CALLABLE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Gene:
    """One block of a program."""

    path: str
    place: int
    """Which of the file's blocks it is, from 0."""
    name: str
    """From its marker line; else from its file, or its place."""
    text: str
    note: str = ""
    """The comment above its marker line, marks of the language included."""


def genes(program: Program) -> list[Gene]:
    """The blocks of a program, in the order of its files and lines; those that are empty too.

    Raises:
        RegionError: If markers do not pair up.
    """
    if not protected_text(program):
        return [Gene(path, 0, path, text) for path, text in program.files.items()]
    return [gene for path, text in program.files.items() for gene in _of_file(path, text)]


def replace(program: Program, gene: Gene, text: str) -> Program:
    """The program with another text in the gene's place; ``gene.text`` gives the same program.

    Raises:
        ValueError: If the program has no such place, or becomes too large.
    """
    if not protected_text(program):
        return program.replace({gene.path: text})
    lines = program.files[gene.path].splitlines(keepends=True)
    ranges = blocks(program.files[gene.path], gene.path) or []
    if gene.place >= len(ranges):
        raise ValueError(f"{gene.path} has no block {gene.place}")
    start, end = ranges[gene.place]
    if text and not text.endswith("\n"):
        text += "\n"
    return program.replace({gene.path: "".join([*lines[:start], text, *lines[end:]])})


def surroundings(program: Program, gene: Gene) -> dict[str, str]:
    """The files of a program around a gene: a line tells where it stands, its note is left out.

    A file that is the gene itself is not among them.
    """
    around = dict(program.files)
    text = around.pop(gene.path)
    if protected_text(program):
        lines = text.splitlines(keepends=True)
        start, end = (blocks(text, gene.path) or [])[gene.place]
        before = "".join(lines[: start - 1]).removesuffix(gene.note)
        after = "".join(lines[end + 1 :])
        around = {gene.path: f"{before}[the block {gene.name}]\n{after}", **around}
    return around


def differing(program: Program, other: Program) -> list[tuple[Gene, Gene]]:
    """The genes whose texts differ between two programs, as pairs; in the first one's order."""
    others = {(gene.path, gene.place): gene for gene in genes(other)}
    pairs = ((gene, others.get((gene.path, gene.place))) for gene in genes(program))
    return [(gene, same) for gene, same in pairs if same and gene.text != same.text]


def departures(program: Program, origin: Program) -> tuple[float, ...]:
    """How far a program has gone from each gene of another one: 0 not at all, 1 nothing is left."""
    own = {(gene.path, gene.place): gene.text for gene in genes(program)}
    return tuple(
        Indel.normalized_distance(
            gene.text[:_COMPARED], own.get((gene.path, gene.place), "")[:_COMPARED]
        )
        for gene in genes(origin)
    )


def in_use(program: Program, task: str) -> list[Gene]:
    """The genes worth changing: all but those that nothing refers to.

    A gene is dead if none of the names that it defines is mentioned in the task or elsewhere
    in the program: changing it changes nothing. If all seem dead, none is.
    """
    found = genes(program)
    alive = []
    for gene in found:
        names = _defined(gene.path, gene.text)
        elsewhere = f"{_elsewhere(program, gene)}\n{task}"
        if not names or names & _words(elsewhere):
            alive.append(gene)
    return alive or found


def needed_names(program: Program, gene: Gene) -> frozenset[str]:
    """Names that a new text of a gene has to define, if it is Python code.

    Those that the rest of the program mentions. If there is none, the gene is dead or has
    what the evaluator calls: then all its public functions and classes.
    """
    used = _defined(gene.path, gene.text) & _words(_elsewhere(program, gene))
    public = _defined(gene.path, gene.text, _CALLABLE)
    return used or frozenset(name for name in public if not name.startswith("_"))


def read_gene(reply: str, program: Program, gene: Gene) -> Program | Rejected:
    """The program with the gene that a reply gives in a fenced code block.

    Of several fences the longest one counts that parses and defines what the rest of the
    program needs. The names of files on fences mean nothing here.
    """
    found = fences(reply.replace("\r\n", "\n"))
    if not found:
        return Rejected("the answer holds no fenced code block")
    refused = None
    for fence in sorted(found, key=lambda fence: -len(fence.text)):
        edited = _with_gene(fence.text, program, gene)
        if isinstance(edited, Program):
            return edited
        refused = refused or edited
    assert refused is not None
    return refused


def _with_gene(text: str, program: Program, gene: Gene) -> Program | Rejected:
    protected = protected_text(program)
    if protected and _MARKER in text:
        inner = _between_markers(text, gene)
        if isinstance(inner, Rejected):
            return inner
        text = inner
    elif protected and _is_whole_file(text, protected[gene.path]):
        return Rejected(
            f"give the text of the block {gene.name!r} alone, without what surrounds it"
        )
    if not text.strip():
        return Rejected("the code block is empty")
    try:
        edited = replace(program, gene, text)
    except ValueError as error:
        return Rejected(str(error))
    if edited.files == program.files:
        return UNCHANGED
    if (breach := protection_breach(program, edited)) is not None:
        return Rejected(breach)
    if (fault := does_not_parse(edited)) is not None:
        return fault
    missing = needed_names(program, gene) - _defined(gene.path, text)
    if missing:
        return Rejected(f"the block {gene.name!r} no longer defines {', '.join(sorted(missing))}")
    return edited


def _between_markers(text: str, gene: Gene) -> str | Rejected:
    """The gene's text out of an answer that carries marker lines all the same."""
    try:
        inner = _of_file(gene.path, text)
    except RegionError as error:
        return Rejected(str(error))
    by_name = [other.text for other in inner if other.name == gene.name]
    if len(inner) == 1 or len(by_name) == 1:
        return by_name[0] if by_name else inner[0].text
    return Rejected(f"give the block {gene.name!r} alone, without marker lines")


def _is_whole_file(text: str, around: tuple[str, ...]) -> bool:
    lines = [line.strip() for part in around for line in part.splitlines()]
    telling = {line for line in lines if len(line) > 3 and _MARKER not in line}
    return len(telling) > 1 and telling <= {line.strip() for line in text.splitlines()}


def _of_file(path: str, text: str) -> list[Gene]:
    ranges = blocks(text, path) or []
    lines = text.splitlines(keepends=True)
    found: list[Gene] = []
    for place, (start, end) in enumerate(ranges):
        match = _START.match(lines[start - 1])
        assert match is not None
        name = match[2].strip(" \t\r\n:-=*/#<>!.")[:80]
        if not name:
            name = path if len(ranges) == 1 else f"{path}, block {place + 1}"
        taken = sum(gene.name == name for gene in found)
        name = f"{name} ({taken + 1})" if taken else name
        note = "".join(_note(lines[: start - 1], match[1].strip()))
        found.append(Gene(path, place, name, "".join(lines[start:end]), note))
    return found


def _note(above: list[str], mark: str) -> Iterator[str]:
    """The comment lines that end a text, in order; ``mark`` begins a comment line."""
    first = len(above)
    while mark and first and above[first - 1].strip().startswith(mark):
        if _MARKER in above[first - 1]:
            break
        first -= 1
    return iter(above[first:])


def _elsewhere(program: Program, gene: Gene) -> str:
    """The whole text of a program but the gene, and but what marker lines say."""
    others = [text for path, text in program.files.items() if path != gene.path]
    if not protected_text(program):
        return "\n".join(others)
    lines = program.files[gene.path].splitlines(keepends=True)
    start, end = (blocks(program.files[gene.path], gene.path) or [])[gene.place]
    around = [line for line in (*lines[:start], *lines[end:]) if _MARKER not in line]
    return "\n".join([*others, *around])


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d]\w*", text))


def _defined(
    path: str, text: str, kinds: tuple[type[ast.stmt], ...] = (ast.stmt,)
) -> frozenset[str]:
    """What statements of a text of Python bind at its top level; nothing if it is no Python."""
    if not path.endswith(".py"):
        return frozenset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    found: set[str] = set()
    for node in tree.body:
        match node:
            case _ if not isinstance(node, kinds):
                continue
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign():
                parts = [part for target in node.targets for part in ast.walk(target)]
                found |= {n.id for n in parts if isinstance(n, ast.Name) and _stored(n)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Import() | ast.ImportFrom():
                found |= {(n.asname or n.name).partition(".")[0] for n in node.names}
    return frozenset(found)


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
