"""Values that differ from one round of a loop to the next, by a table of constants.

A formula moves everything at once; a table gives each round a constant of its own, which
the other mutations then tune one by one.
"""

from __future__ import annotations

import libcst as cst

from metasearch.models.offline import fresh
from metasearch.models.offline.draft import Draft
from metasearch.models.offline.kinds import Kind
from metasearch.models.offline.tree import Site

_LARGEST = 64


def tabulate(draft: Draft) -> cst.Module | None:
    """A number plus an entry of a table, chosen by a whole number in scope."""
    rng = draft.rng
    sites = [site for site in draft.expressions if _in_loop(site)]
    rng.shuffle(sites)
    for site in sites[:12]:
        if draft.kind(site) is not Kind.NUMBER or draft.integral(site):
            continue
        index = _index(draft, site)
        if index is None:
            return None
        size = _size(draft)
        step = rng.choice((0.01, 0.03, 0.1)) * rng.choice((-1, 1))
        entries = ["0.0"] * size
        entries[rng.randrange(size)] = fresh.spell(step)
        table = f"[{', '.join(entries)}][{index} % {size}]"
        return fresh.put(site, f"{fresh.inner(site.node)} + {table}")
    return None


def _in_loop(site: Site) -> bool:
    loops = (cst.For, cst.While, cst.ListComp, cst.GeneratorExp)
    return any(isinstance(above.node, loops) for above in site.ancestors())


def _index(draft: Draft, site: Site) -> str | None:
    names = draft.names_of(site, {Kind.INTEGER})
    names += [f"len({name})" for name in draft.names_of(site, {Kind.SEQUENCE})]
    return draft.rng.choice(names) if names else None


def _size(draft: Draft) -> int:
    """As many entries as some whole number of the program says, or a few."""
    rng = draft.rng
    known = [
        site.node.evaluated_value
        for site in draft.numbers
        if isinstance(site.node, cst.Integer) and 2 < site.node.evaluated_value <= _LARGEST
    ]
    return rng.choice(known) if known and rng.random() < 0.7 else rng.randint(2, 12)
