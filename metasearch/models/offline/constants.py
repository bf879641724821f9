"""Mutations of numeric constants."""

from __future__ import annotations

import math
import random
from typing import cast

import libcst as cst

from metasearch.models.offline import fresh, tree
from metasearch.models.offline.draft import Draft
from metasearch.models.offline.tree import Site

_FLOATING = (cst.BinaryOperation, cst.ComparisonTarget, cst.AugAssign)


def tune(draft: Draft) -> cst.Module | None:
    """One constant a little larger or smaller, now and then much."""
    if not draft.numbers:
        return None
    site = draft.rng.choice(draft.numbers)
    place, value = _signed(site)
    return fresh.put(place, _varied(draft, site, value))


def tune_some(draft: Draft) -> cst.Module | None:
    """Several constants at once, each by a small step."""
    rng = draft.rng
    floats = [site for site in draft.numbers if isinstance(site.node, cst.Float)]
    if len(floats) < 2:
        return None
    some = rng.choice((2, 2, 3, 4, 6, len(floats) // 3, len(floats)))
    sigma = rng.choice((0.01, 0.03, 0.1))
    changes: dict[int, cst.CSTNode] = {}
    for site in rng.sample(floats, min(max(some, 2), len(floats))):
        place, value = _signed(site)
        scale = _scale(site) or abs(value) or rng.choice((0.1, 1.0))
        new = value + scale * rng.gauss(0, sigma)
        changes[id(place.node)] = fresh.fitted(place, fresh.spell(new))
    return tree.replace_all(draft.module, changes)


def flip_sign(draft: Draft) -> cst.Module | None:
    """A constant with its sign turned."""
    sites = [s for s in draft.numbers if not draft.integral(s)]
    if not sites:
        return None
    site = draft.rng.choice(sites)
    code = tree.code_of(site.node)
    match site.up:
        case cst.UnaryOperation(operator=cst.Minus()) if site.parent is not None:
            return fresh.put(site.parent, code)
    return fresh.put(site, f"-{code}")


def _signed(site: Site) -> tuple[Site, float]:
    """A constant with its sign: what to replace, and the value."""
    value = _value(site.node)
    match site.up:
        case cst.UnaryOperation(operator=cst.Minus()) if site.parent is not None:
            return site.parent, -value
    return site, value


def _scale(site: Site) -> float:
    """How large the numbers of the list are in which a constant stands; 0 if in none."""
    for above in site.ancestors():
        if isinstance(above.node, cst.List):
            parts = list(tree.subtree(above.node))
            values = [_value(part) for part in parts if isinstance(part, cst.Float)]
            return math.sqrt(sum(v * v for v in values) / len(values)) if values else 0.0
        if not isinstance(above.node, cst.Element | cst.UnaryOperation | cst.Tuple):
            break
    return 0.0


def _value(node: cst.CSTNode) -> float:
    if isinstance(node, cst.Integer | cst.Float):
        try:
            return float(node.evaluated_value)
        except OverflowError:
            return 1.0
    return 0.0


def _varied(draft: Draft, site: Site, value: float) -> str:
    node, rng = site.node, draft.rng
    if isinstance(node, cst.Integer):
        floating = isinstance(site.up, _FLOATING) and not draft.integral(site)
        if floating and abs(value) < 1e6 and rng.random() < 0.4:
            return fresh.spell(_real(value, rng, 0.0))
        return str(_whole(node.evaluated_value, rng))
    return fresh.spell(_real(value, rng, _scale(site)))


def _step(rng: random.Random) -> float:
    sigma = rng.choices((0.01, 0.05, 0.15, 0.4, 1.0), weights=(1, 2, 3, 3, 1))[0]
    return math.exp(rng.gauss(0, sigma))


def _real(value: float, rng: random.Random, scale: float) -> float:
    roll = rng.random()
    if scale and (value == 0 or roll < 0.5):
        return value + scale * rng.gauss(0, rng.choice((0.1, 0.5, 1.0)))
    if value == 0:
        return rng.gauss(0, rng.choice((0.01, 0.1, 1.0)))
    if roll < 0.75:
        return value * _step(rng)
    if roll < 0.9:
        return value + rng.gauss(0, rng.choice((0.01, 0.05, 0.2)))
    return value * rng.choice((0.5, 2.0, 0.1, 10.0, 0.75, 1.5))


def _whole(value: int, rng: random.Random) -> int:
    roll = rng.random()
    sign = -1 if rng.random() < 0.5 else 1
    if roll < 0.55 or value == 0:
        new = value + sign
    elif roll < 0.75:
        new = value + sign * rng.randint(2, 5)
    elif roll < 0.9:
        new = value * 2 if sign > 0 else value // 2
    else:
        new = round(value * _step(rng))
    if new < 0 <= value and rng.random() < 0.9:
        new = abs(new)
    return new if new != value else value + 1


def varied_copy(node: cst.BaseElement, rng: random.Random) -> cst.BaseElement:
    """A copy in which most numbers have moved a little."""
    changes: dict[int, cst.CSTNode] = {}
    for part in tree.subtree(node):
        if rng.random() < 0.3:
            continue
        if isinstance(part, cst.Float):
            changes[id(part)] = cst.Float(fresh.spell(abs(_real(_value(part), rng, 0.0))))
        elif isinstance(part, cst.Integer):
            changes[id(part)] = cst.Integer(str(abs(_whole(part.evaluated_value, rng))))
    return cast(cst.BaseElement, tree.rebuilt(node, changes))
