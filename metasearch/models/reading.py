"""Reading what litellm gives back: a whole reply, or one that comes in pieces."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from metasearch.exchange import Usage
from metasearch.models.attempt import AttemptFailed, Completion


def read_reply(response: Any) -> Completion:
    """A reply that came whole."""
    if not response.choices:
        return Completion("", "", None)
    choice = response.choices[0]
    text = choice.message.content
    usage = read_usage(getattr(response, "usage", None))
    return Completion(
        text=text if isinstance(text, str) else "",
        finish_reason=str(choice.finish_reason or ""),
        usage=usage,
        thought=_thought(choice.message) != ""
        or (usage is not None and usage.reasoning_tokens > 0),
    )


async def read_stream(stream: Any, stall: float) -> Completion:
    """A reply that comes in pieces.

    Args:
        stream: litellm's.
        stall: Seconds to wait for more text, thoughts included, once there is some. Before
            that a model may be busy with a long prompt, or think unseen.

    Raises:
        AttemptFailed: It stalled, or ended without an ending.
    """
    loop = asyncio.get_running_loop()
    pieces: list[str] = []
    thought = False
    deadline = None
    async with aclosing(stream):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise AttemptFailed(
                    f"the reply stalled: no more of it for {stall:g} s", transient=True
                ) from None
            for choice in chunk.choices[:1]:
                text = choice.delta.content
                if isinstance(text, str) and text:
                    pieces.append(text)
                elif _thought(choice.delta):
                    thought = True
                else:
                    continue  # a sign of life and no more: some servers send them for ever
                deadline = loop.time() + stall
            if _ending(stream):
                # All text is here. What may follow is the bill, and litellm's own accounts, which
                # need none of our time once there is a bill.
                deadline = None
                if _said(stream) is not None:
                    break
    # Where the provider did not say how the reply ended, litellm's last piece says "stop".
    ending = _ending(stream)
    if not ending:
        raise AttemptFailed(
            "the reply broke off: its stream ended without an ending", transient=True
        )
    usage = _said(stream)
    return Completion(
        text="".join(pieces),
        finish_reason=ending,
        usage=usage,
        thought=thought or (usage is not None and usage.reasoning_tokens > 0),
    )


def _ending(stream: Any) -> str:
    return str(stream.received_finish_reason or stream.intermittent_finish_reason or "")


def _said(stream: Any) -> Usage | None:
    """What the provider itself says of the tokens; litellm's count at the end may be a guess.

    Some say with the first piece what the prompt took, and with the last one what the reply did.
    """
    said = [usage for c in stream.chunks if (usage := read_usage(getattr(c, "usage", None)))]
    if not said:
        return None
    return Usage(
        input_tokens=max(usage.input_tokens for usage in said),
        output_tokens=max(usage.output_tokens for usage in said),
        cached_tokens=max(usage.cached_tokens for usage in said),
        cache_write_tokens=max(usage.cache_write_tokens for usage in said),
        reasoning_tokens=max(usage.reasoning_tokens for usage in said),
    )


def _thought(message: Any) -> str:
    text = getattr(message, "reasoning_content", None)
    return text if isinstance(text, str) else ""


def read_usage(usage: Any) -> Usage | None:
    """What a reply says of its tokens; ``None`` if it says nothing."""
    input_tokens = _count(usage, "prompt_tokens")
    output_tokens = _count(usage, "completion_tokens")
    if input_tokens + output_tokens == 0:
        return None
    prompt_details = getattr(usage, "prompt_tokens_details", None)
    details = getattr(usage, "completion_tokens_details", None)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=_count(prompt_details, "cached_tokens"),
        cache_write_tokens=_count(prompt_details, "cache_creation_tokens")
        or _count(prompt_details, "cache_write_tokens")
        or _count(usage, "cache_creation_input_tokens"),
        reasoning_tokens=_count(details, "reasoning_tokens"),
    )


def _count(holder: Any, name: str) -> int:
    value = getattr(holder, name, None)
    return max(0, int(value)) if isinstance(value, int | float) else 0
