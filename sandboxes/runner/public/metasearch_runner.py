"""Ask a language model from inside the sandbox.

A program whose campaign allows it (``[agent]`` in campaign.toml) asks the campaign's model
role ``agent``. There is no network and no key in here: the question goes to whoever called
the program, and is answered, recorded and paid for outside::

    import metasearch_runner

    def solve(question):
        reply = metasearch_runner.ask(
            [{"role": "system", "content": "Think step by step."},
             {"role": "user", "content": question}],
            temperature=0.5,
        )
        return reply.text

The campaign caps what one evaluation of a program may use: calls, tokens, USD and seconds.
At a cap :class:`BudgetExceeded` is raised. A program may catch it, and answer with what it
has. Asking is possible in functions that the evaluator calls, from several threads at once
(asyncio programs use ``asyncio.to_thread``), and not in commands that it runs. Time spent
waiting for a model is not the program's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["AskError", "BudgetExceeded", "Reply", "ask"]


class AskError(Exception):
    """There is no answer: asking is not allowed here, or the question is not acceptable."""


class BudgetExceeded(AskError):
    """A cap of the campaign on what one program may ask is reached.

    Attributes:
        cap: Which one: ``calls``, ``tokens``, ``usd`` or ``seconds``.
    """

    def __init__(self, message: str, cap: str) -> None:
        super().__init__(message)
        self.cap = cap


class Reply(NamedTuple):
    """What the model answered, and what it took."""

    text: str
    finish_reason: str
    """``stop``, or why the text ends early, such as ``length``."""
    input_tokens: int
    output_tokens: int
    usd: float | None
    """``None``: nobody knows."""


def ask(
    messages: str | Sequence[dict[str, str]],
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
) -> Reply:
    """Ask the model, and wait for its reply.

    Args:
        messages: A conversation, each turn a dict with ``role`` (``system``, ``user`` or
            ``assistant``) and ``content``; or the text of a single user message.
        temperature: From 0 to 2; the campaign's if not given.
        max_tokens: Most tokens of the reply, at most (and if not given) the campaign's. The
            token and USD caps have to have room for that many, so a small number reaches further.

    Raises:
        BudgetExceeded: A cap is reached.
        AskError: Asking is not possible here, or not like this.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    try:
        turns = [[turn["role"], turn["content"]] for turn in messages]
    except (KeyError, TypeError) as error:
        raise AskError(
            f"messages must be a list of dicts with role and content: {error!r}"
        ) from None
    if _send is None:
        raise AskError(
            "only functions that the evaluator calls may ask a model; a program that is run as a "
            "command may not"
        )
    answer = _send({"messages": turns, "temperature": temperature, "max_tokens": max_tokens})
    if "given" in answer:
        return Reply(**answer["given"])
    refused = answer["refused"]
    if refused["cap"]:
        raise BudgetExceeded(refused["reason"], refused["cap"])
    raise AskError(refused["reason"])


_send: Callable[[dict[str, Any]], dict[str, Any]] | None = None
"""Set by the process that answers the evaluator's calls; there is none in other processes."""
