"""New small expressions, and putting an expression's text at a place."""

from __future__ import annotations

import math
import random

import libcst as cst

from metasearch.models.offline import tree
from metasearch.models.offline.draft import Draft
from metasearch.models.offline.kinds import NUMERIC, Kind
from metasearch.models.offline.tree import Site

_ATOMS = (cst.Name, cst.Call, cst.Subscript, cst.Attribute, cst.List, cst.SimpleString)
_TIGHT = (
    cst.BinaryOperation,
    cst.UnaryOperation,
    cst.BooleanOperation,
    cst.Comparison,
    cst.ComparisonTarget,
    cst.IfExp,
    cst.Attribute,
    cst.Subscript,
)
_SCALAR = ("sin", "cos", "sqrt", "exp", "tanh", "floor", "atan", "log")
_ARRAYWISE = ("sin", "cos", "sqrt", "exp", "tanh", "floor", "abs", "square", "log1p")


def put(site: Site, code: str) -> cst.Module:
    """The module with the expression that ``code`` spells at a site."""
    return tree.replace(site, fitted(site, code))


def fitted(site: Site, code: str) -> cst.BaseExpression:
    """The expression that ``code`` spells, in parentheses if it needs them at a site."""
    node = cst.parse_expression(code)
    if isinstance(site.up, _TIGHT) and not isinstance(node, _ATOMS) and not node.lpar:
        negative = code.startswith("-")
        if negative or not isinstance(node, cst.Integer | cst.Float):
            return cst.parse_expression(f"({code})")
    return node


def inner(node: cst.CSTNode) -> str:
    """A node's text, in parentheses unless it binds tightly already."""
    code = tree.code_of(node)
    if isinstance(node, (*_ATOMS, cst.Integer, cst.Float)):
        return code
    return code if getattr(node, "lpar", ()) else f"({code})"


def spell(value: float) -> str:
    """A float in few digits, always with a point or exponent."""
    if not math.isfinite(value):
        return "1.0"
    text = f"{value:.6g}"
    return text if any(mark in text for mark in ".e") else f"{text}.0"


def factor(rng: random.Random) -> float:
    """A factor near 1, now and then far from it."""
    sigma = rng.choice((0.02, 0.1, 0.3))
    return math.exp(rng.gauss(0, sigma))


def constant(rng: random.Random) -> str:
    """A number out of nothing: plain ones and log-uniform ones."""
    if rng.random() < 0.4:
        return rng.choice(("0.5", "2", "1", "3", "0.1", "10"))
    value = 10 ** rng.uniform(-3, 2)
    return spell(value if rng.random() < 0.75 else -value)


def number(draft: Draft, site: Site, depth: int = 2) -> str:
    """An expression that gives one number, from constants and names in scope."""
    rng = draft.rng
    names = draft.names_of(site, NUMERIC)
    if not names or rng.random() < 0.15:
        return constant(rng)
    name = rng.choice(names)
    roll = rng.random()
    if depth <= 0 or roll < 0.3:
        return name
    if roll < 0.5:
        return f"{spell(float(constant(rng)))} * {name}"
    if roll < 0.75:
        return _function(draft, site, number(draft, site, depth - 1))
    operator = rng.choice(("+", "-", "*", "*", "%", "/"))
    right = constant(rng) if operator in "%/" else number(draft, site, depth - 1)
    return f"({name} {operator} {closed(right)})"


def closed(code: str) -> str:
    """Text of an expression that may stand beside an operator."""
    plain = code.replace(".", "").replace("_", "").isalnum() or code.endswith(")")
    return code if plain else f"({code})"


def _function(draft: Draft, site: Site, argument: str) -> str:
    rng = draft.rng
    readable = draft.readable(site)
    library = next((name for name in ("math", "np", "numpy") if name in readable), None)
    if library is None or rng.random() < 0.25:
        return f"abs({argument})"
    if rng.random() < 0.6:
        turned = spell(float(constant(rng)))
        return f"{library}.{rng.choice(('sin', 'cos'))}({turned} * {closed(argument)})"
    name = rng.choice(_SCALAR)
    if name == "atan" and library != "math":
        name = "arctan"
    if name in ("sqrt", "log"):
        argument = f"abs({argument})" if name == "sqrt" else f"1 + abs({argument})"
    return f"{library}.{name}({argument})"


def whole(draft: Draft, site: Site) -> str:
    """An expression that gives a whole number."""
    rng = draft.rng
    names = draft.names_of(site, {Kind.INTEGER})
    if rng.random() < 0.25:
        names += [f"len({name})" for name in draft.names_of(site, {Kind.SEQUENCE})]
    if not names or rng.random() < 0.3:
        return str(rng.choice((0, 1, 2, 3, 4, 5, 8)))
    name = rng.choice(names)
    roll = rng.random()
    if roll < 0.5:
        return name
    if roll < 0.75:
        return f"{name} {rng.choice('+-')} {rng.choice((1, 1, 2))}"
    return f"{name} {rng.choice(('%', '//', '*'))} {rng.choice((2, 2, 3, 4))}"


def array(draft: Draft, site: Site, depth: int = 2) -> str:
    """An expression that gives an array shaped like one in scope."""
    rng = draft.rng
    names = draft.names_of(site, {Kind.ARRAY})
    if not names:
        return number(draft, site, depth)
    name = rng.choice(names)
    roll = rng.random()
    if depth <= 0 or roll < 0.25:
        return name
    if roll < 0.5:
        operator = rng.choice(("+", "-", "*", "/"))
        return f"({name} {operator} {closed(number(draft, site, 0))})"
    if roll < 0.65 and "np" in draft.readable(site):
        function = rng.choice(_ARRAYWISE)
        return f"np.{function}({array(draft, site, depth - 1)})"
    if roll < 0.8 and "np" in draft.readable(site):
        return f"np.{rng.choice(('minimum', 'maximum'))}({name}, {number(draft, site, 0)})"
    right = closed(array(draft, site, depth - 1))
    return f"({name} {rng.choice(('+', '-', '*'))} {right})"


def truth(draft: Draft, site: Site) -> str:
    """A comparison of a name in scope with another one or with a constant."""
    rng = draft.rng
    integers = draft.names_of(site, {Kind.INTEGER})
    numbers = draft.names_of(site, NUMERIC)
    if integers and rng.random() < 0.5:
        name = rng.choice(integers)
        roll = rng.random()
        if roll < 0.35:
            return f"{name} == {rng.randrange(0, 25)}"
        if roll < 0.65:
            step = rng.choice((2, 2, 3, 4))
            return f"{name} % {step} == {rng.randrange(step)}"
        return f"{name} {rng.choice(('<', '>'))} {rng.randrange(1, 25)}"
    if not numbers:
        return "True"
    left = rng.choice(numbers)
    right = rng.choice(numbers) if rng.random() < 0.3 else constant(rng)
    return f"{left} {rng.choice(('<', '>'))} {right}"


def of_kind(draft: Draft, site: Site, kind: Kind) -> str | None:
    """A new expression of a kind, or ``None`` if none can be made of it."""
    if kind is Kind.INTEGER and draft.integral(site):
        return whole(draft, site)
    match kind:
        case Kind.INTEGER | Kind.NUMBER:
            return number(draft, site)
        case Kind.ARRAY:
            return array(draft, site)
        case Kind.TRUTH:
            return truth(draft, site)
        case Kind.MASK:
            arrays = draft.names_of(site, {Kind.ARRAY})
            if arrays:
                compared = draft.rng.choice(("<", ">", "<=", ">="))
                free = draft.rng.random() < 0.6
                bound = constant(draft.rng) if free else number(draft, site, 0)
                return f"{draft.rng.choice(arrays)} {compared} {bound}"
    return None
