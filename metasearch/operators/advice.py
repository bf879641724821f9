"""A step whose prompts hold advice: what the search has taught, and how much of it is left."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.exchange import Message
from metasearch.facts import AnyFact, Insight, Origin, Recorded, Setting
from metasearch.operators.insights import InsightMemory
from metasearch.operators.lessons import shown_insights
from metasearch.program import Program
from metasearch.prompts import Draft, Part
from metasearch.step import Answer, Refused, Rejected, Reply, Step, Task, View


class AdvisedStep:
    """A step whose prompts for programs hold advice; satisfies :class:`metasearch.step.Step`.

    A conversation that begins with a system message and asks for a proposal is one for a
    program. What it was advised stays the same in all its turns.
    """

    def __init__(
        self,
        inner: Step,
        setting: Setting,
        memory: InsightMemory,
        learnt: Mapping[int, Insight],
        limit: int,
    ) -> None:
        """Prepare.

        Args:
            inner: The step as the engine runs it.
            setting: What it works under.
            memory: What is remembered as it opens.
            learnt: The insights of the memory.
            limit: How many of them a prompt shows at most.
        """
        self.number = inner.number
        self.rng: random.Random = inner.rng
        self._inner = inner
        self._setting = setting
        self._memory = memory
        self._learnt = learnt
        self._limit = limit
        self._shown: set[int] = set()
        """Insights that have led to the next candidate."""

    @property
    def task(self) -> Task:
        """See :class:`metasearch.step.Step`."""
        return self._inner.task

    @property
    def archive(self) -> View:
        """See :class:`metasearch.step.Step`."""
        return self._inner.archive

    def generator(self, step: int) -> random.Random:
        """See :class:`metasearch.step.Step`."""
        return self._inner.generator(step)

    def file(self, path: str) -> str:
        """See :class:`metasearch.step.Step`."""
        return self._inner.file(path)

    def render(self, template: str, /, **values: object) -> str:
        """See :class:`metasearch.step.Step`."""
        return self._inner.render(template, **values)

    def choose_operator(self, operators: Sequence[str], *, role: Role = "propose") -> str:
        """See :class:`metasearch.step.Step`."""
        return self._inner.choose_operator(operators, role=role)

    def work_on(self, parent: Candidate, island: int | None = None) -> None:
        """See :class:`metasearch.step.Step`."""
        self._inner.work_on(parent, island)

    async def ask(
        self, messages: Sequence[Message], *, role: Role, temperature: float | None = None
    ) -> Reply:
        """Ask with advice, and at the controller's temperature unless the strategy has its own."""
        if role == "propose":
            messages = self._advised(messages)
            temperature = self._setting.temperature if temperature is None else temperature
        return await self._inner.ask(messages, role=role, temperature=temperature)

    async def ask_for(
        self,
        schema: type[Answer],
        messages: Sequence[Message],
        *,
        role: Role,
        temperature: float | None = None,
    ) -> Answer | Refused:
        """See :class:`metasearch.step.Step`."""
        return await self._inner.ask_for(schema, messages, role=role, temperature=temperature)

    async def evaluate(
        self,
        program: Program | Rejected,
        *,
        parents: Sequence[Candidate],
        operator: str,
        name: str = "",
        thought: str = "",
        island: int | None = None,
    ) -> Candidate:
        """Evaluate, and record which insights the candidate was made with."""
        candidate = await self._inner.evaluate(
            program, parents=parents, operator=operator, name=name, thought=thought, island=island
        )
        if self._shown and candidate.outcome is not None and candidate.outcome.evaluated:
            insights, self._shown = tuple(sorted(self._shown)), set()
            self._inner.record(Origin(candidate=candidate.number, insights=insights))
        return candidate

    def record(self, fact: AnyFact) -> Recorded:
        """See :class:`metasearch.step.Step`."""
        return self._inner.record(fact)

    async def settled(self, before: int, since: int = 0) -> Sequence[Candidate]:
        """See :class:`metasearch.step.Step`."""
        return await self._inner.settled(before, since)

    def _advised(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The conversation with advice in its first request, before what that asks at its end."""
        if len(messages) < 2 or messages[0].role != "system":
            return messages
        system, request, *further = messages
        advice = self._advice(request)
        if not advice:
            return messages
        if isinstance(request, Draft):
            parts = [*request.parts[:-1], *advice, request.parts[-1]]
            return [system, Draft.of(parts, request.role), *further]
        return [system, Draft.of([*advice, Part(text=request.content)], request.role), *further]

    def _advice(self, request: Message) -> list[Part]:
        parts = []
        if self._setting.evaluations is not None:
            spent, budget = self._setting.evaluations, self._setting.budget
            text = self.render("budget_spent", spent=spent, budget=budget)
            parts.append(Part(text=text, priority=6, name="the budget"))
        numbers = self._memory.retrieve(request.content, _kept(request), self._limit)
        if numbers:
            self._shown.update(numbers)
            insights = {number: self._learnt[number] for number in numbers}
            text = shown_insights(self, insights, self._memory)
            parts.append(Part(text=text, priority=3, name="lessons"))
        return parts


def _kept(request: Message) -> str:
    """What gives way last in a request: the program to be changed and what became of it.

    Other programs that a prompt shows have lower priorities, so a shortcut that fits them only is
    not offered.
    """
    if not isinstance(request, Draft):
        return request.content
    return "\n".join(part.text for part in request.parts if part.priority <= 1)
