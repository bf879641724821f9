"""What litellm's errors mean: which are worth another attempt, and what to tell people."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from metasearch.models.attempt import AttemptFailed
from metasearch.models.overflow import read_overflow

_TRANSIENT = frozenset({408, 409, 425, 429})
_OVERLOADED = frozenset({408, 425, 429})
_REFUSED = frozenset({400, 413, 422})
_NO_CREDIT = re.compile(r"insufficient_quota|credit balance is too low", re.IGNORECASE)
_NOISE = re.compile(r"^(?:litellm\.)?(?:\w+Error|Timeout)(?: Error)?: (?:\w+Exception - )?")
_LONGEST_ERROR = 1000
_LONGEST_BODY = 20_000
"""Characters of an error body that are looked at."""


def explain(litellm: Any, error: Exception, timeout: float) -> AttemptFailed:
    """What became of an attempt that raised an error."""
    known = litellm.exceptions
    http = litellm.httpx
    status = getattr(error, "status_code", None)
    if isinstance(error, known.Timeout):
        return AttemptFailed(f"no reply in {timeout:g} s", transient=True)
    # Where no reply was received, litellm makes up a status.
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, http.ConnectError):
            text = f"cannot connect to {_address(cause)}: {_reason(cause)}"
            return AttemptFailed(text, transient=True, overloaded=True, unreachable=True)
        if isinstance(cause, http.TransportError):
            return AttemptFailed(f"the connection broke: {_short(cause)}", transient=True)
    if any(
        isinstance(cause, litellm.openai.APIConnectionError)
        or getattr(cause, "status_code_is_synthesized", False)
        for cause in causes
    ):
        text = f"no reply: {type(causes[-1]).__name__}: {_short(causes[-1])}"
        return AttemptFailed(text, transient=True)
    if not isinstance(error, litellm.openai.OpenAIError) or not isinstance(status, int):
        # Neither litellm nor its HTTP clients raise it on purpose: a bug or a broken reply.
        return AttemptFailed(f"{type(error).__name__}: {_short(error)}", transient=True)
    text = f"{error} {getattr(error, 'body', None) or ''}"
    overflow = None
    too_long = isinstance(error, known.ContextWindowExceededError)
    if too_long or status in _REFUSED:
        overflow = read_overflow(text[:_LONGEST_BODY], certain=too_long)
    about_prompt = overflow is not None or isinstance(error, known.ContentPolicyViolationError)
    no_credit = _NO_CREDIT.search(text) is not None
    # 200: the reply could not be read.
    transient = (status in _TRANSIENT or status >= 500 or status == 200) and not no_credit
    return AttemptFailed(
        f"{_short(error)} (HTTP status {status})" if status != 200 else _short(error),
        status=402 if no_credit else status,
        transient=transient and not about_prompt,
        overloaded=status in _OVERLOADED or status >= 500,
        retry_after=_retry_after(error),
        about_prompt=about_prompt,
        overflow=overflow,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, as a traceback would show them."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _address(error: Any) -> str:
    """Where a request of the HTTP client was to go; without query and user, which hold keys."""
    url = str(error.request.url.copy_with(userinfo=b"", query=None, fragment=None))
    return url.removesuffix("/chat/completions")


def _reason(error: BaseException) -> str:
    """Why there is no connection, in the operating system's words."""
    system = [cause for cause in _causes(error) if isinstance(cause, OSError)]
    if not system:
        return _short(error)
    deepest = system[-1]
    if isinstance(deepest, socket.gaierror | ssl.SSLError) or not deepest.errno:
        return str(deepest.strerror or deepest).lower()
    return os.strerror(deepest.errno).lower()


def _short(error: BaseException) -> str:
    text = _NOISE.sub("", _NOISE.sub("", str(error).strip())) or type(error).__name__
    text = _own_words(text)
    return text if len(text) <= _LONGEST_ERROR else text[: _LONGEST_ERROR - 1] + "…"


def _own_words(text: str) -> str:
    """The message in a JSON error body of the usual form; any other text as it is."""
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, TypeError, KeyError):
        return text
    return message if isinstance(message, str) and message else text


def _retry_after(error: Exception) -> float | None:
    for holder in (error, getattr(error, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            headers = getattr(holder, name, None)
            value = headers.get("retry-after") if isinstance(headers, Mapping) else None
            seconds = seconds_asked(value) if isinstance(value, str | int | float) else None
            if seconds is not None:
                return seconds
    return None


def seconds_asked(value: str | float) -> float | None:
    """What a ``Retry-After`` header means in seconds from now: a number, or a date (RFC 9110)."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(str(value))
        except (ValueError, IndexError):
            return None
        now = datetime.now(then.tzinfo)  # without a zone only in broken headers: then local
        seconds = max(0.0, (then - now).total_seconds())
    return seconds if 0 <= seconds < float("inf") else None
