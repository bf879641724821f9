"""What the engine needs of the models and evaluation rooms; tests and tools bring their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import BaseModel

from metasearch.campaign import Role
from metasearch.candidate import EvaluationResult
from metasearch.evaluation import AnswerAsk, EvaluationRequest
from metasearch.exchange import Message
from metasearch.step import Reply


class Models(Protocol):
    """Answers asks; :class:`metasearch.models.ModelClient` is one."""

    @property
    def in_flight(self) -> int:
        """Calls under way."""

    @property
    def pausing(self) -> int:
        """Those of them that wait between two attempts, after a fault of the provider."""

    def widen(self, concurrency: int) -> None:
        """Allow another number of calls in flight, for those that are asked from now on."""

    async def prompt_tokens(self, role: Role) -> int:
        """Most tokens of a prompt for this role."""

    def recall(self, step: int, call: int, messages: Sequence[Message]) -> Reply | None:
        """The stored reply of this place, if there is one to this question."""

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
        """The reply of this place, from the journal if it is there: then without waiting."""

    async def embed(self, *, step: int, call: int, model: str, text: str) -> list[float]:
        """The embedding of a text, from the journal if it is there."""


class Pool(Protocol):
    """Measures programs; :class:`metasearch.evaluation.EvaluationPool` is one."""

    @property
    def lanes(self) -> int:
        """Evaluations that run at once."""

    async def evaluate(
        self, request: EvaluationRequest, attend: Callable[[], AnswerAsk] | None = None
    ) -> EvaluationResult:
        """Measure one program; ``attend`` gives what answers the asks of each attempt."""
