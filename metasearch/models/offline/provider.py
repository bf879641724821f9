"""offline/evolve as a litellm custom provider. Imported only where litellm is in use."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from metasearch.models.offline.reply import reply

# Not an import statement: type checkers need a minute and a gigabyte for litellm.
litellm: Any = importlib.import_module("litellm")

MODELS = frozenset({"evolve"})


class OfflineModel(litellm.CustomLLM):  # type: ignore[misc]
    """Answers litellm's completion calls without network and without a neural network."""

    def completion(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a chat."""
        return _answer(*args, **kwargs)

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a chat; takes some milliseconds and waits for nothing."""
        return _answer(*args, **kwargs)


def _answer(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    optional_params: Mapping[str, Any],
    **_: Any,
) -> Any:
    if model not in MODELS:
        known = ", ".join(f"offline/{name}" for name in sorted(MODELS))
        raise litellm.NotFoundError(
            f"there is no model offline/{model}; there is {known}", model, "offline"
        )
    seed = optional_params.get("seed")
    temperature = optional_params.get("temperature")
    text = reply(
        messages,
        seed if isinstance(seed, int) else None,
        float(temperature) if isinstance(temperature, int | float) else 0.8,
        _schema(optional_params.get("response_format")),
    )
    asked = sum(len(str(message.get("content") or "")) for message in messages)
    usage = litellm.Usage(
        prompt_tokens=_tokens(asked),
        completion_tokens=_tokens(len(text)),
        total_tokens=_tokens(asked) + _tokens(len(text)),
    )
    choice = litellm.Choices(
        finish_reason="stop", message=litellm.Message(role="assistant", content=text)
    )
    return litellm.ModelResponse(
        model=f"offline/{model}", created=int(time.time()), choices=[choice], usage=usage
    )


def _tokens(characters: int) -> int:
    """There is no tokenizer; four characters a token is the usual estimate."""
    return (characters + 3) // 4


def _schema(response_format: object) -> Mapping[str, Any] | None:
    if not isinstance(response_format, Mapping):
        return None
    wrapped = response_format.get("json_schema")
    schema = wrapped.get("schema") if isinstance(wrapped, Mapping) else None
    return schema if isinstance(schema, Mapping) else None
