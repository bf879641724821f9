"""Who answers a call: one of the models and temperatures that the campaign names for its role.

Nothing about a choice is stored. What bandits know is a fold over settled candidates and the
calls that led to them; a step keeps what it was when the step opened; and each choice draws
from a generator of its own. So call k of step n is decided by the campaign's seed, (n, k) and
the archive as of the step's opening, before a crash as after it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence

from metasearch.archive import CallBefore, CampaignArchive
from metasearch.campaign import Ensemble, ModelSection, Role
from metasearch.candidate import Candidate
from metasearch.exchange import Usage
from metasearch.models.bandit import Arm, History, Pull, thompson, ucb
from metasearch.models.credit import Repair
from metasearch.objectives import Objective, dominates, gains

_BANDITS = {"ucb": ucb, "thompson": thompson}

_COMPARED = 500
"""Latest scored candidates that a repair is compared with; all would cost more and more."""


def draw(ensemble: Ensemble, rng: random.Random) -> Arm:
    """A model by its weight, and any of the temperatures."""
    model = rng.choices(list(ensemble.models), list(ensemble.models.values()))[0]
    return Arm(model, rng.choice(ensemble.temperatures) if ensemble.temperatures else None)


class Ensembles:
    """The ensembles of a campaign's roles, and what has come of their choices.

    Attributes:
        histories: Of each role that has something to choose: all proposals so far.
    """

    def __init__(self, settings: ModelSection, objectives: Sequence[Objective], seed: int) -> None:
        self._settings = settings
        self._ensembles = settings.ensembles
        self.histories = {role: History(e.memory) for role, e in self._ensembles.items()}
        self._objectives = objectives
        self._seed = seed
        self._gains: dict[int, tuple[float, ...]] = {}
        self._latest: deque[tuple[float, ...]] = deque(maxlen=_COMPARED)

    def observe(self, candidate: Candidate, calls: Sequence[CallBefore]) -> None:
        """Fold one settled candidate: a pull of what answered last, for each role that did.

        It has improved if it is better than its first parent (the seed, if it has none); with
        several objectives, if it dominates it. What was rejected or failed has not improved,
        and has cost what it has cost. Where the parent had failed, it is a repair, and is
        credited by how it stands among the latest that have scores.

        Args:
            candidate: In the archive's order.
            calls: Of its step, before it was proposed.
        """
        reward = self._reward(candidate)
        usage = sum((call.usage for call in calls if call.since), Usage())
        answered = {call.role: call for call in calls if call.answered}
        for role, history in self.histories.items():
            call = answered.get(role)
            if call is None:
                continue
            temperature = call.temperature if self._ensembles[role].temperatures else None
            arm = Arm(call.model, temperature, candidate.operator)
            self.histories[role] = history.after(Pull(arm, reward, usage))

    def at(self, step: int) -> Choices:
        """What a step that opens now chooses by."""
        return Choices(self._settings, dict(self.histories), self._seed, step)

    def _reward(self, candidate: Candidate) -> float:
        if not candidate.scored:
            return 0.0
        own = gains(self._objectives, candidate.scores)
        parent = self._gains.get(candidate.parents[0] if candidate.parents else 0)
        if parent is not None:
            reward = float(dominates(own, parent))
        else:
            beaten = sum(not dominates(other, own) for other in self._latest)
            standing = beaten / len(self._latest) if self._latest else 1.0
            reward = Repair(before=0.0, after=standing).share()
        self._gains[candidate.number] = own
        self._latest.append(own)
        return reward


class Choices:
    """The choices of one step."""

    def __init__(
        self,
        settings: ModelSection,
        histories: Mapping[Role, History],
        seed: int,
        step: int,
    ) -> None:
        self._settings = settings
        self._histories = histories
        self._name = f"{seed}/{step}"
        self._operators = 0
        self._held: dict[Role, Arm] = {}

    def arm(self, role: Role, call: int) -> Arm:
        """The model and temperature of a call, those chosen with an operator if one was."""
        held = self._held.get(role)
        return held or self._choose(role, (None,), random.Random(f"{self._name}/call {call}"))

    def operator(self, operators: Sequence[str], role: Role) -> str:
        """One of the operators, with the model and temperature for the calls that follow."""
        if not operators:
            raise ValueError("there is no operator to choose from")
        rng = random.Random(f"{self._name}/operator {self._operators}")
        self._operators += 1
        arm = self._held[role] = self._choose(role, operators, rng)
        assert arm.operator is not None
        return arm.operator

    def _choose(self, role: Role, operators: Sequence[str | None], rng: random.Random) -> Arm:
        ensemble = self._settings.ensemble_for(role)
        if ensemble.choose == "weights":
            arm = draw(ensemble, rng)
            return Arm(arm.model, arm.temperature, rng.choice(operators))
        arms = [
            Arm(model, temperature, operator)
            for model in ensemble.models
            for temperature in ensemble.temperatures or (None,)
            for operator in operators
        ]
        return _BANDITS[ensemble.choose](self._histories[role], arms, ensemble.explore, rng)


def learned(run: CampaignArchive) -> Ensembles:
    """A campaign's ensembles as an engine knows them that has read all of its archive."""
    campaign = run.resolved()
    ensembles = Ensembles(campaign.settings.models, campaign.objectives, campaign.settings.seed)
    if ensembles.histories:
        for candidate in run.candidates():
            ensembles.observe(candidate, run.calls_before(candidate.number))
    return ensembles
