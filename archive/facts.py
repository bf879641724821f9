"""What the archive tells besides candidates and exchanges: frozen readings of its rows."""

from __future__ import annotations

from typing import Literal, NamedTuple

from metasearch.campaign import ROLES, CampaignFile
from metasearch.candidate import Candidate, Frozen, Outcome, Split, StageResult
from metasearch.exchange import Usage

State = Literal["running", "waiting", "paused", "finished", "interrupted"]
"""Of a campaign: held by a live engine, held by one that waits for something to come back, paused
by a person or left in order, ended for a reason, or its engine died."""


class StepRecord(NamedTuple):
    """An engine step, as it was opened."""

    number: int
    """Counts up within the campaign; step 0 is the seed program's."""
    seq: int
    """Of its opening: the facts before it are what the step may choose by."""


class Event(Frozen):
    """That something happened in a campaign."""

    seq: int
    """Position in the campaign's order of facts."""
    at: float
    """Unix time in seconds."""
    kind: str
    """``created``, ``started``, ``stopped``, ``opened``, ``asked``, ``answered``, ``failed``,
    ``lost``, ``refused`` (an answered call's reply), ``queued``, ``placed`` (its evaluation
    begins), ``settled``, ``recorded``,
    ``tested``, ``ended`` (a step), ``finished``, ``paused``, ``reopened``, ``changed`` (the
    settings), ``commanded``, ``taken`` or ``declined`` (a command), or ``steered`` (a step's
    prompts show what commands said)."""
    step: int | None = None
    candidate: int | None = None
    detail: str = ""
    """The outcome, operator, model, reason, host or kind of fact that goes with the kind."""


class Held(NamedTuple):
    """Reservations of lost model calls: perhaps billed, so they count against the budget."""

    usd: float | None
    """``None`` if one of them has no known price."""
    tokens: int


class Bill(NamedTuple):
    """What one candidate has asked models for, while it was evaluated."""

    calls: int
    """Lost and failed ones included."""
    usage: Usage


class CallBefore(NamedTuple):
    """A model call of a step itself that had ended before one of its candidates was proposed."""

    role: str
    model: str
    temperature: float | None
    answered: bool
    since: bool
    """Whether it ended after the step's candidate before that one, if there is one: then it
    counts to what this one has cost."""
    usage: Usage


class CurvePoint(NamedTuple):
    """A moment at which the best got better."""

    evaluation: int
    """How many evaluations it had taken, this one included."""
    candidate: int
    seconds: float
    """Engine time until then."""
    usd: float | None
    score: float
    """The first objective."""


class Evaluation(Frozen):
    """One measurement of a candidate."""

    seq: int
    split: Split
    outcome: Outcome
    stages: tuple[StageResult, ...]
    private: tuple[str, ...]
    """Names of the metrics in it that no prompt may show."""
    feedback: str
    error: str
    seconds: float
    memory: int | None
    """Most bytes in use inside at once; ``None`` if that was not measured."""


class CampaignSummary(Frozen):
    """One run of a campaign at a glance."""

    id: str
    """The name and six random characters; unique in the archive."""
    name: str
    created: float
    """Unix time in seconds."""
    state: State
    reason: str
    """Why it finished or paused, as the engine put it; else empty."""
    holder: str
    """Host and process of the engine, while there is one."""
    seconds: float
    """Time that engines have held it."""
    evaluations: int
    outcomes: dict[str, int]
    """Settled candidates by outcome; every outcome has its place."""
    best: Candidate | None
    """By the first objective."""
    usage: Usage
    settings: CampaignFile
    """With the budget and concurrency that commands have given them."""
    evaluator_digest: str
    seed_digest: str

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.settings.strategy.name

    @property
    def models(self) -> tuple[str, ...]:
        """The models in use, the proposing one first."""
        models = self.settings.models
        named = (model for role in ROLES for model in models.models_for(role))
        return tuple(dict.fromkeys(named))
