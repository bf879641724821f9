"""Finding a strategy by its name: built in, installed by entry point, or a dotted path."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ValidationError

from metasearch.campaign import CampaignFile, StrategySection
from metasearch.errors import CampaignError, UsageError
from metasearch.step import Strategy, Task
from metasearch.strategies.mechanisms import assisted

ENTRY_POINTS = "metasearch.strategies"

BUILT_IN = {
    "map_elites": "metasearch.strategies.map_elites:MapElites",
    "meta_agent_search": "metasearch.strategies.meta_agent_search:MetaAgentSearch",
    "guided_evolution": "metasearch.strategies.guided_evolution:GuidedEvolution",
    "co_scientist": "metasearch.strategies.co_scientist:CoScientist",
    "mcts": "metasearch.strategies.mcts:Mcts",
    "darwin_godel": "metasearch.strategies.darwin_godel:DarwinGodel",
    "novelty_search": "metasearch.strategies.novelty_search:NoveltySearch",
    "best_of_n": "metasearch.strategies.baselines:BestOfN",
    "iterative_repair": "metasearch.strategies.baselines:IterativeRepair",
    "random_parent": "metasearch.strategies.baselines:RandomParent",
}


class StrategyClass(Protocol):
    """What a strategy's class offers besides the methods of its instances."""

    Options: ClassVar[type[BaseModel]]
    """Its options, strict and with defaults; ``[strategy.options]`` is read into it."""
    paper: ClassVar[str]
    """Where the system is published, or why it is here."""
    idea: ClassVar[str]
    """The system in one line."""

    def __call__(self, task: Task, options: Any) -> Strategy:
        """An instance for one run."""


@dataclass(frozen=True)
class StrategyInfo:
    """One line of ``metasearch strategies``."""

    name: str
    paper: str
    idea: str
    options: dict[str, str]
    """Option -> its default, as text."""


def load_strategy(section: StrategySection, task: Task) -> Strategy:
    """The strategy that a campaign names, with its options checked.

    Raises:
        UsageError: If there is no such strategy; names the nearest.
        CampaignError: If an option is unknown or wrong.
    """
    strategy = _find(section.name)
    try:
        options = strategy.Options.model_validate(section.options)
    except ValidationError as error:
        valid = sorted(strategy.Options.model_fields)
        lines = []
        for problem in error.errors(include_url=False):
            key = ".".join(str(part) for part in problem["loc"])
            close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else f"; valid: {', '.join(valid)}"
            unknown = problem["type"] == "extra_forbidden"
            said = f"unknown option{hint}" if unknown else f"{problem['msg']}"
            lines.append(f"strategy.options.{key} of {section.name}: {said}")
        raise CampaignError("\n".join(lines)) from None
    return assisted(strategy(task, options), task, options)


def strategies() -> list[StrategyInfo]:
    """All strategies known by name on this machine."""
    found = []
    for name in [*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))]:
        strategy = _find(name)
        options = {
            key: repr(field.get_default(call_default_factory=True))
            for key, field in strategy.Options.model_fields.items()
        }
        found.append(StrategyInfo(name, strategy.paper, strategy.idea, options))
    return found


def check_suits(settings: CampaignFile) -> None:
    """Whether the strategy can do what the campaign asks for.

    One that works on ideas says so by a class attribute, ``works_on_ideas = True``. It needs no
    evaluator, and keeps ``budget.ideas``.

    Raises:
        CampaignError: It cannot; with the remedy.
    """
    name = settings.strategy.name
    if getattr(_find(name), "works_on_ideas", False):
        return
    others = ", ".join(n for n in BUILT_IN if getattr(_find(n), "works_on_ideas", False))
    if not settings.objectives:
        raise CampaignError(
            f"The strategy {name!r} improves a program by measuring it, and this campaign has "
            "nothing to measure: it lacks program.py, evaluator.py and [objectives] ('metasearch "
            f"init DIR' shows them). Add these, or choose a strategy for ideas alone: {others}."
        )
    if settings.budget.ideas is not None:
        raise CampaignError(
            f"budget.ideas is {settings.budget.ideas}, and the strategy {name!r} does not work on "
            f"ideas; give budget.evaluations, or choose one that does: {others}."
        )


def _find(name: str) -> StrategyClass:
    installed = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
    path = BUILT_IN.get(name) or installed.get(name) or name
    module, colon, attribute = path.partition(":")
    if not colon:
        known = [*BUILT_IN, *installed]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(known)}."
        raise UsageError(
            f"There is no strategy {name!r}.{hint} Your own is named 'package.module:Class'."
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"Strategy {name!r} cannot be loaded: {error}") from error
    missing = [
        part
        for part in ("Options", "paper", "idea", "roles", "step", "observe")
        if not hasattr(found, part)
    ]
    if missing:
        raise UsageError(f"Strategy {name!r} lacks {', '.join(missing)}: see metasearch/step.py.")
    strategy: StrategyClass = found
    return strategy
