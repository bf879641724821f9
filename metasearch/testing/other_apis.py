"""What the model server answers on addresses other than OpenAI's chat: see ``model_server``.

Anthropic's ``/v1/messages`` with its prompt cache, and OpenAI's ``/v1/embeddings``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from metasearch.testing.model_replies import tokens_of

ANTHROPIC_VERSION = "2023-06-01"
DIMENSIONS = 64
"""Of the embeddings that the server makes."""


class PromptCache:
    """The prefixes of prompts that were marked, as Anthropic keeps them for some minutes."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def usage(self, body: Mapping[str, Any]) -> dict[str, int]:
        """How a request's input is billed; from now on its marked prefixes are known."""
        sha, tokens = hashlib.sha256(), 0
        read = marked = 0
        for text, is_marked in _blocks(body):
            sha.update(text.encode() + b"\0")
            tokens += tokens_of(text)
            if is_marked:
                marked = tokens
                if sha.digest() in self._known:
                    read = tokens
                self._known.add(sha.digest())
        return {
            "input_tokens": tokens - marked,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": marked - read,
        }


def marks(body: Mapping[str, Any]) -> list[bool]:
    """For each block of a prompt in Anthropic's form, whether the cache is to keep up to it."""
    return [is_marked for _, is_marked in _blocks(body)]


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of a prompt in Anthropic's form, the system's first."""
    return [text for text, _ in _blocks(body)]


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    contents = [body.get("system") or [], *(message["content"] for message in body["messages"])]
    for content in contents:
        if isinstance(content, str):
            yield content, False
            continue
        for block in content:
            yield block["text"], block.get("cache_control", {}).get("type") == "ephemeral"


def anthropic_reply(text: str, usage: Mapping[str, int]) -> bytes:
    """A message of Anthropic's API, as JSON."""
    reply = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "test",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": tokens_of(text)},
    }
    return json.dumps(reply).encode()


def embeddings_reply(body: Mapping[str, Any]) -> bytes:
    """A list of embeddings, as JSON: letters counted by their code, and nothing deep."""
    asked = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [
        {"object": "embedding", "index": n, "embedding": _letters(text)}
        for n, text in enumerate(asked)
    ]
    tokens = sum(map(tokens_of, asked))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    reply = {"object": "list", "data": data, "model": body["model"], "usage": usage}
    return json.dumps(reply).encode()


def _letters(text: str) -> list[float]:
    counts = [0] * DIMENSIONS
    for character in text:
        counts[ord(character) % DIMENSIONS] += 1
    length = math.sqrt(sum(count * count for count in counts)) or 1.0
    return [count / length for count in counts]
