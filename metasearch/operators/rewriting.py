"""Rewriting one block: show it in its program, ask for it, read it, give the reply repair turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.candidate import Candidate
from metasearch.exchange import Message
from metasearch.formats import BLOCK, language_of
from metasearch.operators.genome import Gene, needed_names, read_gene, surroundings
from metasearch.operators.parts import edit_diff
from metasearch.operators.prompts import (
    ANSWER_LIMIT,
    FEEDBACK_LIMIT,
    answer_rules,
    fence,
    render_result,
    render_scores,
    repair_message,
    shorten,
    task_message,
    thought_of,
)
from metasearch.program import Program, protected_text
from metasearch.prompts import Draft, Part
from metasearch.step import Step

NOTE_LIMIT = 2_000
"""Characters of a block's note that a prompt shows."""
_REST_LIMIT = 8_000
"""Characters of each file around a block in a prompt that is too long."""


@dataclass(frozen=True)
class Individual:
    """An offspring while operators work on it, one after the other."""

    program: Program
    parents: tuple[Candidate, ...]
    operators: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    """For each of them the block and what was asked for: success by prompt is counted by it."""
    thought: str = ""


async def rewrite(
    ctx: Step,
    child: Individual,
    gene: Gene,
    prompt: Sequence[Part],
    operator: str,
    label: str,
    temperature: float,
    repairs: int,
) -> Individual:
    """The individual with a new text of one block; as it was if no reply could be used.

    Replies that cannot be used are archived as rejected, under ``operator`` or ``repair``.
    The program is not evaluated: another operator may go on with it.
    """
    ctx.work_on(child.parents[0])
    talk = [task_message(ctx), Draft.of(prompt)]
    for attempt in range(repairs + 1):
        reply = await ctx.ask(tuple(talk), role="propose", temperature=temperature)
        edited = read_gene(reply.text, child.program, gene)
        if isinstance(edited, Program):
            done, prompts = (*child.operators, operator), (*child.prompts, label)
            return Individual(edited, child.parents, done, prompts, thought_of(reply.text))
        made = operator if attempt == 0 else "repair"
        await ctx.evaluate(edited, parents=child.parents, operator=made, name=label)
        talk += [
            Message(role="assistant", content=shorten(reply.text, ANSWER_LIMIT)),
            repair_message(ctx, edited.reason, BLOCK),
        ]
    return child


# -- the parts of a prompt ----------------------------------------------------------------------


def around_part(ctx: Step, program: Program, gene: Gene) -> Part:
    """The rest of the program; what goes first in a prompt that is too long."""
    files = surroundings(program, gene)
    if not files:
        return Part(text="")
    marked = bool(protected_text(program))
    text, shorter = (
        ctx.render(
            "guided_evolution_around",
            block=gene.name,
            marked=marked,
            rest="\n".join(f"`{path}`:\n{fence(cut(text))}" for path, text in files.items()),
        )
        for cut in (str, lambda text: shorten(text, _REST_LIMIT))
    )
    return Part(text=text, priority=2, name="the rest of the program", shorter=(shorter,))


def elsewhere_part(ctx: Step, program: Program, other: Program) -> Part:
    """How two programs differ, for a merger that takes over a block of the other one."""
    if program.digest == other.digest:
        return Part(text="")
    text, shorter = (
        ctx.render("guided_evolution_elsewhere", difference=edit_diff(program, other, limit))
        for limit in (_REST_LIMIT, 1_000)
    )
    return Part(text=text, priority=3, name="the other differences", shorter=(shorter,))


def block_part(ctx: Step, gene: Gene) -> Part:
    """The block that is to be rewritten, with its note."""
    note = shorten(gene.note, NOTE_LIMIT).strip()
    values = {"block": gene.name, "note": note, "code": fenced(gene)}
    return Part(text=ctx.render("guided_evolution_block", **values))


def standing_part(ctx: Step, child: Individual) -> Part:
    """How the program that is to be changed does, or its parents, if it was changed already."""
    unmeasured = [render_scores(c, ctx.task) for c in child.parents if child.operators]
    text, *shorter = (
        ctx.render(
            "guided_evolution_standing",
            unmeasured=unmeasured,
            result=render_result(ctx, child.parents[0], limit),
        )
        for limit in (FEEDBACK_LIMIT, 1_000, 0)
    )
    return Part(text=text, priority=1, name="result and feedback", shorter=tuple(shorter))


def request_part(ctx: Step, template: str, program: Program, gene: Gene) -> Part:
    """The end of the prompt: what holds for the new text, and how it is to be given."""
    needed = sorted(needed_names(program, gene))
    answer = answer_rules(ctx, BLOCK)
    return Part(text=ctx.render(template, block=gene.name, needed=needed, answer=answer))


def fenced(gene: Gene) -> str:
    """A block's text in a fence."""
    return fence(gene.text, language_of(gene.path))
