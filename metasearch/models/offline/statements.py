"""Mutations of statements and of the elements of lists."""

from __future__ import annotations

import libcst as cst

from metasearch.models.offline import constants, fresh, tree
from metasearch.models.offline.draft import Draft
from metasearch.models.offline.kinds import Kind
from metasearch.models.offline.tree import Site

_FIXED = (cst.FunctionDef, cst.ClassDef)


def movable(node: cst.CSTNode) -> bool:
    """Whether a statement may be copied, moved or deleted by chance."""
    if isinstance(node, _FIXED):
        return False
    if isinstance(node, cst.SimpleStatementLine):
        return not any(
            isinstance(part, cst.Import | cst.ImportFrom | cst.Return | cst.Global)
            or (isinstance(part, cst.Expr) and isinstance(part.value, cst.SimpleString))
            for part in node.body
        )
    return True


def _places(draft: Draft) -> list[tuple[Site, int]]:
    return [
        (block, index)
        for block in draft.blocks
        for index, node in enumerate(_body(block))
        if movable(node)
    ]


def _body(block: Site) -> list[cst.CSTNode]:
    assert isinstance(block.node, cst.Module | cst.IndentedBlock)
    return list(block.node.body)


def delete(draft: Draft) -> cst.Module | None:
    """A statement less."""
    places = [(b, i) for b, i in _places(draft) if len(_body(b)) > 1]
    if not places:
        return None
    for block, index in draft.rng.sample(places, min(4, len(places))):
        body = _body(block)
        del body[index]
        module = tree.replace_body(block, body)
        if _all_bound(draft, module):
            return module
    return None


def _all_bound(draft: Draft, module: cst.Module) -> bool:
    """Whether every name is still bound before it is read, as far as it was before."""
    return tree.names_read(module) <= tree.names_read(draft.module) | draft.outer.keys()


def swap(draft: Draft) -> cst.Module | None:
    """Two neighbouring statements the other way round."""
    places = [
        (b, i) for b, i in _places(draft) if i + 1 < len(_body(b)) and movable(_body(b)[i + 1])
    ]
    if not places:
        return None
    block, index = draft.rng.choice(places)
    body = _body(block)
    body[index], body[index + 1] = body[index + 1], body[index]
    module = tree.replace_body(block, body)
    return module if _all_bound(draft, module) else None


def duplicate(draft: Draft) -> cst.Module | None:
    """A statement once more after itself, or elsewhere where its names are in scope."""
    rng = draft.rng
    places = [(b, i) for b, i in _places(draft) if len(tree.code_of(_body(b)[i])) < 250]
    if not places:
        return None
    block, index = rng.choice(places)
    copy = _body(block)[index].deep_clone()
    if rng.random() < 0.6:
        body = _body(block)
        body.insert(index + 1, copy)
        return tree.replace_body(block, body)
    return insert(draft, copy)


def insert(draft: Draft, statement: cst.CSTNode) -> cst.Module | None:
    """A statement at some place where the names it reads are in scope."""
    names = tree.names_read(statement)
    for block, index in draft.rng.sample(places := _places(draft), len(places))[:10]:
        site = _site_of(draft, _body(block)[index])
        if site is not None and draft.allows(site, names):
            body = _body(block)
            body.insert(index, statement)
            return tree.replace_body(block, body)
    return None


def _site_of(draft: Draft, node: cst.CSTNode) -> Site | None:
    return next((site for site in draft.sites if site.node is node), None)


def correct(draft: Draft) -> cst.Module | None:
    """After an assignment, a correction of the assigned number, perhaps under a condition."""
    rng = draft.rng
    places = []
    for block, index in _places(draft):
        node = _body(block)[index]
        if not isinstance(node, cst.SimpleStatementLine):
            continue
        for part in node.body:
            match part:
                case cst.Assign(targets=[cst.AssignTarget(target=cst.Name() as target)]):
                    places.append((block, index, target.value))
                case cst.AugAssign(target=cst.Name() as target):
                    places.append((block, index, target.value))
    rng.shuffle(places)
    for block, index, name in places:
        kind = draft.names.get(name, Kind.OTHER)
        site = _site_of(draft, _body(block)[index])
        if site is None or kind not in (Kind.NUMBER, Kind.ARRAY):
            continue
        new = fresh.of_kind(draft, site, kind) or fresh.constant(rng)
        weight = fresh.spell(rng.choice((0.01, 0.03, 0.1, 0.3)))
        roll = rng.random()
        # Not in place: an array of whole numbers would refuse.
        if roll < 0.4:
            change = f"{name} = {name} * {fresh.spell(fresh.factor(rng))}"
        elif roll < 0.7:
            change = f"{name} = {name} {rng.choice('+-')} {weight}"
        else:
            change = f"{name} = {name} {rng.choice('+-')} {weight} * {fresh.closed(new)}"
        if kind is Kind.NUMBER and rng.random() < 0.6:
            change = f"if {fresh.truth(draft, site)}:\n    {change}\n"
        body = _body(block)
        body.insert(index + 1, cst.parse_statement(change))
        return tree.replace_body(block, body)
    return None


def repeat(draft: Draft) -> cst.Module | None:
    """A loop or a call run several times, or a condition taken away around statements."""
    rng = draft.rng
    places = [
        (b, i)
        for b, i in _places(draft)
        if isinstance(_body(b)[i], cst.For | cst.If | cst.While | cst.SimpleStatementLine)
    ]
    if not places:
        return None
    block, index = rng.choice(places)
    body = _body(block)
    node = body[index]
    if isinstance(node, cst.If | cst.For) and rng.random() < 0.4:
        if isinstance(node, cst.If) and isinstance(node.body, cst.IndentedBlock):
            body[index : index + 1] = list(node.body.body)
            return tree.replace_body(block, body)
        return None
    count = rng.choice((2, 2, 3, 5, 10))
    loop = cst.parse_statement(f"for _ in range({count}):\n    pass\n")
    assert isinstance(loop, cst.For)
    body[index] = loop.with_changes(body=cst.IndentedBlock(body=[_as_statement(node)]))
    return tree.replace_body(block, body)


def _as_statement(node: cst.CSTNode) -> cst.BaseStatement:
    assert isinstance(node, cst.BaseStatement)
    return node


def guard(draft: Draft) -> cst.Module | None:
    """A statement only under a condition, or a condition changed to a new one."""
    rng = draft.rng
    tests = [site for site in draft.sites if isinstance(site.up, cst.If) and site.field == "test"]
    if tests and rng.random() < 0.5:
        site = rng.choice(tests)
        return tree.replace(site, cst.parse_expression(fresh.truth(draft, site)))
    places = []
    for block, index in _places(draft):
        node = _body(block)[index]
        if isinstance(node, cst.SimpleStatementLine) and any(
            isinstance(part, cst.AugAssign | cst.Expr) for part in node.body
        ):
            places.append((block, index))
    if not places:
        return None
    block, index = rng.choice(places)
    body = _body(block)
    site_or_none = _site_of(draft, body[index])
    if site_or_none is None:
        return None
    branch = cst.parse_statement(f"if {fresh.truth(draft, site_or_none)}:\n    pass\n")
    body[index] = branch.with_changes(body=cst.IndentedBlock(body=[_as_statement(body[index])]))
    return tree.replace_body(block, body)


def elements(draft: Draft) -> cst.Module | None:
    """An element of a list or tuple copied with other numbers, deleted, or swapped."""
    rng = draft.rng
    sites = [
        site
        for site in draft.expressions
        if isinstance(site.node, cst.List) and len(site.node.elements) > 1
    ]
    if not sites:
        return None
    site = rng.choice(sites)
    node = site.node
    assert isinstance(node, cst.List)
    items = list(node.elements)
    index = rng.randrange(len(items))
    roll = rng.random()
    if roll < 0.5:
        copy = constants.varied_copy(items[index], rng)
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        items[index] = items[index].with_changes(comma=comma)
        items.insert(index + 1, copy)
    elif roll < 0.75:
        del items[index]
    else:
        other = rng.randrange(len(items))
        first, second = items[index], items[other]
        items[index] = first.with_changes(value=second.value)
        items[other] = second.with_changes(value=first.value)
    return tree.replace(site, node.with_changes(elements=items))
