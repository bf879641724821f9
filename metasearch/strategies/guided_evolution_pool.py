"""The prompt pool of ``guided_evolution``: directions x personas, in ever new wordings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from metasearch.exchange import Message
from metasearch.facts import Phrasing, Recorded
from metasearch.operators.edits import fences
from metasearch.prompts import fence
from metasearch.step import Step

DIRECTIONS = ("complex", "parameters", "unusual_parameters", "smaller", "significant", "obscure")
PERSONAS = ("concise", "expert", "lucky", "inventor")
_WORDING_LIMIT = 1_500
"""Characters of a rephrased prompt."""


class Drawn(NamedTuple):
    """A prompt as it is drawn from the pool."""

    prompt: str
    """Its direction and persona, whatever its wording."""
    name: str
    """Likewise, with the number of its wording if it was rephrased."""
    request: str


class PromptPool:
    """All pairs of a direction and a persona. A wording takes its prompt's place.

    Wordings are folded from the archive's facts. Those of one generation are used by the
    generations after it, so that all of a generation draw from the same pool.
    """

    def __init__(self, directions: Sequence[str], personas: Sequence[str]) -> None:
        self.directions = directions
        self.personas = personas
        self._wordings: list[tuple[int, Phrasing]] = []

    def learn(self, recorded: Recorded) -> None:
        """Fold: a wording, with its number; all other facts mean nothing here."""
        if isinstance(recorded.fact, Phrasing):
            self._wordings.append((recorded.number, recorded.fact))

    def before(self, generation: int) -> PromptPool:
        """The pool that a generation draws from."""
        pool = PromptPool(self.directions, self.personas)
        pool._wordings = [w for w in self._wordings if (w[1].generation or 0) < generation]
        return pool

    def pair(self, rng: random.Random) -> tuple[str, str]:
        """A direction and a persona, all pairs equally likely."""
        return rng.choice(self.directions), rng.choice(self.personas)

    def draw(self, ctx: Step) -> Drawn:
        """One prompt, in the latest of its wordings."""
        direction, persona = self.pair(ctx.rng)
        prompt = f"{direction}, {persona}"[:100]
        for number, wording in reversed(self._wordings):
            if wording.prompt == prompt:
                return Drawn(prompt, f"{prompt} (wording {number})", wording.text)
        values = {"direction": direction, "persona": persona}
        return Drawn(prompt, prompt, ctx.render("guided_evolution_request", **values))

    async def rephrase(self, ctx: Step, generation: int, temperature: float) -> None:
        """Put one prompt into other words, for the generations to come."""
        drawn = self.draw(ctx)
        request = fence(drawn.request)
        text = ctx.render("guided_evolution_rephrase", request=request, limit=_WORDING_LIMIT)
        messages = [Message(role="user", content=text)]
        reply = await ctx.ask(messages, role="propose", temperature=temperature)
        if (wording := wording_of(reply.text)) is not None:
            ctx.record(Phrasing(prompt=drawn.prompt, text=wording, generation=generation))


def wording_of(reply: str) -> str | None:
    """The rephrased prompt that a reply holds, in its one fenced block."""
    found = [block.text.strip() for block in fences(reply)]
    good = len(found) == 1 and 0 < len(found[0]) <= _WORDING_LIMIT and "```" not in found[0]
    return found[0] if good else None
