"""offline/evolve: a model without network, key or neural network.

It reads the program out of the prompt, changes it by chance, and answers in the form that the
prompt asks for: of Python the syntax tree, of a line of symbols in brackets the symbols, of any
other text its numbers and lines. It makes every strategy run, and is the baseline that a language
model has to beat.
"""

from __future__ import annotations

PROVIDER = "offline"
"""litellm's name of the provider: the part before the slash."""


def register() -> None:
    """Make litellm answer ``offline/evolve``. Calling it again changes nothing."""
    from metasearch.models.offline.provider import OfflineModel, litellm

    handlers = litellm.custom_provider_map
    if not any(entry["provider"] == PROVIDER for entry in handlers):
        handlers.append({"provider": PROVIDER, "custom_handler": OfflineModel()})
        litellm.utils.custom_llm_setup()


__all__ = ["PROVIDER", "register"]
