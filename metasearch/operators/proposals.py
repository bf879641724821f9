"""One proposal: ask for an edit, read it, give it repair turns, evaluate it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from metasearch.archive import DIFFER
from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message
from metasearch.operators.deepening import Deepening, Repairs, repair_turns
from metasearch.operators.edits import read_edit
from metasearch.operators.prompts import (
    ANSWER_LIMIT,
    Shown,
    answer_rules,
    fence,
    render_program,
    render_result,
    repair_message,
    shorten,
    show,
    thought_of,
)
from metasearch.program import Program
from metasearch.step import Rejected, Step

_COMPARED = 100_000
"""Characters of two programs together up to which a prompt shows how they differ."""


async def propose(
    ctx: Step,
    conversation: Sequence[Message],
    parent: Shown,
    *,
    answer_format: str,
    operator: str,
    repairs: Repairs = 1,
    island: int | None = None,
) -> Candidate:
    """Ask for an edit of ``parent`` and evaluate the program it gives.

    An edit that cannot be used is archived as rejected; up to ``repairs`` times the model
    is told why, in the same conversation, and asked again. If it is rejected because an earlier
    candidate is the same or almost, the model is shown that one, once, and asked to differ.

    With :class:`~metasearch.operators.deepening.Deepening` a program that fails is repaired, too,
    and the next edit is one of the failed program. Between two budgets the model is asked to go
    through all of its work again. Of the conversation only the latest answers are kept.
    """
    ctx.work_on(parent.candidate, island)
    deepening = isinstance(repairs, Deepening)
    begun, told = list(conversation), False
    talk = list(begun)
    for reexamine in (*repair_turns(repairs), None):
        reply = await ctx.ask(talk, role="propose")
        proposal = read_edit(reply.text, parent.program)
        candidate = await ctx.evaluate(
            proposal,
            parents=[parent.candidate],
            operator=operator,
            thought=thought_of(reply.text),
            island=island,
        )
        rejected = candidate.outcome is Outcome.REJECTED
        failed = deepening and candidate.outcome is not Outcome.SCORED
        if reexamine is None or not (rejected or failed):
            break
        answer = Message(role="assistant", content=shorten(reply.text, ANSWER_LIMIT))
        talk = [*(begun if deepening else talk), answer]
        if isinstance(proposal, Program) and not rejected:
            operator, parent = "repair", Shown(candidate, proposal)
            talk.append(_mend_message(ctx, parent, answer_format, reexamine=reexamine))
            begun = talk = [*conversation, *talk[-2:]]
        elif candidate.duplicate_of is None or isinstance(proposal, Rejected):
            operator = "repair"
            talk.append(repair_message(ctx, candidate.error, answer_format, reexamine=reexamine))
        elif told:
            break
        else:
            operator, told = DIFFER, True
            original = show(ctx, ctx.archive.candidate(candidate.duplicate_of))
            talk.append(_differ_message(ctx, candidate, proposal, original, answer_format))
    return candidate


def _mend_message(ctx: Step, failed: Shown, answer_format: str, *, reexamine: bool) -> Message:
    """Show a program that failed and why, and ask to mend it."""
    text = ctx.render(
        "mend",
        program=render_program(failed.program),
        result=render_result(ctx, failed.candidate),
        reexamine=reexamine,
        answer=answer_rules(ctx, answer_format),
    )
    return Message(role="user", content=text)


def _differ_message(
    ctx: Step, candidate: Candidate, proposal: Program, original: Shown, answer_format: str
) -> Message:
    """Say which earlier candidate the last answer repeats, and ask for something else."""
    earlier = original.candidate
    # What has been settled since then is left out: a step that is run again asks the same.
    measured = earlier.outcome is not None and earlier.seq < candidate.seq
    text = ctx.render(
        "make_different",
        reason=candidate.error,
        number=earlier.number,
        result=render_result(ctx, earlier) if measured else None,
        difference=_difference(original.program, proposal),
        answer_rules=answer_rules(ctx, answer_format),
    )
    return Message(role="user", content=text)


def _difference(before: Program, after: Program) -> str | None:
    """How two programs differ, as a diff in a fence; ``None`` if they do not, or are too long."""
    if sum(len(text) for p in (before, after) for text in p.files.values()) > _COMPARED:
        return None
    lines = "\n".join(_diff_lines(before, after))
    return fence(shorten(lines), "diff") if lines else None


def _diff_lines(before: Program, after: Program) -> Iterator[str]:
    for path in dict.fromkeys([*before.files, *after.files]):
        old, new = (program.files.get(path, "").splitlines() for program in (before, after))
        yield from difflib.unified_diff(old, new, path, path, lineterm="")
