"""Recombination with the inspiration programs."""

from __future__ import annotations

from difflib import SequenceMatcher

import libcst as cst

from metasearch.models.offline import fresh, statements, tree
from metasearch.models.offline.draft import BUILTINS, Draft
from metasearch.models.offline.kinds import Kind

_LONGEST = 700
"""Characters of a statement that may be taken over."""


def function(draft: Draft) -> cst.Module | None:
    """A function's body as another program has it."""
    rng = draft.rng
    own = {s.node.name.value: s for s in draft.sites if isinstance(s.node, cst.FunctionDef)}
    top = set(draft.sites[0].scope.names) | draft.outer.keys() | BUILTINS
    found = []
    donor = draft.donor()
    for node in tree.subtree(donor) if donor is not None else ():
        if not isinstance(node, cst.FunctionDef) or node.name.value not in own:
            continue
        mine = own[node.name.value].node
        if not node.deep_equals(mine) and tree.names_read(node) <= top:
            found.append((own[node.name.value], node))
    if not found:
        return None
    site, node = rng.choice(found)
    return tree.replace(site, node)


def statement(draft: Draft) -> cst.Module | None:
    """A statement of another program, inserted or in the place of one of the same type."""
    rng = draft.rng
    donor = draft.donor()
    if donor is None:
        return None
    known = {tree.code_of(node).strip() for node in _statements(draft.module)}
    pool = []
    for node in _statements(donor):
        code = tree.code_of(node).strip()
        if len(code) <= _LONGEST and code not in known:
            pool.append(node)
    if not pool:
        return None
    chosen = rng.choice(pool)
    if rng.random() < 0.5:
        targets = _assigned(chosen)
        alike = [s for s in draft.sites if targets and _assigned(s.node) == targets]
        alike = [s for s in alike if statements.movable(s.node)]
        names = tree.names_read(chosen)
        alike = [s for s in alike if draft.allows(s, names)]
        if alike:
            return tree.replace(rng.choice(alike), chosen)
    return statements.insert(draft, chosen)


def _statements(module: cst.Module) -> list[cst.CSTNode]:
    return [
        node
        for node in tree.subtree(module)
        if isinstance(node, cst.BaseStatement) and statements.movable(node)
    ]


def _assigned(node: cst.CSTNode) -> set[str]:
    if not isinstance(node, cst.SimpleStatementLine):
        return set()
    names = set()
    for part in node.body:
        if isinstance(part, cst.Assign):
            names |= {tree.code_of(target.target) for target in part.targets}
        elif isinstance(part, cst.AnnAssign | cst.AugAssign):
            names.add(tree.code_of(part.target))
    return names


def expression(draft: Draft) -> cst.Module | None:
    """An expression of another program where its names are in scope."""
    rng = draft.rng
    module = draft.donor()
    if module is None:
        return None
    donor = draft.with_module(module)
    sources = [s for s in donor.expressions if not isinstance(s.node, cst.Name)]
    targets = draft.expressions
    for _ in range(25):
        if not sources or not targets:
            return None
        source, target = rng.choice(sources), rng.choice(targets)
        kind = donor.kind(source)
        if kind is Kind.OTHER or kind is not draft.kind(target):
            continue
        if draft.integral(target) and kind is not Kind.INTEGER:
            continue
        if draft.allows(target, tree.names_read(source.node)) and not source.node.deep_equals(
            target.node
        ):
            return fresh.put(target, tree.code_of(source.node))
    return None


def blend(draft: Draft) -> cst.Module | None:
    """Constants moved towards, or away from, those of the same statements in another program.

    The step along the difference of two programs is that of differential evolution.
    """
    rng = draft.rng
    donor = draft.donor()
    if donor is None:
        return None
    differing = [
        (mine, other)
        for mine, other in _aligned(draft.module, donor)
        if type(mine) is type(other) and mine.evaluated_value != other.evaluated_value
    ]
    if not differing:
        return None
    share = rng.choice((0.3, 0.6, 1.0))
    some = [pair for pair in differing if rng.random() < share] or [rng.choice(differing)]
    step = rng.uniform(0.2, 1.0) if rng.random() < 0.5 else -rng.uniform(0.2, 1.0)
    changes: dict[int, cst.CSTNode] = {}
    for mine, other in some:
        a, b = mine.evaluated_value, other.evaluated_value
        if isinstance(mine, cst.Float):
            changes[id(mine)] = cst.Float(fresh.spell(abs(a + step * (b - a))))
        elif step > 0:
            changes[id(mine)] = other
    return tree.replace_all(draft.module, changes) if changes else None


Constant = cst.Integer | cst.Float


def _aligned(ours: cst.Module, theirs: cst.Module) -> list[tuple[Constant, Constant]]:
    """Constants that stand in the same place of the same statement, whatever they are."""
    mine, others = _shapes(ours), _shapes(theirs)
    matcher = SequenceMatcher(
        None, [shape for shape, _ in mine], [shape for shape, _ in others], autojunk=False
    )
    pairs: list[tuple[Constant, Constant]] = []
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            first, second = mine[block.a + offset][1], others[block.b + offset][1]
            pairs += zip(first, second, strict=True)
    return pairs


def _shapes(module: cst.Module) -> list[tuple[str, list[Constant]]]:
    """Each statement or head of a compound one, as text without constants, and these."""
    found: list[tuple[str, list[Constant]]] = []
    for node in tree.subtree(module):
        if isinstance(node, cst.BaseSmallStatement | cst.BaseCompoundStatement):
            found.append(("", []))
        if not found:
            continue
        shape, values = found[-1]
        mark = node.value if isinstance(node, cst.Name) else type(node).__name__
        if isinstance(node, cst.Integer | cst.Float):
            values.append(node)
        found[-1] = (f"{shape} {mark}", values)
    return found
