"""A strategy whose every proposal is an attack: what a campaign looks like to a hostile model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.program import Program
from metasearch.step import Step, Task
from tests.redteam.catalogue import ATTACKS
from tests.redteam.noise import ESCAPES

HOSTILE_NAME = ESCAPES.encode("ascii").decode("unicode_escape")


class Besieger:
    """Step n proposes attack n."""

    paper: ClassVar[str] = "none"
    idea: ClassVar[str] = "every proposal is an attack, under a hostile name"
    roles: ClassVar[tuple[Role, ...]] = ()

    class Options(BaseModel):
        """None."""

    def __init__(self, task: Task, options: Options) -> None:
        self.turn = 0

    def observe(self, candidate: Candidate) -> None:
        """Nothing is learnt."""

    async def step(self, ctx: Step) -> None:
        """The next attack."""
        attack = ATTACKS[self.turn % len(ATTACKS)]
        self.turn += 1
        await ctx.evaluate(
            Program(files=attack.files),
            parents=[ctx.archive.candidate(0)],
            operator="attack",
            name=HOSTILE_NAME,
            thought=f"{attack.name} {HOSTILE_NAME}",
        )
