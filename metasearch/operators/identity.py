"""When two programs are the same, whatever their text: told before either is measured again.

Left out is what cannot change what a program does: formatting, comments, docstrings and the
names of local variables in Python, formatting and comments in languages with braces.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath
from types import CodeType

from metasearch.program import Program

NORMALISED = 100_000
"""Characters of a program up to which anything but its plain text is looked at."""
BRACES = frozenset(
    {
        ".c",
        ".cc",
        ".cpp",
        ".cs",
        ".cu",
        ".cuh",
        ".cxx",
        ".go",
        ".h",
        ".hpp",
        ".java",
        ".js",
        ".kt",
        ".mjs",
        ".rs",
        ".scala",
        ".swift",
        ".ts",
        ".zig",
    }
)
_SEES_ITSELF = re.compile(
    r"\b(?:__doc__|__file__|__code__|__annotations__|inspect|linecache|traceback|_getframe"
    r"|locals|vars|eval|exec|dis)\b"
)
"""A program that uses one of these may depend on its own text."""
_BRACED = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<space>\s+)"""
    # Strings may end with the line or the file: what always matches is never tried twice.
    r"""|(?P<text>'(?:\\.|[^'\\\n])*(?:'|(?=\n)|\\?\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)"""
    r"""|`[^`]*(?:`|\Z)|.)""",
    re.S,
)


def identity(program: Program) -> int:
    """A signed 64-bit number that programs share if they do the same for the reasons above."""
    sha = hashlib.sha256()
    plain = sum(map(len, program.files.values())) > NORMALISED or any(
        _SEES_ITSELF.search(text) for path, text in program.files.items() if path.endswith(".py")
    )
    for path in sorted(program.files):
        text = program.files[path]
        data = encoded(text) if plain else _normalised(path, text)
        for part in (encoded(path), data):
            sha.update(len(part).to_bytes(8, "big") + part)
    return signed(sha.digest())


def _normalised(path: str, text: str) -> bytes:
    suffix = PurePosixPath(path).suffix
    if suffix == ".py":
        code = _compiled(text)
        if code is not None:
            return hashlib.sha256(repr(_essence(code)).encode()).digest()
    if suffix in BRACES:
        return encoded("".join(without_layout(text)))
    return encoded(text)


def _compiled(text: str) -> CodeType | None:
    tree = parsed(text)
    if tree is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(tree, "program", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parsed(text: str) -> ast.Module | None:
    """A Python file without its docstrings; ``None`` if it is none that this Python knows."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            for node in ast.walk(tree):
                if isinstance(
                    node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                ):
                    _drop_docstring(node)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


def _drop_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> None:
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str())) as first, *rest]:
            node.body = rest or [ast.copy_location(ast.Pass(), first)]


def _essence(code: CodeType) -> tuple[object, ...]:
    """What a code object does. Local variables have numbers in it, and only their names differ.

    Names of parameters stay, because they may be given by name.
    """
    parameters = code.co_argcount + code.co_kwonlyargcount
    parameters += bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return (
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        code.co_varnames[:parameters],
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        (len(code.co_varnames), len(code.co_cellvars), len(code.co_freevars)),
        tuple(map(_constant, code.co_consts)),
    )


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return _essence(value)
    if isinstance(value, tuple):
        return tuple(map(_constant, value))
    if isinstance(value, frozenset):  # its own order depends on the process
        return ("frozenset", *sorted(map(repr, map(_constant, value))))
    return repr(value)


def without_layout(text: str) -> Iterator[str]:
    """A file of a language with braces: no comments, no indentation, no repeated space."""
    gap = ""
    for found in _BRACED.finditer(text):
        if found["text"] is None:
            kind = "\n" if "\n" in found[0] else " "
            gap = "\n" if "\n" in (gap, kind) else kind
            continue
        yield gap + found["text"]
        gap = ""


def signed(digest: bytes) -> int:
    """The first 64 bits of a digest as a number that SQLite can hold."""
    return int.from_bytes(digest[:8], "big", signed=True)


def encoded(text: str) -> bytes:
    """Any text as bytes, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")
