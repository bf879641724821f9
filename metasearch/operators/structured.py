"""Structured replies: data that a model gives as JSON, read tolerantly and checked strictly.

Fences, words around the object, trailing commas and the like are forgiven. What is missing is
not: no field is filled in, no cut-off object is closed, and nothing that the model wrote is
left out to make the rest fit. A reply that cannot be read so is a value,
:class:`metasearch.step.Refused`, and never a default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import json_repair
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from metasearch.exchange import Message
from metasearch.formats import JSON
from metasearch.operators.edits import fences
from metasearch.operators.prompts import ANSWER_LIMIT, Brief
from metasearch.prompts import extended, fence, shorten
from metasearch.step import Answer, Refused, Reply

LONGEST = 200_000
"""Characters of a reply that is still looked through for an object."""
MOST_OBJECTS = 20
"""Objects of one reply that are tried."""
_MOST_REPAIRED = 50_000
"""Characters of one object that repairing is tried on; its time may grow faster than these."""
_MOST_FAULTS = 10

CUT_OFF = Refused("The JSON object is cut off or not closed.")


class _Untitled(GenerateJsonSchema):
    """Titles only repeat the fields' names."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


@lru_cache(maxsize=256)
def schema_text(schema: type[BaseModel]) -> str:
    """The JSON schema that prompts show.

    Raises:
        TypeError: A field has a default, so that a model could leave out what it was asked for.
    """
    described = schema.model_json_schema(schema_generator=_Untitled)
    for name, part in [(schema.__name__, described), *described.get("$defs", {}).items()]:
        optional = sorted(set(part.get("properties", {})) - set(part.get("required", [])))
        if optional:
            raise TypeError(
                f"{name}.{optional[0]} has a default. Models are asked for every field, and none "
                "is filled in for them; write 'X | None' without a default for what may be absent."
            )
    return json.dumps(described, indent=1)


def question(
    ctx: Brief, messages: Sequence[Message], schema: type[BaseModel]
) -> tuple[Message, ...]:
    """The messages, with the form of the answer at the end of the last one.

    It always stands there, also for a model that takes the schema beside its prompt: so the
    prompt stays the same with another model, on resume and in a replay.
    """
    shown = fence(schema_text(schema), "json")
    form = ctx.render("structured", form=JSON, schema=shown)
    *before, last = messages
    if last.role != "user":
        return (*messages, Message(role="user", content=form))
    return (*before, extended(last, form))


def once_more(ctx: Brief, asked: Sequence[Message], reply: Reply, fault: Refused) -> list[Message]:
    """The conversation that goes on with what was wrong with a reply."""
    said = shorten(reply.text, ANSWER_LIMIT) or "(nothing)"
    again = ctx.render("structured_again", fault=fault.reason)
    return [
        *asked,
        Message(role="assistant", content=said),
        Message(role="user", content=again),
    ]


def read(reply: Reply, schema: type[Answer]) -> Answer | Refused:
    """The one object of a reply that fits the schema, or why there is none."""
    text = reply.text
    if text.lstrip().startswith("<think>"):
        text = text.rpartition("</think>")[2]
    if not text.strip():
        return Refused("The answer is empty.")
    if len(text) > LONGEST:
        return Refused(f"The answer has {len(text)} characters; at most {LONGEST} are read.")
    ended = reply.finish_reason in ("stop", "eos", "end_turn", "")
    found: list[Answer] = []
    faults: list[str] = []
    for source in _sources(text):
        for value in _objects(source, repair=ended):
            if value is CUT_OFF:
                return CUT_OFF  # also after a whole one: the answer has not ended
            if isinstance(value, Refused):
                faults.append(value.reason)
                continue
            try:
                fits = schema.model_validate_json(json.dumps(value, allow_nan=False), strict=True)
            except ValidationError as error:
                faults.append(_explained(error))
            except (ValueError, RecursionError) as error:
                faults.append(f"The object is no JSON: {error}")
            else:
                if fits not in found:
                    found.append(fits)
    if len(found) == 1:
        return found[0]
    if found:
        return Refused(f"The answer has {len(found)} objects that differ; give only one.")
    return Refused(faults[-1] if faults else "The answer has no JSON object.")


def _sources(text: str) -> list[str]:
    """Where to look: the whole reply if it is an object, else its fences, else all of it."""
    if text.lstrip().startswith("{"):
        return [text]
    fenced = [block.text for block in fences(text) if "{" in block.text]
    return fenced or [text]


def _objects(text: str, *, repair: bool) -> Iterator[Mapping[str, Any] | Refused]:
    """The outermost objects of a text, in order."""
    decoder = json.JSONDecoder(
        strict=False, parse_constant=_not_finite, object_pairs_hook=_each_once
    )
    place = 0
    for _ in range(MOST_OBJECTS):
        start = _OPENS.search(text, place)
        if start is None:
            return
        place = start.start()
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = _closed(text, place)
            if end is None or not repair:
                # Nothing inside of it either: a part is not what was asked for.
                yield CUT_OFF
                return
            yield _repaired(text[place:end])
            place = end
        else:
            yield value


def _not_finite(name: str) -> float:
    raise ValueError(f"{name} is not allowed in JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a field stands there twice")
    return dict(pairs)


def _closed(text: str, start: int) -> int | None:
    """Where the object that begins at ``start`` ends, its quotes read leniently.

    A quote ends a string only where one may end, before a comma, a colon or a bracket, so that
    quotes within it do no harm. A text that breaks off within a string may still seem to end
    there: so its brackets must match also without regard to strings, and its line must end.
    """
    depth = 0
    quote = ""
    before = ""
    place = start
    while place < len(text):
        character = text[place]
        if quote:
            if character == "\\":
                place += 1
            elif character == quote and _AFTER_STRING.match(text, place + 1):
                quote = ""
        elif character == '"' or (character == "'" and before in "{[,:"):
            quote = character
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                whole = text[start : place + 1]
                matched = all(whole.count(a) == whole.count(b) for a, b in ("{}", "[]"))
                return place + 1 if matched and _ENDS_LINE.match(text, place + 1) else None
        if not character.isspace():
            before = character
        place += 1
    return None


# Braces in prose, such as a set or a formula, have neither quotes nor colons in them.
_OPENS = re.compile(r"\{(?![^{}\"':\u201c]{1,200}\})")
_AFTER_STRING = re.compile(r"\s{0,100}(?:[,:}\]]|\Z)")
_ENDS_LINE = re.compile(r"[ \t]{0,100}(?:[\r\n`;.]|\Z)")
_PUNCTUATION = re.compile("[\\s{}\\[\\]:,\"'\u201c\u201d\u2018\u2019`\\\\]")


def _repaired(text: str) -> Mapping[str, Any] | Refused:
    """An object that is almost JSON, if repairing it neither adds nor drops anything."""
    if len(text) > _MOST_REPAIRED:
        return Refused("The object is no valid JSON, and too long to be mended.")
    try:
        value = json_repair.loads(text, skip_json_loads=True, strict=True)
        kept = isinstance(value, dict) and _substance(
            json.dumps(value, ensure_ascii=False, allow_nan=False)
        ) == _substance(text)
    except (ValueError, RecursionError):
        kept = False
    return value if kept and isinstance(value, dict) else Refused("The object is no valid JSON.")


def _substance(text: str) -> str:
    """What a JSON text says, without its punctuation and the spelling of its constants."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text)
    text = re.sub(r"\\[nrtbf]", "", text)
    text = _PUNCTUATION.sub("", text)
    return text.replace("None", "null").casefold()


def _explained(error: ValidationError) -> str:
    """The faults of an object, one a line; what the model wrote is not repeated."""
    faults = error.errors(include_url=False, include_input=False)
    lines = [
        f"- {'.'.join(map(str, fault['loc'])) or 'the object'}: {fault['msg']}"
        for fault in faults[:_MOST_FAULTS]
    ]
    if len(faults) > _MOST_FAULTS:
        lines.append(f"- and {len(faults) - _MOST_FAULTS} more")
    return "The object does not fit:\n" + "\n".join(lines)
