"""One attempt at one call, in plain values: of whom, how, what it brought, or why it failed."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from metasearch.exchange import Usage
from metasearch.models.overflow import Overflow


@dataclass(frozen=True)
class Target:
    """A model name resolved: enough to call it."""

    model: str
    provider: str
    api_base: str | None
    api_key: str | None
    """``None``: litellm takes it from the environment."""


@dataclass(frozen=True)
class Sampling:
    """How a reply is to be written."""

    temperature: float
    max_tokens: int
    seed: int
    effort: str | None = None
    """How much the model is to think, where its provider takes that; ``None``: as it likes."""
    schema: type[BaseModel] | None = None
    """Passed on to models that can keep their answer to one."""


@dataclass(frozen=True)
class Completion:
    """What one attempt brought."""

    text: str
    finish_reason: str
    usage: Usage | None
    """Without USD and seconds; ``None`` if the provider did not say."""
    thought: bool = False
    """Whether some of its tokens went into thinking."""


class AttemptFailed(Exception):
    """One attempt came to nothing.

    Attributes:
        status: HTTP status, as far as there was one.
        transient: Whether another attempt may succeed.
        at_once: Another attempt need not wait: the provider is well, its reply was of no use.
        overloaded: The provider has more to do than it can: it is to be left alone for a while.
        retry_after: Seconds that the provider asks to wait.
        about_prompt: The provider refuses this prompt, not the model or the key.
        overflow: The prompt is too long for the model; with the sizes that the provider names.
        unreachable: There was no connection to send anything over.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        transient: bool = False,
        at_once: bool = False,
        overloaded: bool = False,
        retry_after: float | None = None,
        about_prompt: bool = False,
        overflow: Overflow | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.transient = transient
        self.at_once = at_once
        self.overloaded = overloaded
        self.retry_after = retry_after
        self.about_prompt = about_prompt
        self.overflow = overflow
        self.unreachable = unreachable
