"""One running step: the primitives a strategy calls, on the engine's archive and lanes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel

from metasearch.archive import StepRecord
from metasearch.campaign import Role
from metasearch.candidate import Candidate
from metasearch.errors import ContextOverflow
from metasearch.exchange import Message
from metasearch.facts import AnyFact, Recorded, Selection, Setting
from metasearch.models import Arm
from metasearch.operators.structured import once_more, question, read
from metasearch.program import Program
from metasearch.prompts import Fitted, shrinking
from metasearch.step import Answer, Refused, Rejected, Reply, Task, View

if TYPE_CHECKING:
    from metasearch.engine.services import Services


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


class LiveStep:
    """A step as the engine runs it; satisfies :class:`metasearch.step.Step`.

    Asks, evaluations and recorded facts are counted, so that a step run again after a crash
    finds each stored reply, candidate and fact by its place.
    """

    def __init__(self, services: Services, record: StepRecord) -> None:
        self.number = record.number
        self.seq = record.seq
        """Of its opening."""
        self.archive: View = services.archive.as_of(record.seq)
        self.admitted = asyncio.Event()
        """Set once the step may cost something: a step of an earlier run waits for its turn."""
        self.evaluating = 0
        """Its programs that run or wait for a lane."""
        self.evaluated = False
        """Whether it has used up an evaluation."""
        self.learnt = False
        """Whether it has recorded anything but its own choice."""
        self.unusable: str | None = None
        """Why its last proposal gave no program at all: empty if it gave one, ``None`` if the
        step proposed nothing."""
        self.running: asyncio.Task[object] = _current_task()
        self._services = services
        self._choices = services.ensembles.at(record.number)
        self.rng = self.generator(record.number)
        self._asks = 0
        self._evaluations = 0
        self._facts = 0
        self._steering = services.steering(record)
        self._marks = services.archive.marks(until=record.seq)

    @property
    def task(self) -> Task:
        """See :class:`metasearch.step.Step`."""
        return self._services.task

    def generator(self, step: int) -> random.Random:
        """See :class:`metasearch.step.Step`."""
        return random.Random(f"{self._services.seed}/{step}")

    def file(self, path: str) -> str:
        """See :class:`metasearch.step.Step`."""
        return self._services.file(path)

    def render(self, template: str, /, **values: object) -> str:
        """See :class:`metasearch.step.Step`."""
        return self._services.prompts.render(template, **values)

    def work_on(self, parent: Candidate, island: int | None = None) -> None:
        """See :class:`metasearch.step.Step`."""
        self._steering.work_on(parent, island)

    def choose_operator(self, operators: Sequence[str], *, role: Role = "propose") -> str:
        """See :class:`metasearch.step.Step`."""
        return self._choices.operator(operators, role)

    async def ask(
        self, messages: Sequence[Message], *, role: Role, temperature: float | None = None
    ) -> Reply:
        """See :class:`metasearch.step.Step`."""
        call, self._asks = self._asks, self._asks + 1
        return await self._ask(call, messages, role, self._arm(role, call, temperature))

    def _arm(self, role: Role, call: int, temperature: float | None) -> Arm:
        """The model that is asked, and at what temperature if the strategy does not say."""
        arm = self._choices.arm(role, call)
        return arm if temperature is None else replace(arm, temperature=temperature)

    async def _ask(
        self,
        call: int,
        messages: Sequence[Message],
        role: Role,
        arm: Arm,
        schema: type[BaseModel] | None = None,
    ) -> Reply:
        """Ask with what fits into the model's context, and with less if it is too much still."""
        messages, told = self._steering.added(self, messages, role)
        self._services.archive.show_steering(self.number, told)
        refusal: ContextOverflow | None = None
        for prompt in await self._prompts(call, messages, role):
            if refusal is not None:
                self._services.notice(
                    f"Step {self.number}: {refusal} Asking again with about half of it; the less "
                    "important parts are left out."
                )
            try:
                return await self._services.ask(self, call, prompt.messages, role, arm, schema)
            except ContextOverflow as error:
                refusal = error
        assert refusal is not None  # there is always one prompt
        raise refusal

    async def _prompts(
        self, call: int, messages: Sequence[Message], role: Role
    ) -> Iterable[Fitted]:
        """What to ask, one after the other; first what was answered at this place before."""
        prompts = shrinking(messages, await self._services.prompt_tokens(role), self.render)
        answered = [known.messages for known in self._services.archive.answered(self.number, call)]
        if not answered:
            return prompts
        found = list(prompts)
        first = next((n for n, prompt in enumerate(found) if prompt.messages in answered), 0)
        return found[first:]

    async def ask_for(
        self,
        schema: type[Answer],
        messages: Sequence[Message],
        *,
        role: Role,
        temperature: float | None = None,
    ) -> Answer | Refused:
        """See :class:`metasearch.step.Step`."""
        # Both places at once: where several are asked for together, each keeps its own.
        calls = range(self._asks, self._asks + 2)
        self._asks = calls.stop
        arm = self._arm(role, calls.start, temperature)
        talk: Sequence[Message] = question(self, messages, schema)
        answer: Answer | Refused = Refused("")
        for call in calls:
            reply = await self._ask(call, talk, role, arm, schema)
            answer = read(reply, schema)
            if not isinstance(answer, Refused):
                break
            self._services.archive.refuse_exchange(self.number, call, reason=answer.reason)
            talk = once_more(self, talk, reply, answer)
        return answer

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
        """See :class:`metasearch.step.Step`."""
        call, self._evaluations = self._evaluations, self._evaluations + 1
        return await self._services.evaluate(
            self,
            call,
            program,
            parents=[parent.number for parent in parents],
            operator=operator,
            name=name,
            thought=thought,
            island=island,
        )

    def record(self, fact: AnyFact) -> Recorded:
        """See :class:`metasearch.step.Step`."""
        position, self._facts = self._facts, self._facts + 1
        self.learnt |= not isinstance(fact, Selection | Setting)
        return self._services.record(self, position, fact)

    async def settled(self, before: int, since: int = 0) -> Sequence[Candidate]:
        """See :class:`metasearch.step.Step`."""
        if before > self.number:
            raise ValueError(f"step {self.number} cannot wait for steps up to {before - 1}")
        return [self._marks.seen(c) for c in await self._services.settled(before, since)]
