"""Mutations of library calls and of loop counts."""

from __future__ import annotations

import libcst as cst

from metasearch.models.offline import fresh, tree
from metasearch.models.offline.draft import Draft
from metasearch.models.offline.kinds import Kind
from metasearch.models.offline.tree import Site

_FAMILIES = (
    ("min", "max"),
    ("any", "all"),
    ("math.sin", "math.cos"),
    ("math.floor", "math.ceil"),
    ("math.sqrt", "abs", "math.log1p", "math.tanh", "math.atan"),
    ("np.sin", "np.cos"),
    ("np.min", "np.max", "np.mean", "np.median"),
    ("np.minimum", "np.maximum"),
    ("np.argmin", "np.argmax"),
    ("np.floor", "np.ceil", "np.round"),
    ("np.sqrt", "np.abs", "np.log1p", "np.tanh", "np.square", "np.arctan"),
    ("np.zeros", "np.ones"),
    ("np.zeros_like", "np.ones_like"),
    ("np.cumsum", "np.sort"),
)
_VARIADIC = frozenset({"min", "max"})
_RELATIVES: dict[str, list[str]] = {}
for _family in _FAMILIES:
    for _name in _family:
        _RELATIVES[_name] = [other for other in _family if other != _name]


def swap_call(draft: Draft) -> cst.Module | None:
    """A library function replaced by a relative that takes the same arguments."""
    places = []
    for site in draft.sites:
        if isinstance(site.node, cst.Call) and len(site.node.args) > 0:
            others = _RELATIVES.get(tree.code_of(site.node.func))
            if others:
                places.append((site, others))
    if not places:
        return None
    site, others = draft.rng.choice(places)
    node = site.node
    assert isinstance(node, cst.Call)
    function = cst.parse_expression(draft.rng.choice(others))
    return tree.replace(site, node.with_changes(func=function))


def arguments(draft: Draft) -> cst.Module | None:
    """One argument more or less in a call that takes any number of them."""
    rng = draft.rng
    sites = [
        site
        for site in draft.sites
        if isinstance(site.node, cst.Call)
        and tree.code_of(site.node.func) in _VARIADIC
        and len(site.node.args) > 1
    ]
    if not sites:
        return None
    site = rng.choice(sites)
    node = site.node
    assert isinstance(node, cst.Call)
    if len(node.args) > 2 and rng.random() < 0.3:
        kept = list(node.args)
        del kept[rng.randrange(len(kept))]
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return tree.replace(site, node.with_changes(args=kept))
    new = fresh.number(draft, site, 1) if rng.random() < 0.5 else fresh.constant(rng)
    given = [tree.code_of(argument.value) for argument in node.args]
    return fresh.put(site, f"{tree.code_of(node.func)}({', '.join([*given, new])})")


def count(draft: Draft) -> cst.Module | None:
    """A loop that runs one round more or less, or over another range."""
    rng = draft.rng
    sites = [s for s in draft.sites if isinstance(s.node, cst.Call) and _is_range(s.node)]
    if not sites:
        return None
    site = rng.choice(sites)
    node = site.node
    assert isinstance(node, cst.Call)
    if rng.random() < 0.3:
        return fresh.put(site, f"reversed({tree.code_of(node)})")
    index = rng.randrange(len(node.args))
    argument = node.args[index]
    code = fresh.inner(argument.value)
    roll = rng.random()
    if roll < 0.6:
        new = f"{code} {rng.choice('+-')} 1"
    elif roll < 0.8:
        new = f"{code} {rng.choice(('// 2', '* 2'))}"
    else:
        new = fresh.whole(draft, site)
    changed = argument.with_changes(value=cst.parse_expression(new))
    return tree.replace(
        site, node.with_changes(args=[*node.args[:index], changed, *node.args[index + 1 :]])
    )


def _is_range(node: cst.Call) -> bool:
    return isinstance(node.func, cst.Name) and node.func.value == "range" and bool(node.args)


def reorder(draft: Draft) -> cst.Module | None:
    """A loop over a sequence run backwards or in sorted order."""
    rng = draft.rng
    sites: list[Site] = [
        site
        for site in draft.expressions
        if isinstance(site.up, cst.For | cst.CompFor)
        and site.field == "iter"
        and draft.kind(site) is Kind.SEQUENCE
    ]
    if not sites:
        return None
    site = rng.choice(sites)
    code = tree.code_of(site.node)
    if code.startswith(("reversed(", "sorted(")) and isinstance(site.node, cst.Call):
        return tree.replace(site, site.node.args[0].value)
    return fresh.put(site, rng.choice((f"reversed(list({code}))", f"sorted({code})")))
