"""The offline model itself: a pure function from a prompt to an answer."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from metasearch.formats import language_of
from metasearch.models.offline import opinions
from metasearch.models.offline.prompt import Files, Format, Request, read
from metasearch.models.offline.variation import Child, vary


def reply(
    messages: Sequence[Mapping[str, Any]],
    seed: int | None = None,
    temperature: float = 0.8,
    schema: Mapping[str, Any] | None = None,
) -> str:
    """What offline/evolve answers: the same for the same arguments, always.

    Args:
        messages: The chat, each with ``role`` and ``content``.
        seed: Chooses among the possible answers; without one the prompt alone decides.
        temperature: How much is changed at once.
        schema: The JSON schema of a structured answer, if one is asked for.
    """
    rng = random.Random(_digest(messages, seed))
    request = read(messages, schema)
    if request.format is Format.PROSE:
        return opinions.prose(rng)
    if request.format is Format.JSON:
        return _json(request, rng, temperature)
    child = _child(request, rng, temperature)
    changed = {path: text for path, text in child.files.items() if text != request.program[path]}
    if not changed:
        return f"{opinions.UNINFORMED} It found no program that it could change."
    form = _blocks if request.format is Format.BLOCKS else _files
    many = len(request.program) > 1
    edits = [form(path, request.program[path], text, many) for path, text in changed.items()]
    return "\n\n".join([_thought(child), *edits]) + "\n"


def _child(request: Request, rng: random.Random, temperature: float) -> Child:
    return vary(request.program, request.inspirations, rng, temperature, request.alphabet)


def _digest(messages: Sequence[Mapping[str, Any]], seed: int | None) -> int:
    sha = hashlib.sha256(repr(seed).encode())
    for message in messages:
        for key in ("role", "content"):
            data = repr(message.get(key)).encode("utf-8", "surrogatepass")
            sha.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(sha.digest(), "big")


def _thought(child: Child) -> str:
    return f"By chance (offline/evolve, no language model): {', '.join(child.done)}."


def _fenced(text: str, language: str) -> str:
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{language}\n{text if text.endswith(chr(10)) else text + chr(10)}{ticks}"


def _files(path: str, before: str, after: str, many: bool) -> str:
    return f"### File: {path}\n{_fenced(after, language_of(path))}"


def _blocks(path: str, before: str, after: str, many: bool) -> str:
    """One block around all that differs, with as many lines as make it stand out."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    first, last = start, len(old) - end
    while first > 0 or last < len(old):
        search = "".join(old[first:last])
        if search.strip() and before.count(search) == 1:
            break
        first, last = max(0, first - 1), min(len(old), last + 1)
    after_end = len(new) - (len(old) - last)
    search, replacement = "".join(old[first:last]), "".join(new[first:after_end])
    heading = f"### File: {path}\n" if many else ""
    return f"{heading}<<<<<<< SEARCH\n{_ended(search)}=======\n{_ended(replacement)}>>>>>>> REPLACE"


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _json(request: Request, rng: random.Random, temperature: float) -> str:
    changed: Files = {}

    def files() -> Files:
        if not changed and request.program:
            changed.update(_child(request, rng, temperature).files)
        return changed

    def code() -> str:
        return next(iter(files().values()), opinions.UNINFORMED)

    schema = request.schema or {"type": "object", "properties": {"answer": {"type": "string"}}}
    topics = [] if request.program else request.topics
    found = opinions.answer(schema, rng, code, files, topics)
    return json.dumps(found, ensure_ascii=False, indent=1)
