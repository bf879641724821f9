"""What kind of value a name or an expression has, guessed without running anything.

A rough guess is enough: it keeps most mutated programs running (a number goes where a number
was), and a wrong one costs a crashed candidate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

import libcst as cst


class Kind(Enum):
    """The kinds that decide what may stand in for what."""

    INTEGER = "integer"
    NUMBER = "number"
    ARRAY = "array"
    TRUTH = "truth"
    MASK = "mask"
    SEQUENCE = "sequence"
    TEXT = "text"
    FUNCTION = "function"
    MODULE = "module"
    OTHER = "other"


NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER})
REDUCTIONS = frozenset(
    {"sum", "max", "min", "mean", "median", "std", "var", "prod", "argmax", "argmin", "dot"}
    | {"norm", "count_nonzero", "ptp", "any", "all"}
)
"""numpy functions and methods that make one number of an array."""

ELEMENTWISE = frozenset(
    {"sin", "cos", "tan", "tanh", "exp", "log", "log1p", "sqrt", "abs", "floor", "ceil", "square"}
    | {"sign", "minimum", "maximum", "clip"}
)
"""numpy functions whose result has the shape of their arguments."""

_INTEGER_CALLS = frozenset({"len", "int", "ord", "round", "argmax", "argmin"})
_SEQUENCE_CALLS = frozenset(
    {"list", "sorted", "range", "tuple", "zip", "enumerate", "reversed", "set", "map", "filter"}
)
_FIRST_ARGUMENT_CALLS = frozenset({"abs", "min", "max", "sum", "pow"})
_ARITHMETIC_METHODS = frozenset({"copy", "clip", "astype", "cumsum", "reshape", "round", "flatten"})


def of_annotation(text: str) -> Kind:
    """The kind that a type annotation promises."""
    head = re.split(r"[\[|]", text.strip().strip("'\""), maxsplit=1)[0].strip()
    if "ndarray" in head or head.endswith("NDArray"):
        return Kind.ARRAY
    return {
        "int": Kind.INTEGER,
        "float": Kind.NUMBER,
        "bool": Kind.TRUTH,
        "str": Kind.TEXT,
        "list": Kind.SEQUENCE,
        "tuple": Kind.SEQUENCE,
        "Sequence": Kind.SEQUENCE,
        "Callable": Kind.FUNCTION,
    }.get(head, Kind.OTHER)


def of_expression(node: cst.CSTNode, names: Mapping[str, Kind]) -> Kind:
    """The kind of an expression, given those of names (``f()``: of what f returns)."""
    match node:
        case cst.Name():
            return _name(node, names)
        case cst.Integer():
            return Kind.INTEGER
        case cst.Float():
            return Kind.NUMBER
        case cst.BinaryOperation():
            return _binary(node, names)
        case cst.UnaryOperation():
            return _unary(node, names)
        case cst.Call():
            return _call(node, names)
        case cst.Subscript():
            return _subscript(node, names)
        case cst.Attribute():
            return _attribute(node)
        case cst.Comparison():
            return _comparison(node, names)
        case cst.BooleanOperation():
            return Kind.TRUTH
        case cst.IfExp():
            return of_expression(node.body, names)
        case cst.SimpleString() | cst.FormattedString():
            return Kind.TEXT
        case cst.List() | cst.Tuple() | cst.ListComp() | cst.GeneratorExp() | cst.Set():
            return Kind.SEQUENCE
        case cst.Lambda():
            return Kind.FUNCTION
    return Kind.OTHER


def _name(node: cst.Name, names: Mapping[str, Kind]) -> Kind:
    if node.value in ("True", "False"):
        return Kind.TRUTH
    return names.get(node.value, Kind.OTHER)


def _binary(node: cst.BinaryOperation, names: Mapping[str, Kind]) -> Kind:
    left, right = of_expression(node.left, names), of_expression(node.right, names)
    if left is Kind.TEXT:
        return Kind.TEXT
    for kind in (Kind.ARRAY, Kind.MASK, Kind.SEQUENCE):
        if kind in (left, right):
            return kind
    if left is right is Kind.INTEGER and not isinstance(node.operator, cst.Divide | cst.Power):
        return Kind.INTEGER
    return Kind.NUMBER


def _unary(node: cst.UnaryOperation, names: Mapping[str, Kind]) -> Kind:
    if isinstance(node.operator, cst.Not):
        return Kind.TRUTH
    return of_expression(node.expression, names)


def _comparison(node: cst.Comparison, names: Mapping[str, Kind]) -> Kind:
    sides = [node.left, *(target.comparator for target in node.comparisons)]
    return Kind.MASK if any(of_expression(s, names) is Kind.ARRAY for s in sides) else Kind.TRUTH


def _call(node: cst.Call, names: Mapping[str, Kind]) -> Kind:
    first = of_expression(node.args[0].value, names) if node.args else Kind.OTHER
    if isinstance(node.func, cst.Name):
        name = node.func.value
        if name in _FIRST_ARGUMENT_CALLS:
            return first if first in (Kind.ARRAY, Kind.INTEGER) else Kind.NUMBER
        if name in _INTEGER_CALLS:
            return Kind.INTEGER
        if name in _SEQUENCE_CALLS:
            return Kind.SEQUENCE
        return Kind.NUMBER if name == "float" else names.get(f"{name}()", Kind.OTHER)
    if not isinstance(node.func, cst.Attribute):
        return Kind.OTHER
    name = node.func.attr.value
    base = of_expression(node.func.value, names)
    if base is not Kind.MODULE:
        if base is Kind.ARRAY and name in _ARITHMETIC_METHODS:
            return Kind.ARRAY
        return Kind.NUMBER if name in REDUCTIONS else Kind.OTHER
    if name in ("floor", "ceil") and _module(node.func) == "math":
        return Kind.INTEGER
    if _module(node.func) in ("math", "random"):
        return Kind.NUMBER
    if _module(node.func) not in ("np", "numpy"):
        return Kind.OTHER
    if name in _INTEGER_CALLS and len(node.args) == 1:
        return Kind.INTEGER
    if name in REDUCTIONS and len(node.args) == 1:
        return Kind.NUMBER
    scalar = bool(node.args) and all(
        of_expression(argument.value, names) in NUMERIC for argument in node.args
    )
    return Kind.NUMBER if scalar and name in ELEMENTWISE else Kind.ARRAY


def _module(node: cst.Attribute) -> str:
    return node.value.value if isinstance(node.value, cst.Name) else ""


def _attribute(node: cst.Attribute) -> Kind:
    if node.attr.value in ("pi", "e", "tau", "inf"):
        return Kind.NUMBER
    return Kind.INTEGER if node.attr.value in ("size", "ndim") else Kind.OTHER


def _subscript(node: cst.Subscript, names: Mapping[str, Kind]) -> Kind:
    base = of_expression(node.value, names)
    if base not in (Kind.ARRAY, Kind.SEQUENCE, Kind.MASK):
        return Kind.OTHER
    for element in node.slice:
        if isinstance(element.slice, cst.Slice):
            return base
        index = element.slice
        if isinstance(index, cst.Index) and of_expression(index.value, names) in (
            Kind.ARRAY,
            Kind.MASK,
        ):
            return base
    return Kind.OTHER
