"""What a campaign's next step would ask first, without opening, asking or storing anything."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from metasearch.archive import NOW, CampaignArchive, StepRecord
from metasearch.campaign import Campaign, Role
from metasearch.campaign_file import CAMPAIGN_FILE, read_beside
from metasearch.candidate import Candidate
from metasearch.engine.opening import task_of
from metasearch.engine.steering import Steering, takes_ideas
from metasearch.errors import ModelSetupError, UsageError
from metasearch.exchange import Message
from metasearch.facts import AnyFact, Recorded
from metasearch.models import PROMPT_TOKENS, Choices, Ensembles, Ledger, MemoryJournal, ModelClient
from metasearch.operators.structured import question
from metasearch.program import Program
from metasearch.prompts import Fitted, Prompts, fit
from metasearch.step import Answer, Learner, Refused, Rejected, Reply, SearchEnded, Strategy, View
from metasearch.strategies import load_strategy


@dataclass(frozen=True)
class Preview:
    """The first prompt of a step that has not asked yet."""

    step: int
    role: Role
    prompt: Fitted


def preview(run: CampaignArchive, step: int) -> Preview:
    """The prompt that a step would ask first, from the archive as it stands.

    Args:
        run: The campaign, with the settings and templates it was last run with.
        step: The next one, or one that was opened and has not ended.

    Raises:
        UsageError: It is no such step, it does other things before it asks, or there is no
            scored seed to begin with.
    """
    seed = run.of_call(0, 0)
    if run.resolved().measures and (seed is None or not seed.scored):
        raise UsageError(f"{run.id} has not scored its seed program, so no step can open yet.")
    record = next((r for r in run.unfinished_steps() if r.number == step), None)
    coming = run.next_step()
    if record is None:
        if step != max(coming, 1):
            raise UsageError(
                f"Step {step} of {run.id} has ended without asking a model."
                if step < coming
                else f"The next step of {run.id} is {max(coming, 1)}; what step {step} would ask "
                "depends on what comes before it."
            )
        record = StepRecord(step, NOW)
    return asyncio.run(_first_ask(run, record))


async def _first_ask(run: CampaignArchive, record: StepRecord) -> Preview:
    campaign = run.resolved()
    strategy = load_strategy(campaign.settings.strategy, task_of(campaign))
    settings = campaign.settings
    ensembles = Ensembles(settings.models, campaign.objectives, settings.seed)
    marks = run.marks(until=record.seq)
    for fact in run.history():
        if fact.seq >= record.seq:
            break
        if isinstance(fact, Candidate):
            if ensembles.histories:
                ensembles.observe(fact, run.calls_before(fact.number))
            strategy.observe(marks.seen(fact))
        elif isinstance(strategy, Learner):
            strategy.learn(fact)
    dry = DryStep(run, campaign, record, strategy, ensembles.at(record.number))
    try:
        await strategy.step(dry)
    except Asked as asked:
        tokens = await _prompt_tokens(campaign, asked.role)
        return Preview(record.number, asked.role, fit(asked.messages, tokens, dry.render))
    except SearchEnded as ended:
        raise UsageError(f"No step of {run.id} would ask: it has ended ({ended.reason}).") from None
    raise UsageError(f"Step {record.number} of {run.id} would end without asking a model.")


async def _prompt_tokens(campaign: Campaign, role: Role) -> int:
    settings = campaign.settings
    async with ModelClient(
        settings.models, MemoryJournal(), Ledger(), settings.seed, concurrency=1
    ) as models:
        try:
            return await models.prompt_tokens(role)
        except ModelSetupError:  # no key here, say: the run will tell
            return PROMPT_TOKENS


class Asked(Exception):
    """Ends a dry step at its first ask."""

    def __init__(self, role: Role, messages: Sequence[Message]) -> None:
        super().__init__(role)
        self.role = role
        self.messages = messages


class DryStep:
    """A step up to its first ask; satisfies :class:`metasearch.step.Step`."""

    def __init__(
        self,
        run: CampaignArchive,
        campaign: Campaign,
        record: StepRecord,
        strategy: Strategy,
        choices: Choices,
    ) -> None:
        self.number = record.number
        self.archive: View = run.as_of(record.seq)
        self._campaign = campaign
        self.rng = self.generator(record.number)
        self.task = task_of(campaign)
        self._prompts = Prompts(campaign.prompts)
        self._run = run
        self._strategy = strategy
        self._choices = choices
        self._facts = 0
        self._marks = run.marks(until=record.seq)
        ideas = takes_ideas(strategy)
        self._steering = Steering(run, record.number, record.seq, ideas=ideas)

    def generator(self, step: int) -> random.Random:
        """See :class:`metasearch.step.Step`."""
        return random.Random(f"{self._campaign.settings.seed}/{step}")

    def file(self, path: str) -> str:
        """See :class:`metasearch.step.Step`."""
        where = self._campaign.folder / CAMPAIGN_FILE
        return read_beside(where, "strategy.options names", path)

    def render(self, template: str, /, **values: object) -> str:
        """See :class:`metasearch.step.Step`."""
        return self._prompts.render(template, **values)

    def work_on(self, parent: Candidate, island: int | None = None) -> None:
        """See :class:`metasearch.step.Step`."""
        self._steering.work_on(parent, island)

    def choose_operator(self, operators: Sequence[str], *, role: Role = "propose") -> str:
        """See :class:`metasearch.step.Step`."""
        return self._choices.operator(operators, role)

    async def ask(
        self, messages: Sequence[Message], *, role: Role, temperature: float | None = None
    ) -> Reply:
        """Keep the question and end the step."""
        raise Asked(role, self._steering.added(self, messages, role)[0])

    async def ask_for(
        self,
        schema: type[Answer],
        messages: Sequence[Message],
        *,
        role: Role,
        temperature: float | None = None,
    ) -> Answer | Refused:
        """Likewise."""
        asked = question(self, messages, schema)
        raise Asked(role, self._steering.added(self, asked, role)[0])

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
        """Refuse: what is asked then depends on the outcome."""
        raise UsageError(f"Step {self.number} evaluates a program before it asks a model.")

    def record(self, fact: AnyFact) -> Recorded:
        """As if it were recorded, or what the step recorded here before."""
        position, self._facts = self._facts, self._facts + 1
        known = self._run.recorded_at(self.number, position)
        if known is not None:
            return known
        latest = self._run.facts(limit=1)
        number = latest[0].number + 1 if latest else 0
        recorded = Recorded(
            number=number + position, seq=NOW, step=self.number, position=position, fact=fact
        )
        if isinstance(self._strategy, Learner):
            self._strategy.learn(recorded)
        return recorded

    async def settled(self, before: int, since: int = 0) -> Sequence[Candidate]:
        """See :class:`metasearch.step.Step`; refuses to wait."""
        if any(record.number < before for record in self._run.unfinished_steps()):
            raise UsageError(
                f"Step {self.number} waits for earlier steps before it asks a model, and not all "
                "of them have ended."
            )
        return [self._marks.seen(c) for c in self._run.of_steps(before, since)]
