"""Imports litellm, once and in a thread.

litellm takes two seconds to import and reaches for the network, prints and logs unless told
otherwise. All of that is turned off.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from metasearch.models.provider import Provider

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    # Calls OpenAI and servers like it over litellm's own HTTP client, as it does most other
    # providers, and not through OpenAI's package: half the processor time of a call.
    "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER": "True",
    # Keeps it from reading a .env file of the working folder into our environment.
    "LITELLM_MODE": "PRODUCTION",
}

_loading = threading.Lock()
_loaded: Provider | None = None
_offline_registered = False


async def load(*, offline: bool = False) -> Provider:
    """litellm, imported in a thread so that the event loop goes on.

    Args:
        offline: Whether a model of ``offline/`` is among those to be called.
    """
    if _loaded is not None and (_offline_registered or not offline):
        return _loaded
    return await asyncio.to_thread(_load, offline)


def _load(offline: bool) -> Provider:
    global _loaded, _offline_registered
    with _loading:
        if _loaded is None:
            for name, value in _ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            with _no_collections():
                # Not import statements: type checkers need a minute and a gigabyte for them.
                litellm = importlib.import_module("litellm")
                calls: Any = importlib.import_module("litellm.main")
            _quieten(litellm)
            # Its own cache. Should another version have none of this name, the tokenizer is
            # loaded with the first call, and nothing else changes.
            calls._encoding_cache = _TokenizerOnDemand()
            _loaded = Provider(litellm)
        if offline and not _offline_registered:
            importlib.import_module("metasearch.models.offline").register()
            _offline_registered = True
        return _loaded


@contextmanager
def _no_collections() -> Iterator[None]:
    """Spares the garbage collector a half million objects that stay to the end.

    It would go through them again and again: a quarter of the time that importing them takes,
    and a third of a second in each full collection from then on.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


class _TokenizerOnDemand:
    """Stands in for litellm's tokenizer until something of it is used, which is seldom.

    litellm passes its tokenizer along with every call. Loading it takes 25 MB and half a second.
    """

    def __getattr__(self, name: str) -> Any:
        module = importlib.import_module("litellm.litellm_core_utils.default_encoding")
        return getattr(module.encoding, name)


def _quieten(litellm: Any) -> None:
    litellm.suppress_debug_info = True
    # Drops seed or temperature for models that refuse them, instead of failing.
    litellm.drop_params = True
    litellm.disable_hf_tokenizer_download = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.handlers.clear()
        logger.propagate = False
    for name in ("openai", "httpx", "httpcore"):
        # At INFO they log addresses, which for some providers carry the key.
        logging.getLogger(name).setLevel(logging.WARNING)
