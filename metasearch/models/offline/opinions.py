"""Answers to what a model without a brain cannot judge: well-formed, by chance, and saying so."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metasearch.models.offline.variation import CONSTANTS, RECOMBINATION, STRUCTURE

Schema = Mapping[str, Any]
"""A JSON schema."""

UNINFORMED = (
    "This is an uninformed answer by chance: offline/evolve has no language model and has "
    "not read the question."
)
_DEEPEST = 12
_OBJECTIONS = 0.1
"""Share of reviews that fail what they are of."""


def prose(rng: random.Random) -> str:
    """A review or verdict in words."""
    verdict = rng.choice(("A", "B"))
    return (
        f"{UNINFORMED}\nScore: {rng.randint(1, 10)} out of 10. "
        f"If one of two is to be chosen: {verdict}."
    )


def answer(
    schema: Schema,
    rng: random.Random,
    code: Callable[[], str],
    files: Callable[[], object],
    topics: Sequence[str] = (),
) -> object:
    """A value that fits a JSON schema, chosen by chance.

    Args:
        schema: The usual keywords; one that is not known is ignored.
        rng: The source of chance.
        code: Gives a program's text for a field that asks for one.
        files: Gives a program's files as an object, likewise.
        topics: Words to make the placeholder of an idea of, where there is no program to change.
    """
    return _Answer(schema, rng, code, files, topics).value(schema, "", 0)


class _Answer:
    def __init__(
        self,
        root: Schema,
        rng: random.Random,
        code: Callable[[], str],
        files: Callable[[], object],
        topics: Sequence[str],
    ) -> None:
        self.root = root
        self.rng = rng
        self.code = code
        self.files = files
        self.topics = topics

    def value(self, schema: object, name: str, depth: int) -> object:
        """A value for one place of the schema; ``name`` is the field's."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if choices := _list(schema.get("enum")):
            if sorted(map(str, choices)) == ["fail", "pass"]:
                # Who has not read it can hardly object; at even odds nothing would be left.
                return "fail" if self.rng.random() < _OBJECTIONS else "pass"
            return self.rng.choice(choices)
        for key in ("anyOf", "oneOf"):
            if choices := _list(schema.get(key)):
                solid = [c for c in choices if isinstance(c, Mapping) and c.get("type") != "null"]
                return self.value(self.rng.choice(solid or choices), name, depth + 1)
        if parts := _list(schema.get("allOf")):
            merged: dict[str, Any] = {}
            for part in parts:
                if isinstance(part, Mapping):
                    merged |= self._resolved(part)
            return self.value(merged, name, depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match kind:
            case "object":
                return self._object(schema, name, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case "integer":
                low, high = _bounds(schema)
                return self.rng.randint(int(low), int(high))
            case "number":
                return round(self.rng.uniform(*_bounds(schema)), 3)
            case "boolean":
                return self.rng.random() < 0.5
        return self._object(schema, name, depth) if "properties" in schema else None

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            target: object = self.root
            for part in reference.removeprefix("#/").split("/"):
                target = target.get(part, {}) if isinstance(target, Mapping) else {}
            schema = target if isinstance(target, Mapping) else {}
        return {}

    def _object(self, schema: Schema, name: str, depth: int) -> object:
        fields = schema.get("properties")
        if not isinstance(fields, Mapping) or not fields:
            return self.files() if name.lower() in _FILES else {}
        return {str(key): self.value(field, str(key), depth + 1) for key, field in fields.items()}

    def _array(self, schema: Schema, name: str, depth: int) -> list[object]:
        low, high = _whole(schema.get("minItems"), 0), _whole(schema.get("maxItems"), 1_000)
        size = min(max(low, min(high, self.rng.randint(1, 2))), 100)
        return [self.value(schema.get("items"), name, depth + 1) for _ in range(size)]

    def _string(self, schema: Schema, name: str) -> str:
        words = name.lower()
        longest = _whole(schema.get("maxLength"), 1_000_000)
        if words in _PROGRAMS:
            return self.code()
        if self.topics and words in _IDEAS | {"title"}:
            drawn = ", ".join(self.rng.sample(self.topics, min(3, len(self.topics))))
            return f"Placeholder drawn by lot, no idea: {drawn}"[:longest]
        if words in ("name", "title", "id", "key"):
            tail = "".join(self.rng.choices(string.ascii_lowercase, k=6))
            return f"mutation-{tail}"[:longest]
        if words in _IDEAS:
            changes = ", then ".join(self.rng.sample(_CHANGES, 3))
            return f"By chance: {changes}."[:longest]
        return UNINFORMED[:longest].ljust(_whole(schema.get("minLength"), 0), ".")


_PROGRAMS = frozenset(
    {"code", "program", "source", "solution", "implementation", "agent", "function", "edit"}
)
_FILES = frozenset({"files", "program", "changes"})
_IDEAS = frozenset({"claim", "hypothesis", "idea"})
_CHANGES = sorted({**CONSTANTS, **STRUCTURE, **RECOMBINATION})


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value >= 0 else otherwise


def _bounds(schema: Schema) -> tuple[float, float]:
    """Lowest and highest allowed number; 0 to 10 where nothing is said."""
    low = _number(schema.get("minimum"), schema.get("exclusiveMinimum"), 1)
    high = _number(schema.get("maximum"), schema.get("exclusiveMaximum"), -1)
    if low is None:
        low = 0.0 if high is None or high >= 0 else high - 10
    if high is None or high < low:
        high = low + 10
    return low, high


def _number(inclusive: object, exclusive: object, inward: int) -> float | None:
    if isinstance(inclusive, int | float):
        return inclusive
    if isinstance(exclusive, int | float) and not isinstance(exclusive, bool):
        return exclusive + inward * (1 if isinstance(exclusive, int) else 1e-6)
    return None
