"""Mutations of expressions: operators, operands, wrapping, replacing."""

from __future__ import annotations

from typing import TypeVar

import libcst as cst

from metasearch.models.offline import fresh, tree
from metasearch.models.offline.draft import Draft
from metasearch.models.offline.kinds import NUMERIC, Kind
from metasearch.models.offline.tree import Site

Node = TypeVar("Node", bound=cst.CSTNode)

_VALUES = NUMERIC | {Kind.ARRAY}

_ARITHMETIC: tuple[type[cst.BaseBinaryOp], ...] = (
    cst.Add,
    cst.Subtract,
    cst.Multiply,
    cst.Divide,
)
_WHOLE: tuple[type[cst.BaseBinaryOp], ...] = (cst.Add, cst.Subtract, cst.Multiply, cst.Modulo)
_COMPARISONS: tuple[type[cst.BaseCompOp], ...] = (
    cst.LessThan,
    cst.LessThanEqual,
    cst.GreaterThan,
    cst.GreaterThanEqual,
)
_AUGMENTED: tuple[type[cst.BaseAugOp], ...] = (
    cst.AddAssign,
    cst.SubtractAssign,
    cst.MultiplyAssign,
    cst.DivideAssign,
)


def swap_operator(draft: Draft) -> cst.Module | None:
    """Another operator between the same operands."""
    rng = draft.rng
    places = []
    for site in draft.sites:
        match site.node:
            case cst.BaseBinaryOp() if isinstance(site.up, cst.BinaryOperation):
                places.append(site)
            case cst.BaseCompOp() | cst.BaseBooleanOp() | cst.BaseAugOp():
                places.append(site)
    if not places:
        return None
    site = rng.choice(places)
    match site.node:
        case cst.BaseBinaryOp():
            assert site.parent is not None
            choices = _WHOLE if draft.kind(site.parent) is Kind.INTEGER else _ARITHMETIC
            return tree.replace(site, _other(draft, choices, site.node)())
        case cst.And():
            return tree.replace(site, cst.Or())
        case cst.Or():
            return tree.replace(site, cst.And())
        case cst.BaseAugOp():
            return tree.replace(site, _other(draft, _AUGMENTED, site.node)())
        case cst.Equal():
            return tree.replace(site, cst.NotEqual())
        case cst.NotEqual():
            return tree.replace(site, cst.Equal())
        case cst.LessThan() | cst.LessThanEqual() | cst.GreaterThan() | cst.GreaterThanEqual():
            return tree.replace(site, _other(draft, _COMPARISONS, site.node)())
    return None


def _other(draft: Draft, choices: tuple[type[Node], ...], node: cst.CSTNode) -> type[Node]:
    return draft.rng.choice([choice for choice in choices if not isinstance(node, choice)])


def swap_operands(draft: Draft) -> cst.Module | None:
    """``a - b`` as ``b - a``, or two arguments of a call the other way round."""
    rng = draft.rng
    places: list[Site] = []
    for site in draft.sites:
        match site.node:
            case cst.BinaryOperation(operator=cst.Subtract() | cst.Divide() | cst.Modulo()):
                places.append(site)
            case cst.Call(args=args) if len(args) > 1 and not any(
                a.star or a.keyword for a in args
            ):
                places.append(site)
    if not places:
        return None
    site = rng.choice(places)
    node = site.node
    if isinstance(node, cst.BinaryOperation):
        operator = tree.code_of(node.operator)
        return fresh.put(site, f"{fresh.inner(node.right)}{operator}{fresh.inner(node.left)}")
    assert isinstance(node, cst.Call)
    first, second = rng.sample(range(len(node.args)), 2)
    args = list(node.args)
    args[first] = args[first].with_changes(value=node.args[second].value)
    args[second] = args[second].with_changes(value=node.args[first].value)
    return tree.replace(site, node.with_changes(args=args))


def adjust(draft: Draft) -> cst.Module | None:
    """An expression times a factor near 1, or plus a small constant: one more thing to tune."""
    rng = draft.rng
    site = _pick(draft, _VALUES, constants=False)
    if site is None or draft.integral(site):
        return None
    code = fresh.inner(site.node)
    if rng.random() < 0.5:
        return fresh.put(site, f"{code} * {fresh.spell(fresh.factor(rng))}")
    amount = rng.choice((0.01, 0.05, 0.2)) * rng.gauss(0, 1)
    return fresh.put(site, f"{code} {'+' if amount > 0 else '-'} {fresh.spell(abs(amount))}")


def disturb(draft: Draft) -> cst.Module | None:
    """An expression plus or times something new that is made of names in scope."""
    rng = draft.rng
    site = _pick(draft, _VALUES)
    if site is None:
        return None
    code = fresh.inner(site.node)
    if draft.integral(site):
        return fresh.put(site, f"{code} {rng.choice('+-')} {rng.choice((1, 1, 2))}")
    new = fresh.of_kind(draft, site, draft.kind(site)) or fresh.constant(rng)
    roll = rng.random()
    if roll < 0.6:
        weight = fresh.spell(rng.choice((0.01, 0.03, 0.1, 0.3)))
        return fresh.put(site, f"{code} {rng.choice('+-')} {weight} * {_closed(new)}")
    return fresh.put(site, f"{code} {rng.choice('+-**/' if roll < 0.9 else '%')} {_closed(new)}")


def wrap(draft: Draft) -> cst.Module | None:
    """An expression inside a call or a choice: bounded, folded, or only under a condition."""
    rng = draft.rng
    site = _pick(draft, _VALUES)
    if site is None:
        return None
    kind = draft.kind(site)
    code = tree.code_of(site.node)
    other = fresh.of_kind(draft, site, kind) or fresh.constant(rng)
    if kind is Kind.ARRAY:
        return _wrap_array(draft, site, code, other)
    roll = rng.random()
    if roll < 0.4:
        return fresh.put(site, f"{rng.choice(('min', 'max'))}({code}, {other})")
    if roll < 0.75:
        return fresh.put(site, f"({code} if {fresh.truth(draft, site)} else {other})")
    return fresh.put(site, f"abs({fresh.inner(site.node)} - {fresh.closed(fresh.constant(rng))})")


def _wrap_array(draft: Draft, site: Site, code: str, other: str) -> cst.Module | None:
    rng = draft.rng
    if "np" not in draft.readable(site):
        return None
    roll = rng.random()
    if roll < 0.35:
        mask = fresh.of_kind(draft, site, Kind.MASK)
        return None if mask is None else fresh.put(site, f"np.where({mask}, {code}, {other})")
    if roll < 0.5:
        return fresh.put(site, f"np.{rng.choice(('minimum', 'maximum'))}({code}, {other})")
    if roll < 0.8:
        shifted = f"{fresh.inner(site.node)} - {fresh.closed(fresh.constant(rng))}"
        folds = (
            f"np.abs({shifted})",
            f"({shifted}) ** 2",
            f"{fresh.inner(site.node)} % {fresh.closed(other)}",
        )
        return fresh.put(site, rng.choice(folds))
    function = rng.choice(("abs", "sqrt", "exp", "square", "tanh", "sin", "floor", "sign"))
    return fresh.put(site, f"np.{function}({code})")


def substitute(draft: Draft) -> cst.Module | None:
    """Another expression of the same kind: new, or copied from elsewhere in the program."""
    rng = draft.rng
    site = _pick(draft, _VALUES | {Kind.TRUTH, Kind.MASK})
    if site is None:
        return None
    kind = draft.kind(site)
    if rng.random() < 0.5:
        pool = [
            other
            for other in draft.expressions
            if other.node is not site.node and _fits(draft, other, kind)
        ]
        rng.shuffle(pool)
        for other in pool[:8]:
            if draft.allows(site, tree.names_read(other.node)):
                return fresh.put(site, tree.code_of(other.node))
    new = fresh.of_kind(draft, site, kind)
    return None if new is None else fresh.put(site, new)


def simplify(draft: Draft) -> cst.Module | None:
    """An expression replaced by one of its own parts."""
    rng = draft.rng
    sites = [
        site
        for site in draft.expressions
        if isinstance(site.node, cst.BinaryOperation | cst.IfExp | cst.Call | cst.UnaryOperation)
    ]
    rng.shuffle(sites)
    for site in sites[:8]:
        kind = draft.kind(site)
        parts = [
            other
            for other in draft.expressions
            if other.parent is not None
            and (other.parent is site or other.parent.parent is site)
            and _fits(draft, other, kind)
        ]
        if parts:
            return fresh.put(site, tree.code_of(rng.choice(parts).node))
    return None


def rename(draft: Draft) -> cst.Module | None:
    """One use of a name as the use of another name of its kind."""
    rng = draft.rng
    sites = [site for site in draft.expressions if isinstance(site.node, cst.Name)]
    rng.shuffle(sites)
    for site in sites[:8]:
        node = site.node
        assert isinstance(node, cst.Name)
        kind = draft.kind(site)
        others = [name for name in draft.names_of(site, {kind}) if name != node.value]
        if kind is not Kind.OTHER and others:
            return fresh.put(site, rng.choice(others))
    return None


def _pick(draft: Draft, wanted: frozenset[Kind], *, constants: bool = True) -> Site | None:
    """An expression of a wanted kind; none that stands in a call's keyword or is a module."""
    sites = draft.expressions
    for _ in range(12):
        if not sites:
            return None
        site = draft.rng.choice(sites)
        if draft.kind(site) not in wanted:
            continue
        if constants or not isinstance(site.node, cst.Integer | cst.Float):
            return site
    return None


def _fits(draft: Draft, site: Site, kind: Kind) -> bool:
    own = draft.kind(site)
    return own is kind or (kind is Kind.NUMBER and own is Kind.INTEGER)


def _closed(code: str) -> str:
    return fresh.inner(cst.parse_expression(code))
