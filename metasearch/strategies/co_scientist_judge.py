"""The judge of ``co_scientist``: which of two ideas is better, by one verdict or after a debate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.exchange import Message
from metasearch.facts import Turn
from metasearch.operators.calibration import HIDDEN
from metasearch.operators.ideas import Entry
from metasearch.operators.ratings import both_orders, soft_verdict
from metasearch.prompts import Part
from metasearch.step import Answer, Refused, Step
from metasearch.strategies.co_scientist_briefing import Briefing
from metasearch.strategies.co_scientist_forms import DebateForm, VerdictForm
from metasearch.strategies.co_scientist_options import CoScientistOptions

BIASED = 1.5
"""Logits by which a judge may favour the first slot before debates are judged in both orders."""


@dataclass(frozen=True)
class Judgement:
    """One judged pair."""

    share: float | None
    """The first one's; ``None`` if there is no valid verdict."""
    weight: float
    rationale: str
    transcript: tuple[Turn, ...] = ()

    @property
    def shares(self) -> tuple[float, float] | None:
        """Of both."""
        return None if self.share is None else (self.share, 1 - self.share)


class Judge:
    """Compares two ideas in one step; several opinions count by their accord."""

    def __init__(
        self, ctx: Step, brief: Briefing, options: CoScientistOptions, feedback: str
    ) -> None:
        """Prepare.

        Args:
            ctx: The step.
            brief: What it may show.
            options: The strategy's.
            feedback: Of the meta-review that judges are to mind.
        """
        self._ctx = ctx
        self._brief = brief
        self._options = options
        self._feedback = feedback

    async def compare(self, pair: Sequence[Part], turns: Sequence[Turn] = ()) -> Judgement:
        """The verdict on two ideas in the order shown, after what was said for them."""
        said = self._brief.said(turns)
        asked = self._brief.talk("match", [*pair, said], self._feedback, rounds=0, mask=_mask(pair))
        opinions = await self._opinions(VerdictForm, asked)
        if isinstance(opinions, Refused):
            return _invalid(opinions, turns)
        return _agreed(opinions, turns)

    async def debate(self, pair: Sequence[Part]) -> Judgement:
        """The verdict after a debate, which one call plays or each turn of which is a call."""
        rounds = self._options.debate_turns
        if self._options.debate_calls == "many":
            return await self.compare(pair, await self._turns(pair, rounds))
        asked = self._brief.talk("match", pair, self._feedback, rounds=rounds, mask=_mask(pair))
        opinions = await self._opinions(DebateForm, asked)
        if isinstance(opinions, Refused):
            return _invalid(opinions)
        turns = [Turn(speaker=t.speaker, text=t.text) for t in opinions[0].turns[:20]]
        return _agreed(opinions, turns)

    async def debate_in_both_orders(self, one: Entry, other: Entry) -> Judgement:
        """For a judge that favours the first slot: one that contradicts itself gives a draw."""
        pairs = [self._brief.pair(one, other), self._brief.pair(other, one)]
        judged, swapped = [await self.debate(pair) for pair in pairs]
        return Judgement(
            both_orders(_hard(judged.share), _hard(swapped.share)),
            judged.weight,
            f"{judged.rationale}\n\nShown in the other order: {swapped.rationale}",
            judged.transcript,
        )

    async def _turns(self, pair: Sequence[Part], rounds: int) -> list[Turn]:
        """Both sides in turn, each of which reads what was said."""
        turns: list[Turn] = []
        for number in range(rounds):
            side, parts = number % 2 + 1, [*pair, self._brief.said(turns)]
            asked = self._brief.talk("debate", parts, self._feedback, side=side, said=bool(turns))
            reply = await self._ctx.ask(asked, role="judge")
            turns.append(Turn(speaker=f"For idea {side}", text=reply.text))
        return turns

    async def _opinions(
        self, form: type[Answer], asked: Sequence[Message]
    ) -> list[Answer] | Refused:
        """As many as are asked for and can be read; else why the first one cannot."""
        votes = [self._ctx.ask_for(form, asked, role="judge") for _ in range(self._options.votes)]
        answers = await asyncio.gather(*votes)
        opinions = [answer for answer in answers if not isinstance(answer, Refused)]
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        return opinions or refused[0]


def _mask(pair: Sequence[Part]) -> str:
    """What stands in the place of numbers, if there are such places."""
    return HIDDEN if any(HIDDEN in part.text for part in pair) else ""


def _agreed(opinions: Sequence[DebateForm | VerdictForm], turns: Sequence[Turn]) -> Judgement:
    share, weight = soft_verdict([opinion.first_is_better for opinion in opinions])
    return Judgement(share, weight, opinions[0].analysis, tuple(turns))


def _invalid(refused: Refused, turns: Sequence[Turn] = ()) -> Judgement:
    return Judgement(None, 1.0, f"No valid verdict: {refused.reason}", tuple(turns))


def _hard(share: float | None) -> float | None:
    """A verdict without its doubts."""
    return None if share is None else 0.5 + ((share > 0.5) - (share < 0.5)) / 2
