"""A walk over a syntax tree that knows places, and replaces one place without a new walk.

libcst's own visitors and metadata cost more than everything else here together; a mutation
needs only the expressions and statements, what is in scope there, and the way up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import libcst as cst

CHILDREN: dict[type[cst.CSTNode], tuple[str, ...]] = {
    cst.Module: ("body",),
    cst.IndentedBlock: ("body",),
    cst.SimpleStatementLine: ("body",),
    cst.SimpleStatementSuite: ("body",),
    cst.Expr: ("value",),
    cst.Assign: ("value", "targets"),
    cst.AssignTarget: ("target",),
    cst.AugAssign: ("value", "target", "operator"),
    cst.AnnAssign: ("value", "target"),
    cst.Return: ("value",),
    cst.If: ("test", "body", "orelse"),
    cst.Else: ("body",),
    cst.For: ("iter", "target", "body", "orelse"),
    cst.While: ("test", "body", "orelse"),
    cst.FunctionDef: ("params", "body"),
    cst.Parameters: ("params", "kwonly_params"),
    cst.Param: ("default",),
    cst.ClassDef: ("body",),
    cst.With: ("items", "body"),
    cst.WithItem: ("item",),
    cst.Try: ("body", "handlers", "orelse", "finalbody"),
    cst.ExceptHandler: ("body",),
    cst.Finally: ("body",),
    cst.BinaryOperation: ("left", "operator", "right"),
    cst.UnaryOperation: ("operator", "expression"),
    cst.BooleanOperation: ("left", "operator", "right"),
    cst.Comparison: ("left", "comparisons"),
    cst.ComparisonTarget: ("operator", "comparator"),
    cst.Call: ("func", "args"),
    cst.Arg: ("value",),
    cst.Subscript: ("value", "slice"),
    cst.SubscriptElement: ("slice",),
    cst.Index: ("value",),
    cst.Slice: ("lower", "upper", "step"),
    cst.Attribute: ("value",),
    cst.IfExp: ("test", "body", "orelse"),
    cst.Tuple: ("elements",),
    cst.List: ("elements",),
    cst.Set: ("elements",),
    cst.Element: ("value",),
    cst.StarredElement: ("value",),
    cst.Dict: ("elements",),
    cst.DictElement: ("key", "value"),
    cst.ListComp: ("for_in", "elt"),
    cst.SetComp: ("for_in", "elt"),
    cst.GeneratorExp: ("for_in", "elt"),
    cst.DictComp: ("for_in", "key", "value"),
    cst.CompFor: ("iter", "target", "ifs", "inner_for_in"),
    cst.CompIf: ("test",),
    cst.Lambda: ("body",),
}
"""The fields to descend into, in the order of binding: a value before what it is bound to."""

_SCOPES = (cst.FunctionDef, cst.ClassDef, cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)
_TARGETS = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.For, cst.CompFor)


class Scope:
    """Names bound so far in a function, comprehension or module, in order."""

    __slots__ = ("function", "names", "outer")

    def __init__(self, outer: Scope | None, function: str) -> None:
        self.outer = outer
        self.function = function
        """Name of the innermost function around; empty at the top."""
        self.names: list[str] = []


class Site:
    """One node and where it stands."""

    __slots__ = ("field", "index", "node", "parent", "scope", "seen", "store")

    def __init__(
        self, node: cst.CSTNode, parent: Site | None, field: str, index: int | None, store: bool
    ) -> None:
        self.node = node
        self.parent = parent
        self.field = field
        self.index = index
        self.store = store
        """Whether it is bound here rather than read."""
        self.scope: Scope
        self.seen: int
        """How many of its scope's names are bound before it."""

    @property
    def up(self) -> cst.CSTNode | None:
        """The parent node."""
        return self.parent.node if self.parent else None

    def visible(self) -> set[str]:
        """Names of the program that can be read here."""
        names = set(self.scope.names[: self.seen])
        scope = self.scope.outer
        while scope is not None:
            names.update(scope.names)
            scope = scope.outer
        return names

    def ancestors(self) -> Iterator[Site]:
        """The sites above, nearest first."""
        site = self.parent
        while site is not None:
            yield site
            site = site.parent


def walk(module: cst.Module) -> list[Site]:
    """All places of a module, in the order of evaluation."""
    sites: list[Site] = []
    _visit(module, None, "", None, Scope(None, ""), False, sites)
    return sites


def _visit(
    node: cst.CSTNode,
    parent: Site | None,
    field: str,
    index: int | None,
    scope: Scope,
    store: bool,
    sites: list[Site],
) -> None:
    site = Site(node, parent, field, index, store)
    site.scope = scope
    site.seen = len(scope.names)
    sites.append(site)
    fields = CHILDREN.get(type(node))
    if fields is None:
        if store and isinstance(node, cst.Name):
            scope.names.append(node.value)
        elif isinstance(node, cst.Import | cst.ImportFrom):
            scope.names.extend(imported(node))
        return
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        scope.names.append(node.name.value)
    if isinstance(node, _SCOPES):
        name = node.name.value if isinstance(node, cst.FunctionDef) else scope.function
        scope = Scope(scope, name)
    if isinstance(node, cst.Lambda):
        scope = Scope(scope, scope.function)
        scope.names.extend(parameters(node.params))
    elif isinstance(node, cst.Parameters):
        scope.names.extend(parameters(node))
    # Subscripts and attributes that are assigned to bind no name; what is in them is read.
    inner = store and isinstance(node, cst.Tuple | cst.List | cst.Element | cst.StarredElement)
    for name in fields:
        child = getattr(node, name)
        stores = inner or (name == "target" and isinstance(node, _TARGETS))
        if isinstance(child, cst.CSTNode):
            _visit(child, site, name, None, scope, stores, sites)
        elif isinstance(child, list | tuple):
            for position, item in enumerate(child):
                _visit(item, site, name, position, scope, stores, sites)


def parameters(params: cst.Parameters) -> list[str]:
    """Names of a function's parameters."""
    every = [*params.posonly_params, *params.params, *params.kwonly_params]
    for extra in (params.star_arg, params.star_kwarg):
        if isinstance(extra, cst.Param):
            every.append(extra)
    return [param.name.value for param in every]


def imported(node: cst.Import | cst.ImportFrom) -> list[str]:
    """Names that an import binds."""
    if isinstance(node.names, cst.ImportStar):
        return []
    bound = []
    for alias in node.names:
        name: cst.BaseExpression = alias.asname.name if alias.asname else alias.name
        while isinstance(name, cst.Attribute):
            name = name.value
        if isinstance(name, cst.Name):
            bound.append(name.value)
    return bound


def replace(site: Site, node: cst.CSTNode) -> cst.Module:
    """The module with another node at a site; nothing else is copied."""
    while site.parent is not None:
        node = _with_child(site.parent.node, site.field, site.index, node)
        site = site.parent
    return cast(cst.Module, node)


def replace_body(block: Site, body: list[cst.CSTNode]) -> cst.Module:
    """The module with other statements in a block."""
    return replace(block, block.node.with_changes(body=body))


def _with_child(
    parent: cst.CSTNode, field: str, index: int | None, child: cst.CSTNode
) -> cst.CSTNode:
    if index is None:
        return parent.with_changes(**{field: child})
    items = list(getattr(parent, field))
    items[index] = child
    return parent.with_changes(**{field: items})


def replace_all(module: cst.Module, changes: Mapping[int, cst.CSTNode]) -> cst.Module:
    """The module with several nodes, given by their ``id``, replaced at once."""
    return cast(cst.Module, rebuilt(module, changes))


def rebuilt(node: cst.CSTNode, changes: Mapping[int, cst.CSTNode]) -> cst.CSTNode:
    """The node with several nodes below it, given by their ``id``, replaced."""
    if id(node) in changes:
        return changes[id(node)]
    fresh: dict[str, object] = {}
    for name in CHILDREN.get(type(node), ()):
        child = getattr(node, name)
        if isinstance(child, cst.CSTNode):
            new = rebuilt(child, changes)
            if new is not child:
                fresh[name] = new
        elif isinstance(child, list | tuple):
            items = [rebuilt(item, changes) for item in child]
            if any(new is not old for new, old in zip(items, child, strict=True)):
                fresh[name] = items
    return node.with_changes(**fresh) if fresh else node


def subtree(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The node and all expressions and statements below it."""
    yield node
    for name in CHILDREN.get(type(node), ()):
        child = getattr(node, name)
        if isinstance(child, cst.CSTNode):
            yield from subtree(child)
        elif isinstance(child, list | tuple):
            for item in child:
                yield from subtree(item)


def names_read(node: cst.CSTNode) -> set[str]:
    """All names in an expression or statement, those that it binds itself left out."""
    sites: list[Site] = []
    _visit(node, None, "", None, Scope(None, ""), False, sites)
    return {
        site.node.value
        for site in sites
        if isinstance(site.node, cst.Name)
        and (not site.store or isinstance(site.up, cst.AugAssign))
        and site.node.value not in site.visible()
    }


_BLANK = cst.Module([])


def code_of(node: cst.CSTNode) -> str:
    """Source text of a node."""
    return _BLANK.code_for_node(node)
