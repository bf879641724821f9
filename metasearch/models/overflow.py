"""Context overflow: how providers say that a prompt is too long, and by how much.

litellm knows most of these refusals by itself. It does not read the sizes, and it overlooks
some servers that have words of their own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CODES = re.compile(r"\b(?:context_length_exceeded|exceed_context_size_error)\b")

_NUMBER = r"(\d[\d,]*)"
_LIMIT = _NUMBER.replace("(", "(?P<limit>", 1)
_REQUESTED = _NUMBER.replace("(", "(?P<requested>", 1)
_PROMPT = _NUMBER.replace("(", "(?P<prompt>", 1)
_REPLY = _NUMBER.replace("(", "(?P<reply>", 1)

_SIZES = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # vLLM
        rf"too large: {_REPLY}.{{0,80}}?maximum context length is {_LIMIT} tokens"
        rf".{{0,80}}?has {_PROMPT} input tokens",
        rf"maximum context length is {_LIMIT} tokens"
        rf".{{0,80}}?requested {_REPLY} output tokens.{{0,80}}?at least {_PROMPT} input tokens",
        # OpenAI and servers like it
        rf"maximum context length is {_LIMIT} tokens"
        rf".{{0,80}}?(?:requested|resulted in) {_REQUESTED} tokens",
        # Anthropic, also by way of Bedrock and Vertex
        rf"prompt is too long: {_REQUESTED} tokens > {_LIMIT} maximum",
        rf"exceed context limit: {_PROMPT} \+ {_REPLY} > {_LIMIT}",
        # Gemini
        rf"input token count \(?{_REQUESTED}\)? exceeds the maximum number of tokens allowed"
        rf" \(?{_LIMIT}",
        # llama.cpp
        rf"request \({_REQUESTED} tokens\) exceeds the available context size \({_LIMIT} tokens\)",
        # The limit alone
        rf"maximum context length (?:is|of) {_LIMIT}",
        rf"available context size \({_LIMIT}",
    )
)


class Overflow(NamedTuple):
    """The sizes of a request that was too long, in tokens as the provider counts them."""

    limit: int | None
    """What it takes at most; ``None`` if it does not say."""
    requested: int | None
    """What was asked of it: the prompt, and the reply's own limit where that counts, too."""


def read_overflow(text: str, *, certain: bool) -> Overflow | None:
    """The sizes that a refusal names; ``None`` if it is about something else.

    Args:
        text: The provider's words and, if there is one, the body they came in.
        certain: It is known already that the prompt was too long.
    """
    for pattern in _SIZES:
        found = pattern.search(text)
        if found is not None:
            sizes = {name: int(n.replace(",", "")) for name, n in found.groupdict().items()}
            both = sizes["prompt"] + sizes["reply"] if "prompt" in sizes else None
            return Overflow(sizes.get("limit"), sizes.get("requested", both))
    return Overflow(None, None) if certain or _CODES.search(text) else None
