"""Why a run ended, in words."""

from __future__ import annotations

_WORDS = {
    "evaluations": "the budget of evaluations is used up",
    "usd": "the budget of USD is used up",
    "tokens": "the budget of tokens is used up",
    "minutes": "the time is up",
    "target": "the target is reached",
    "stalled": "the strategy no longer finds a program that was not tried before",
    "ideas": "there are as many ideas as the budget allows, reviewed and compared",
    "plateau": "the best ideas have stayed the same for as long as plateau_epochs says",
    "interrupted": "it was interrupted",
}


def in_words(reason: str) -> str:
    """A reason as the archive has it, for people; one that has no words of its own as it is."""
    return _WORDS.get(reason, reason)
