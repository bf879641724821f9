"""Rewriting one block: show it, ask for it, read it, give the reply repair turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.candidate import Candidate
from metasearch.exchange import Message
from metasearch.formats import BLOCK
from metasearch.operators.genome import Gene, needed_names, read_gene
from metasearch.operators.prompts import (
    ANSWER_LIMIT,
    answer_rules,
    fence,
    repair_message,
    shorten,
    task_message,
    thought_of,
)
from metasearch.program import Program
from metasearch.step import Step

NOTE_LIMIT = 2_000
"""Characters of a block's note that a prompt shows."""


@dataclass(frozen=True)
class Rewritten:
    """A program with one new block."""

    program: Program
    thought: str


async def rewrite(
    ctx: Step,
    program: Program,
    gene: Gene,
    prompt: str,
    *,
    temperature: float,
    parents: Sequence[Candidate],
    operator: str,
    name: str,
    repairs: int,
) -> Rewritten | None:
    """Ask for a new text of one block; ``None`` if no reply could be used.

    Replies that cannot be used are archived as rejected, under ``operator`` or ``repair``.
    The program is not evaluated: another operator may go on with it.
    """
    ctx.work_on(parents[0])
    talk = [task_message(ctx, BLOCK), Message(role="user", content=prompt)]
    for attempt in range(repairs + 1):
        reply = await ctx.ask(tuple(talk), role="propose", temperature=temperature)
        edited = read_gene(reply.text, program, gene)
        if isinstance(edited, Program):
            return Rewritten(edited, thought_of(reply.text))
        made = operator if attempt == 0 else "repair"
        await ctx.evaluate(edited, parents=parents, operator=made, name=name)
        talk += [
            Message(role="assistant", content=shorten(reply.text, ANSWER_LIMIT)),
            repair_message(ctx, edited.reason, BLOCK),
        ]
    return None


def block_values(ctx: Step, program: Program, gene: Gene) -> dict[str, object]:
    """What templates are told of the block that is to be rewritten."""
    return {
        "block": gene.name,
        "note": shorten(gene.note, NOTE_LIMIT).strip(),
        "code": fenced(gene),
        "needed": sorted(needed_names(program, gene)),
        "answer": answer_rules(ctx, BLOCK),
    }


def fenced(gene: Gene) -> str:
    """A block's text in a fence."""
    return fence(gene.text, "python" if gene.path.endswith(".py") else "")
