"""A piece of a program that is being changed: its places by what a mutation can do there."""

from __future__ import annotations

import builtins
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import libcst as cst

from metasearch.models.offline import kinds, tree
from metasearch.models.offline.kinds import NUMERIC, Kind
from metasearch.models.offline.tree import Site

BUILTINS = frozenset(dir(builtins))
MODULES = frozenset({"math", "np", "numpy", "random", "itertools", "functools"})
_EXPRESSIONS = (
    cst.Name,
    cst.Integer,
    cst.Float,
    cst.BinaryOperation,
    cst.UnaryOperation,
    cst.Call,
    cst.Subscript,
    cst.Attribute,
    cst.Comparison,
    cst.BooleanOperation,
    cst.IfExp,
    cst.ListComp,
    cst.List,
    cst.Tuple,
)
_ARITHMETIC = (cst.BinaryOperation, cst.UnaryOperation, cst.AugAssign, cst.ComparisonTarget)
_BLOCKS = (cst.Module, cst.IndentedBlock)


Donor = Callable[[], cst.Module | None]
"""Parses another program's piece on the first call; most mutations need none."""


class Draft:
    """A parsed piece with what the mutations ask about it, worked out on demand."""

    def __init__(
        self,
        module: cst.Module,
        rng: random.Random,
        outer: Mapping[str, Kind],
        donors: Sequence[Donor] = (),
    ) -> None:
        self.module = module
        self.rng = rng
        self.outer = outer
        """Names of the file outside this piece, with their kinds."""
        self.donors = donors
        """The same piece of other programs."""
        self.sites: list[Site] = tree.walk(module)

    def with_module(self, module: cst.Module) -> Draft:
        """The next draft, after a change."""
        return Draft(module, self.rng, self.outer, self.donors)

    def donor(self) -> cst.Module | None:
        """One of the other programs' pieces, parsed; ``None`` if there is none that parses."""
        return self.rng.choice(self.donors)() if self.donors else None

    @cached_property
    def numbers(self) -> list[Site]:
        """Numeric constants."""
        return [s for s in self.sites if isinstance(s.node, cst.Integer | cst.Float)]

    @cached_property
    def expressions(self) -> list[Site]:
        """Expressions that are read and could be another one of their kind."""
        return [s for s in self.sites if isinstance(s.node, _EXPRESSIONS) and _replaceable(s)]

    @cached_property
    def blocks(self) -> list[Site]:
        """Bodies of functions, loops and branches; the module itself if it is a script."""
        return [
            site
            for site in self.sites
            if isinstance(site.node, _BLOCKS) and not isinstance(site.up, cst.ClassDef)
        ]

    @cached_property
    def names(self) -> Mapping[str, Kind]:
        """The kind of each name; the same in all scopes, which is right nearly always."""
        found: dict[str, Kind] = dict(self.outer)
        weak: dict[str, Kind] = {}
        for site in self.sites:
            _learn(site, found, weak)
        return {**weak, **found}

    def kind(self, site: Site) -> Kind:
        """What kind of value stands at a site, from itself or from what is done with it."""
        kind = kinds.of_expression(site.node, self.names)
        if kind is not Kind.OTHER:
            return kind
        if isinstance(site.up, cst.Attribute | cst.Subscript | cst.Call):
            return Kind.OTHER
        return Kind.NUMBER if isinstance(site.up, _ARITHMETIC) else Kind.OTHER

    def readable(self, site: Site) -> set[str]:
        """All names that an expression at a site may use."""
        return site.visible() | self.outer.keys()

    def allows(self, site: Site, names: set[str]) -> bool:
        """Whether code that reads these names would find them at a site."""
        return names <= BUILTINS or names - BUILTINS <= self.readable(site)

    def names_of(self, site: Site, wanted: frozenset[Kind] | set[Kind]) -> list[str]:
        """Readable names of some kinds, in a fixed order."""
        known = self.names
        return sorted(name for name in self.readable(site) if known.get(name) in wanted)

    def integral(self, site: Site) -> bool:
        """Whether only a whole number may stand here: an index, a count, a repetition."""
        child: cst.CSTNode = site.node
        for above in site.ancestors():
            node = above.node
            match node:
                case cst.Index() | cst.Slice():
                    return True
                case cst.BinaryOperation():
                    other = node.right if child is node.left else node.left
                    if kinds.of_expression(other, self.names) is Kind.SEQUENCE:
                        return True
                case cst.Arg() | cst.UnaryOperation() | cst.IfExp():
                    pass
                case cst.Call():
                    name = _called(node)
                    if name in _COUNTING:
                        return True
                    if name not in ("min", "max", "abs"):
                        return False
                case _:
                    return False
            child = node
        return False


_COUNTING = frozenset(
    ("range", "zeros", "ones", "empty", "eye", "full", "arange", "reshape", "linspace", "islice")
)


def _called(node: cst.Call) -> str:
    if isinstance(node.func, cst.Attribute):
        return node.func.attr.value
    return node.func.value if isinstance(node.func, cst.Name) else ""


def _replaceable(site: Site) -> bool:
    if site.store or (site.field == "func" and isinstance(site.up, cst.Call)):
        return False
    up = site.up
    if isinstance(up, cst.Attribute):
        return False
    if isinstance(up, cst.Expr):
        return False
    return not (isinstance(site.node, cst.Name) and site.node.value in MODULES)


def _learn(site: Site, found: dict[str, Kind], weak: dict[str, Kind]) -> None:
    """Note what a node tells about names: ``found`` is said, ``weak`` is how they are used."""
    node = site.node
    match node:
        case cst.Import() | cst.ImportFrom():
            plain = isinstance(node, cst.Import)
            for name in tree.imported(node):
                found.setdefault(name, Kind.MODULE if plain else Kind.FUNCTION)
        case cst.FunctionDef():
            found[node.name.value] = Kind.FUNCTION
            if node.returns is not None:
                text = tree.code_of(node.returns.annotation)
                found[f"{node.name.value}()"] = kinds.of_annotation(text)
            for param in (*node.params.posonly_params, *node.params.params):
                if param.annotation is not None:
                    kind = kinds.of_annotation(tree.code_of(param.annotation.annotation))
                    _note(found, param.name, kind)
                elif param.default is not None:
                    _note(found, param.name, kinds.of_expression(param.default, found))
        case cst.Assign():
            kind = kinds.of_expression(node.value, {**weak, **found})
            for target in node.targets:
                _assigned(target.target, node.value, kind, found, weak)
        case cst.AnnAssign():
            kind = kinds.of_annotation(tree.code_of(node.annotation.annotation))
            _note(found, node.target, kind)
        case cst.For() | cst.CompFor():
            _iterated(node.target, node.iter, found, weak)
        case cst.AugAssign():
            _note(weak, node.target, Kind.NUMBER)
        case cst.Name() if not site.store:
            kind = _used_as(site)
            if kind is not Kind.OTHER:
                weak.setdefault(node.value, kind)


def _used_as(site: Site) -> Kind:
    up, parent = site.up, site.parent
    match up:
        case cst.BinaryOperation() | cst.UnaryOperation() | cst.ComparisonTarget():
            return Kind.NUMBER
        case cst.Comparison():
            return Kind.NUMBER
        case cst.Subscript():
            return Kind.SEQUENCE
        case cst.For() | cst.CompFor():
            return Kind.SEQUENCE
        case cst.Call():
            return Kind.FUNCTION
        case cst.Arg() if parent is not None and isinstance(parent.up, cst.Call):
            called = _called(parent.up)
            if called == "range":
                return Kind.INTEGER
            return Kind.SEQUENCE if called == "len" else Kind.OTHER
    return Kind.OTHER


def _note(names: dict[str, Kind], target: cst.CSTNode, kind: Kind) -> None:
    if isinstance(target, cst.Name) and kind is not Kind.OTHER:
        known = names.get(target.value)
        wider = known is Kind.INTEGER and kind is Kind.NUMBER
        if known is None or wider or (known in NUMERIC and kind is Kind.ARRAY):
            names[target.value] = kind


def _assigned(
    target: cst.CSTNode,
    value: cst.CSTNode,
    kind: Kind,
    found: dict[str, Kind],
    weak: dict[str, Kind],
) -> None:
    if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
        for left, right in zip(target.elements, value.elements, strict=False):
            part = kinds.of_expression(right.value, {**weak, **found})
            _note(found, left.value, part)
    else:
        _note(found, target, kind)


def _iterated(
    target: cst.BaseExpression,
    iterated: cst.BaseExpression,
    found: dict[str, Kind],
    weak: dict[str, Kind],
) -> None:
    called = _called(iterated) if isinstance(iterated, cst.Call) else ""
    if called in ("range", "combinations", "permutations"):
        for node in tree.subtree(target):
            _note(found, node, Kind.INTEGER)
    elif called == "enumerate" and isinstance(target, cst.Tuple) and target.elements:
        _note(found, target.elements[0].value, Kind.INTEGER)
        for element in target.elements[1:]:
            _note_parts(element.value, weak)
    else:
        _note_parts(target, weak)


def _note_parts(target: cst.CSTNode, weak: dict[str, Kind]) -> None:
    """Parts of an unpacked tuple are numbers more often than not."""
    if isinstance(target, cst.Tuple):
        for element in target.elements:
            _note(weak, element.value, Kind.NUMBER)
