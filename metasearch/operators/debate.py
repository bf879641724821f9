"""A debate of several agents over programs that their measurements do not tell apart.

The discriminator of SWE-Search: each agent argues for one program in each round and reads
what the others said; then one more call concludes. Scores are hidden, each agent sees the
programs in an order of its own, and a verdict that is not valid makes nobody a winner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from metasearch.exchange import Message
from metasearch.facts import Match, Turn
from metasearch.operators.prompts import Shown, render_program
from metasearch.step import Refused, Step

LABELS = "ABCDE"
"""Names of the programs in a debate; so many can take part."""


class Verdict(BaseModel):
    """Which program you would keep, and why."""

    argument: str = Field(description="your reasons, with what in the code they rest on")
    choice: str = Field(description="the letter of one program")


@cache
def verdict_on(labels: tuple[str, ...]) -> type[Verdict]:
    """The form of a verdict in which only these letters can be chosen."""
    letters: Any = Literal[labels]
    field = (letters, Field(description="the letter of one program"))
    return create_model("Verdict", __base__=Verdict, __doc__=Verdict.__doc__, choice=field)


async def debate(ctx: Step, finalists: Sequence[Shown], *, agents: int, rounds: int) -> Match:
    """Let agents debate over two to five programs; the match is not recorded yet.

    Args:
        ctx: The step; its role ``judge`` is asked ``agents * rounds + 1`` times.
        finalists: Programs that are equally good as far as was measured.
        agents: How many take part.
        rounds: How often each one speaks.
    """
    order = list(finalists)
    ctx.rng.shuffle(order)
    programs = dict(zip(LABELS, order, strict=False))
    verdict_form = verdict_on(tuple(programs))
    views = [ctx.rng.sample(sorted(programs), len(programs)) for _ in range(agents)]
    said: list[Turn] = []
    for turn in range(1, rounds + 1):
        prompts = [
            _prompt(
                ctx,
                "debate_argue",
                programs,
                labels,
                said,
                agent=number,
                agents=agents,
                turn=turn,
                rounds=rounds,
            )
            for number, labels in enumerate(views, 1)
        ]
        verdicts = await asyncio.gather(
            *(ctx.ask_for(verdict_form, prompt, role="judge") for prompt in prompts)
        )
        said += [
            Turn(
                speaker=f"agent {number}, round {turn}, for {verdict.choice}", text=verdict.argument
            )
            for number, verdict in enumerate(verdicts, 1)
            if not isinstance(verdict, Refused)
        ]
    labels = ctx.rng.sample(sorted(programs), len(programs))
    last = await ctx.ask_for(
        verdict_form, _prompt(ctx, "debate_conclude", programs, labels, said), role="judge"
    )
    shares = rationale = None
    if not isinstance(last, Refused):
        shares = tuple(float(label == last.choice) for label in programs)
        rationale = last.argument
    return Match(
        between="candidates",
        contestants=tuple(shown.candidate.number for shown in order),
        shares=shares,
        mode="panel",
        purpose="tie",
        transcript=tuple(said),
        rationale=rationale or "",
    )


def _prompt(
    ctx: Step,
    template: str,
    programs: dict[str, Shown],
    labels: Sequence[str],
    said: Sequence[Turn],
    **values: object,
) -> list[Message]:
    shown = [(label, render_program(programs[label].program)) for label in labels]
    text = ctx.render(
        template, task=ctx.task.description, programs=shown, said=list(said), **values
    )
    return [Message(role="user", content=text)]
