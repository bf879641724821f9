"""Changing one program: which text, which mutations, how many, and whether it still parses."""

from __future__ import annotations

import functools
import random
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import libcst as cst

from metasearch.models.offline import (
    calls,
    constants,
    crossover,
    expressions,
    plain_text,
    regions,
    statements,
    symbols,
    tables,
)
from metasearch.models.offline.draft import Donor, Draft
from metasearch.models.offline.regions import Region

Mutation = Callable[[Draft], cst.Module | None]

CONSTANTS: dict[str, tuple[Mutation, float]] = {
    "tune a constant": (constants.tune, 10),
    "tune several constants": (constants.tune_some, 5),
    "turn a sign": (constants.flip_sign, 0.5),
}
STRUCTURE: dict[str, tuple[Mutation, float]] = {
    "swap an operator": (expressions.swap_operator, 1.5),
    "swap operands": (expressions.swap_operands, 0.7),
    "adjust an expression": (expressions.adjust, 4),
    "disturb an expression": (expressions.disturb, 4),
    "wrap an expression": (expressions.wrap, 4),
    "substitute an expression": (expressions.substitute, 3),
    "simplify an expression": (expressions.simplify, 1.5),
    "use another name": (expressions.rename, 1.5),
    "delete a statement": (statements.delete, 1.5),
    "swap statements": (statements.swap, 0.7),
    "copy a statement": (statements.duplicate, 1.5),
    "correct a variable": (statements.correct, 4),
    "give rounds constants of their own": (tables.tabulate, 2),
    "repeat a statement": (statements.repeat, 0.7),
    "guard a statement": (statements.guard, 1),
    "change elements": (statements.elements, 2),
    "swap a library call": (calls.swap_call, 1),
    "change a call's arguments": (calls.arguments, 1.5),
    "change a loop's count": (calls.count, 1),
    "change a loop's order": (calls.reorder, 0.5),
}
RECOMBINATION: dict[str, tuple[Mutation, float]] = {
    "take over a function": (crossover.function, 1.5),
    "take over a statement": (crossover.statement, 3),
    "take over an expression": (crossover.expression, 1.5),
    "blend constants": (crossover.blend, 6),
}
"""Name -> mutation and its weight, by family. One family makes a child: constants are tuned
best while nothing else moves, and what did not help is not carried along."""

TUNING = 0.6
"""Share of children in which only constants change, if there are enough of them."""
RECOMBINED = 0.4
"""Share of the other children that take something from an inspiration, if there is one."""

SHRINKING = frozenset({"delete a statement", "simplify an expression", "swap an operator"})
GROWN = 4_000
"""Characters of a piece above which structure is ever more likely to shrink."""
LIMIT = 16_000
"""Characters above which it does nothing else."""


@dataclass(frozen=True)
class Child:
    """A changed program."""

    files: dict[str, str]
    done: tuple[str, ...]
    """Names of the mutations, in order."""


def vary(
    files: dict[str, str],
    inspirations: Sequence[dict[str, str]],
    rng: random.Random,
    temperature: float,
    alphabet: Sequence[str] = (),
) -> Child:
    """A program that differs from ``files``, and parses if ``files`` do.

    Args:
        files: The program.
        inspirations: Others that parts may be taken from.
        rng: All choices are its.
        temperature: How much is changed at once.
        alphabet: Symbols that a line of them may be made of.
    """
    places = regions.editable(files)
    for _ in range(12):
        if not places:
            break
        place = rng.choices(places, weights=[1 + len(p.text) for p in places])[0]
        changed = _vary_region(place, inspirations, rng, temperature, alphabet)
        if changed is None:
            continue
        text, done = changed
        new = place.inserted(text)
        if new != files[place.path] and _parses(place.path, new):
            return Child({**files, place.path: new}, done)
    return Child(dict(files), ())


def _vary_region(
    place: Region,
    inspirations: Sequence[dict[str, str]],
    rng: random.Random,
    temperature: float,
    alphabet: Sequence[str],
) -> tuple[str, tuple[str, ...]] | None:
    others = [o for files in inspirations if (o := regions.counterpart(place, files)) is not None]
    module = _parsed(place)
    if module is None:
        return _vary_text(place, others, rng, temperature, alphabet)
    donors: list[Donor] = [functools.cache(functools.partial(_parsed, other)) for other in others]
    draft = Draft(module, rng, place.outer, donors)
    done: list[str] = []
    family = _family(draft)
    for _ in range(_rounds(rng, temperature)):
        for _ in range(8):
            name, mutation = _choose(family, len(place.text), rng)
            module = mutation(draft)
            if module is not None:
                draft = draft.with_module(module)
                done.append(name)
                break
    if not done:
        return None
    return textwrap.indent(draft.module.code, place.indent), tuple(done)


def _vary_text(
    place: Region,
    others: Sequence[Region],
    rng: random.Random,
    temperature: float,
    alphabet: Sequence[str],
) -> tuple[str, tuple[str, ...]] | None:
    """A piece that is no Python: a line of symbols, or any other text."""
    line = symbols.symbols_of(place.text)
    if line is None:
        text = plain_text.vary(place.text, rng)
        return None if text is None else (text, ("change a line",))
    donors = [donor for other in others if (donor := symbols.symbols_of(other.text))]
    line, done = symbols.vary(line, donors, alphabet, _rounds(rng, temperature), rng)
    return "".join(line), done


def _rounds(rng: random.Random, temperature: float) -> int:
    """How many mutations: one at temperature 0, on average one and a half at 1."""
    more = 1 - 2 / (2 + max(0.0, temperature))
    rounds = 1
    while rounds < 8 and rng.random() < more:
        rounds += 1
    return rounds


def _family(draft: Draft) -> dict[str, tuple[Mutation, float]]:
    tuning = TUNING * min(1.0, len(draft.numbers) / 8)
    if draft.rng.random() < tuning:
        return CONSTANTS
    return RECOMBINATION if draft.donors and draft.rng.random() < RECOMBINED else STRUCTURE


def _choose(
    family: dict[str, tuple[Mutation, float]], length: int, rng: random.Random
) -> tuple[str, Mutation]:
    names = list(family)
    pressure = min(1.0, max(0.0, (length - GROWN) / (LIMIT - GROWN)))
    if family is STRUCTURE and rng.random() < pressure:
        names = [name for name in names if name in SHRINKING]
    name = rng.choices(names, weights=[family[name][1] for name in names])[0]
    return name, family[name][0]


def _parsed(place: Region) -> cst.Module | None:
    if not place.path.endswith(".py") or len(place.text) > 4 * LIMIT:
        return None
    return _module(textwrap.dedent(place.text))


@functools.lru_cache(maxsize=64)  # the best programs are shown again and again
def _module(text: str) -> cst.Module | None:
    try:
        return cst.parse_module(text)
    except (cst.ParserSyntaxError, RecursionError, ValueError):
        return None


def _parses(path: str, text: str) -> bool:
    if not path.endswith(".py"):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
