"""One proposal: ask for an edit, read it, give it repair turns, evaluate it."""

from __future__ import annotations

from collections.abc import Sequence

from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.operators.edits import read_edit
from metasearch.operators.prompts import ANSWER_LIMIT, Shown, repair_message, shorten, thought_of
from metasearch.step import Step


async def propose(
    ctx: Step,
    conversation: Sequence[Message],
    parent: Shown,
    *,
    answer_format: str,
    operator: str,
    repairs: int = 1,
    island: int | None = None,
) -> Candidate:
    """Ask for an edit of ``parent`` and evaluate the program it gives.

    An edit that cannot be used is archived as rejected; up to ``repairs`` times the model
    is told why, in the same conversation, and asked again.
    """
    talk = list(conversation)
    for attempt in range(repairs + 1):
        reply = await ctx.ask(talk, role="propose")
        candidate = await ctx.evaluate(
            read_edit(reply.text, parent.program),
            parents=[parent.candidate],
            operator=operator if attempt == 0 else "repair",
            thought=thought_of(reply.text),
            island=island,
        )
        if candidate.outcome is not Outcome.REJECTED or attempt == repairs:
            break
        talk += [
            Message(role="assistant", content=shorten(reply.text, ANSWER_LIMIT)),
            repair_message(ctx, candidate.error, answer_format),
        ]
    return candidate
