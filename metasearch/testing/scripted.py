"""Scripted models and evaluators on a real archive, for tests of engines and strategies.

No process, no network, no clock: what happens follows from the functions given, so that a
run can be compared with another one, interrupted anywhere and continued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from metasearch.archive import CampaignArchive
from metasearch.campaign import Role
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.evaluation import AnswerAsk, EvaluationRequest
from metasearch.exchange import ExchangeState, Message, Usage
from metasearch.step import Reply


class ScriptedModels:
    """Answers by a function, through the archive's journal like the real client.

    Attributes:
        bought: (step, call) of every reply that was not in the journal, in order.
        prompts: The messages of these.
        most_prompt_tokens: Of a prompt; may be changed.
    """

    def __init__(
        self, archive: CampaignArchive, answer: Callable[[Sequence[Message]], str]
    ) -> None:
        self.bought: list[tuple[int, int]] = []
        self.prompts: list[Sequence[Message]] = []
        self.in_flight = 0
        self.most_prompt_tokens = 100_000
        self.pausing = 0
        self._archive = archive
        self._answer = answer

    def widen(self, concurrency: int) -> None:
        """Nothing: scripts answer any number at once."""

    async def prompt_tokens(self, role: Role) -> int:
        """The same for all roles."""
        return self.most_prompt_tokens

    def recall(self, step: int, call: int, messages: Sequence[Message]) -> Reply | None:
        """The stored reply, if this question was asked here before."""
        known = self._archive.exchange(step, call)
        if (
            known is None
            or known.state is not ExchangeState.ANSWERED
            or known.messages != tuple(messages)
        ):
            return None
        return Reply(
            known.reply, known.usage, known.finish_reason, replayed=True, model=known.model
        )

    async def ask(
        self,
        *,
        step: int,
        call: int,
        role: Role,
        messages: Sequence[Message],
        model: str,
        temperature: float | None,
        schema: type[BaseModel] | None = None,
    ) -> Reply:
        """The reply of this place."""
        known = self.recall(step, call, messages)
        if known is not None:
            return known
        parameters = {"temperature": temperature}
        self._archive.begin_exchange(
            step, call, role=role, model=model, messages=messages, parameters=parameters
        )
        self.in_flight += 1
        try:
            await asyncio.sleep(0)
            text = self.reply_to(step, call, messages)
        finally:
            self.in_flight -= 1
        usage = Usage(input_tokens=10, output_tokens=5)
        self._archive.answer_exchange(step, call, reply=text, finish_reason="stop", usage=usage)
        self.bought.append((step, call))
        self.prompts.append(messages)
        return Reply(text, usage, "stop", replayed=False, model=model)

    def reply_to(self, step: int, call: int, messages: Sequence[Message]) -> str:
        """What is answered at a place; here the place does not matter."""
        return self._answer(messages)

    async def embed(self, *, step: int, call: int, model: str, text: str) -> list[float]:
        """Nothing: scripts have no embeddings."""
        raise NotImplementedError(f"the script embeds nothing by {model}")


class ScriptedPool:
    """Evaluates by a function.

    Attributes:
        evaluated: The candidates' numbers, in order.
    """

    def __init__(
        self, evaluate: Callable[[EvaluationRequest], EvaluationResult], lanes: int = 2
    ) -> None:
        self.lanes = lanes
        self.evaluated: list[int] = []
        self._evaluate = evaluate
        self._slots = asyncio.Semaphore(lanes)

    async def evaluate(
        self, request: EvaluationRequest, attend: Callable[[], AnswerAsk] | None = None
    ) -> EvaluationResult:
        """What the function says."""
        async with self._slots:
            await asyncio.sleep(0)
            result = self._evaluate(request)
            self.evaluated.append(request.number)
            return result


def scored(**scores: float) -> EvaluationResult:
    """A result with these scores, each measured once."""
    metrics = {name: Score(value=v, low=v, high=v) for name, v in scores.items()}
    stage = StageResult(stage="evaluate", scores=metrics, passed=True, seconds=0.0)
    return EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))


def failed(outcome: Outcome, error: str) -> EvaluationResult:
    """A result without scores."""
    return EvaluationResult(outcome=outcome, error=error)
