"""Keeping keys out of everything that is stored, shown or sent on.

Keys come from environment variables only. Their values are replaced by the variable's name
wherever text leaves this room: errors and logs, and also prompts and replies, since a
program or a provider may echo what it should not know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|KEYS|TOKEN|TOKENS|SECRET|SECRETS|PASSWORD|PASSWD|PAT"
    r"|CREDENTIAL|CREDENTIALS|AUTH)(?:_|$)",
    re.IGNORECASE,
)
_SHORTEST = 8
"""Shorter values are words and numbers; replacing them would garble ordinary text."""

_KEY_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(?:sk-|gsk_|xai-|hf_|pplx-|AIza|AKIA|ghp_|github_pat_|Bearer\s+)"
    r"[A-Za-z0-9_*.\-]{12,}"
)


def _secrets(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Pairs of secret text and what stands for it, longest first."""
    found: dict[str, str] = {}
    for name, value in environment.items():
        value = value.strip()
        if len(value) < _SHORTEST or not _SECRET_NAME.search(name):
            continue
        if value.startswith(("/", "~")) and Path(value).expanduser().exists():
            continue  # GOOGLE_APPLICATION_CREDENTIALS and the like name a file.
        for form in (value, quote(value, safe="")):
            found.setdefault(form, f"[{name}]")
    return tuple(sorted(found.items(), key=lambda pair: -len(pair[0])))


class Redactor:
    """Replaces the keys of one environment; cheap enough for every prompt and reply."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Take the keys from an environment, by default this process's own."""
        self._secrets = _secrets(os.environ if environment is None else environment)

    def values(self, text: str) -> str:
        """The text without the values of keys, otherwise unchanged."""
        for secret, stand_in in self._secrets:
            if secret in text:
                text = text.replace(secret, stand_in)
        return text

    def redact(self, text: str) -> str:
        """The text without the values of keys and without anything shaped like a key.

        For errors and logs, in which providers like to quote a part of the key.
        """
        return _KEY_SHAPE.sub("[key]", self.values(text))


def redact(text: str) -> str:
    """A message that is safe to store and show: see :meth:`Redactor.redact`."""
    return _current(tuple(os.environ.items())).redact(text)


@lru_cache(maxsize=1)
def _current(environment: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor(dict(environment))


def storable(text: str) -> str:
    """The text without lone surrogates, which JSON may carry and no file can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
