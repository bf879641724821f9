"""Campaigns: what ``campaign.toml`` may say, section by section, and what it resolves to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationInfo,
    field_validator,
)

from metasearch.candidate import Frozen
from metasearch.objectives import Objective
from metasearch.program import Program

Item = TypeVar("Item")

_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_UNITS |= {"kib": 1024, "mib": 1024**2, "gib": 1024**3}


def parse_size(value: object) -> object:
    """``"512 MB"`` or ``"2 GiB"`` as a number of bytes; other values pass through."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", value)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{value!r} is not a size like '512 MB' or '2 GiB'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


Bytes = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
"""A number of bytes; in the file also text such as ``"512 MB"``."""


class ProgramSection(Frozen):
    """``[program]``: the seed."""

    files: tuple[str, ...] = Field(default=("program.py",), min_length=1)
    """Paths relative to the campaign folder; the first one is the main file."""


class Stage(Frozen):
    """One step of a staged evaluation, cheap ones first.

    Every stage returns all objectives, the early ones an estimate: it stands for a
    candidate that gets no further.
    """

    function: str
    """Name of the function in the evaluator."""
    threshold: dict[str, float] = {}
    """Objective or metric -> value it must reach for the next stage to run."""


class EvaluatorSection(Frozen):
    """``[evaluator]``: the trusted code that scores candidates, outside the sandbox."""

    file: str | None = None
    """Path relative to the campaign folder; ``evaluator.py`` if nothing else is said."""
    module: str | None = None
    """Instead of a file: a dotted path ``package.module``."""
    plugin: str | None = None
    """Instead of a file: the name of an installed ``metasearch.evaluators`` entry point."""
    function: str = "evaluate"
    stages: tuple[Stage, ...] = ()
    """Instead of ``function``: several, each gating the next and returning all objectives."""
    harness: tuple[str, ...] = ()
    """Trusted files put beside the program inside the sandbox (``harness.py``)."""
    metrics: tuple[str, ...] = ()
    """What it returns besides the objectives, shown to people and models alike."""
    private: tuple[str, ...] = ()
    """Metrics that are archived and shown to people but never to a model."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """How often each candidate is measured, each time with another seed."""
    test: bool = False
    """Whether the evaluator knows the test split: the best candidate is measured on it once,
    when the search ends."""
    timeout: float = Field(default=3600.0, gt=0)
    """Seconds for one whole evaluation, the evaluator's own work included."""
    keep_artifacts: Literal["all", "elites", "none"] = "all"
    """Of which candidates the content of attached files over 64 KiB, such as checkpoints, is kept:
    of all, of those on the front of the objectives (with one objective: of the best), or of none.
    Name, size and digest always are, and so is every smaller file."""
    artifact_space: Bytes | None = None
    """Most bytes of such content that the campaign keeps. Beyond it, that of the candidates worst
    by the first objective is dropped."""


_INDIFFERENT = {"timeout", "keep_artifacts", "artifact_space"}
"""What in ``[evaluator]`` decides no score."""


class StrategySection(Frozen):
    """``[strategy]``: which search, with its own options under ``options``."""

    name: str = "map_elites"
    """A built-in name, an entry point's name, or ``package.module:Class``."""
    options: dict[str, JsonValue] = {}


Role = Literal["propose", "reflect", "review", "judge", "value", "summarise", "agent"]

ROLES: tuple[Role, ...] = get_args(Role)
"""The purposes for which a model is asked."""

OFFLINE_MODEL = "offline/evolve"


class PriceTier(Frozen):
    """What a long prompt costs instead: USD per million tokens."""

    above: int = Field(ge=0)
    """The tier holds for calls with more input tokens than this."""
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)


class Price(Frozen):
    """USD per million tokens of a model; for those whose price litellm does not know."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """For input that the provider read from its cache; ``input`` if not given."""
    cache_write: float | None = Field(default=None, ge=0)
    """For input that the provider put into its cache; ``input`` if not given."""
    reasoning: float | None = Field(default=None, ge=0)
    """For output spent on thinking; ``output`` if not given."""
    tiers: tuple[PriceTier, ...] = ()
    """In rising order of ``above``."""


class Ensemble(Frozen):
    """``[models.ROLE]``: several models or temperatures for one role, and who chooses."""

    models: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    """Model name -> weight; in the file also a list of names, which weigh the same."""
    choose: Literal["weights", "ucb", "thompson"] = "weights"
    """``weights`` draws by them. The bandits learn which choice improves most for its cost."""
    temperatures: tuple[Annotated[float, Field(ge=0, le=2)], ...] = ()
    """To choose from as well; ``models.temperature`` if there are none."""
    explore: float = Field(default=0.25, gt=0, le=1)
    """How often a bandit is forced to try anything: a share that falls with the cube root of
    the number of proposals, but never ends."""
    memory: int = Field(default=500, ge=10)
    """Proposals after which what a bandit has seen counts about a third."""

    @field_validator("models", mode="before")
    @classmethod
    def _equal(cls, models: object) -> object:
        return dict.fromkeys(_no_twins(models), 1.0) if isinstance(models, list) else models

    @field_validator("temperatures")
    @classmethod
    def _each_once(cls, temperatures: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(_no_twins(temperatures))


def _no_twins(items: Sequence[Item]) -> Sequence[Item]:
    """The items, each of which may be there once."""
    for place, item in enumerate(items):
        if item in items[:place]:
            raise ValueError(f"{item!r} is named twice")
    return items


def _several(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("the list names no model")
    return tuple(_no_twins(names))


def _kind_of_choice(value: object) -> str:
    if isinstance(value, (dict, Ensemble)):
        return IN_UNION + "table"
    return IN_UNION + ("list" if isinstance(value, (list, tuple)) else "name")


IN_UNION = "|"
"""Begins the tags of unions, which are no part of a key."""

Choice = Annotated[
    Annotated[str, Tag(IN_UNION + "name")]
    | Annotated[tuple[str, ...], AfterValidator(_several), Tag(IN_UNION + "list")]
    | Annotated[Ensemble, Tag(IN_UNION + "table")],
    Discriminator(_kind_of_choice),
]
"""Who answers for a role: a model, several of equal weight, or an ensemble."""


class ModelSection(Frozen):
    """``[models]``: litellm model names by role, and how to reach them."""

    default: Choice | None = None
    """For every role not named here; ``offline/evolve`` if nothing at all is said."""
    propose: Choice | None = None
    reflect: Choice | None = None
    review: Choice | None = None
    judge: Choice | None = None
    value: Choice | None = None
    summarise: Choice | None = None
    agent: Choice | None = None
    api_base: str | None = None
    """Address of a local or OpenAI-compatible server (Ollama, vLLM)."""
    api_bases: dict[str, str] = {}
    """Model name -> its server's address, for models that are not at ``api_base``."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    max_tokens: int = Field(default=8192, ge=1)
    """Upper limit of one reply; also what a reservation assumes."""
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of a prompt; by default what the model's context holds besides a reply, or
    100,000 where that is not known. Less important parts of a longer prompt are left out."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds for one attempt."""
    retries: int = Field(default=6, ge=0, le=100)
    """Further attempts after a transient fault (429, 5xx, timeout, reset)."""
    stream: bool = False
    """Whether replies are taken in pieces as they are written, so that one that stalls is noticed
    long before ``timeout``."""
    stall: float = Field(default=60.0, gt=0)
    """With ``stream``: seconds without another piece after which an attempt is given up."""
    fallback: dict[Role | Literal["default"], str] = {}
    """Role, or ``default`` for all others -> the model that answers while its own is down."""
    prices: dict[str, Price] = {}
    """Model name -> price, where litellm knows none."""

    def ensemble_for(self, role: Role) -> Ensemble:
        """What answers for a role; of one model if only one is named."""
        choice: Choice = getattr(self, role) or self.default or OFFLINE_MODEL
        if isinstance(choice, Ensemble):
            return choice
        names = (choice,) if isinstance(choice, str) else choice
        return Ensemble(models=dict.fromkeys(names, 1.0))

    @property
    def ensembles(self) -> dict[Role, Ensemble]:
        """The roles for which there is something to choose."""
        found = {role: self.ensemble_for(role) for role in ROLES}
        return {
            role: ensemble
            for role, ensemble in found.items()
            if len(ensemble.models) > 1 or ensemble.temperatures or ensemble.choose != "weights"
        }

    def models_for(self, role: Role) -> tuple[str, ...]:
        """The names of all models that may answer for a role."""
        return tuple(self.ensemble_for(role).models)

    def model_for(self, role: Role) -> str:
        """The model that answers for a role; of an ensemble the first one."""
        return self.models_for(role)[0]

    def api_base_of(self, model: str) -> str | None:
        """Where a model's server is; ``None`` for its provider's own."""
        return self.api_bases.get(model, self.api_base)

    def fallback_for(self, role: Role) -> str | None:
        """The model name that answers for a role while its own model is down, if there is one."""
        return self.fallback.get(role) or self.fallback.get("default")


LOCAL_EMBEDDING = "offline/tokens"
"""Needs no model and no network."""


class NoveltySection(Frozen):
    """``[novelty]``: which proposals are too close to an earlier one to be measured.

    Such a proposal gets a repair turn, if the strategy gives any, in which the model is shown
    the other one and asked for something different.
    """

    normalise: bool = True
    """Whether programs count as the same that differ in formatting, comments, docstrings or
    names of local variables (Python), or in formatting and comments (languages with braces).
    If not, only the very same text does."""
    threshold: float | None = Field(default=None, gt=0, le=1)
    """Similarity from which a program is too close; none by default, because small steps often
    help. Programs with different numbers in them are never too close."""
    measure: Literal["shingles", "embedding"] = "shingles"
    """``shingles``: share of the runs of five tokens that both have. ``embedding``: cosine."""
    embedding: str = Field(default=LOCAL_EMBEDDING, min_length=1)
    """A litellm name of an embedding model, paid for out of the budget; by default token counts
    that are made here."""

    @property
    def buys_embeddings(self) -> bool:
        """Whether proposals are sent to an embedding model."""
        return (
            self.threshold is not None
            and self.measure == "embedding"
            and self.embedding != LOCAL_EMBEDDING
        )


class Budget(Frozen):
    """``[budget]``: the search ends at whichever is reached first."""

    evaluations: int | None = Field(default=100, ge=1)
    ideas: int | None = Field(default=None, ge=1)
    """For strategies that work on ideas. Once there are so many, no further one is thought of, and
    those that there are get the reviews and matches that they still lack."""
    usd: float | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    """Of engine time, summed over all runs of the campaign."""
    target: float | None = None
    """Stop once the first objective reaches this value."""


class SandboxSection(Frozen):
    """``[sandbox]``: where candidates run and what they may use."""

    provider: str = "auto"
    """``auto``, ``bubblewrap``, ``docker``, or the name of an installed ``metasearch.sandboxes``
    entry. ``none`` runs candidates without any isolation."""
    image: str = ""
    """Container image to run in, with Python 3.9 or newer; for Docker."""
    build: str = ""
    """Instead of an image: a Dockerfile, relative to the campaign folder. What stands beside it
    can be copied into the image, and it is built anew whenever any of that changes."""
    runtime: str = ""
    """Container runtime that the Docker daemon knows, such as ``runsc`` (gVisor)."""
    timeout: float = Field(default=30.0, gt=0)
    """Wall seconds for one call or run inside."""
    memory: Bytes = 1024**3
    cpus: float = Field(default=1.0, gt=0)
    pids: int = Field(default=64, ge=1)
    """Processes and threads."""
    disk: Bytes = 256 * 1024**2
    """Size of the private /tmp, and of any one file written."""
    output: Bytes = 16 * 1024**2
    """Most bytes of a returned value; printed text keeps the last 64 KiB of it."""
    preload: tuple[str, ...] = ()
    """Packages imported once in a warm parent, so that candidates need not."""
    paths: tuple[str, ...] = ()
    """Files or folders of the host to show inside, read-only."""
    hide: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], ...] = ()
    """Installed packages that are empty inside: those that bring hidden data, say. In Docker
    candidates see the image's packages only, whatever stands here."""
    gpus: float = Field(default=0, ge=0, le=64)
    """GPUs that each candidate has to itself, or a fraction below 1 of one that it shares."""

    @field_validator("build")
    @classmethod
    def _one_image(cls, build: str, info: ValidationInfo) -> str:
        if build and info.data.get("image"):
            raise ValueError("'image' is given, too; a campaign has one or the other")
        return build

    @field_validator("gpus")
    @classmethod
    def _whole_or_part(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(
                "GPUs are leased whole (1, 2, ...), or one is shared by a fraction below 1 "
                "(0.25); a whole one and a part of another cannot be had together"
            )
        return gpus


class AgentSection(Frozen):
    """``[agent]``: what candidates may ask of the model role ``agent`` while they are evaluated.

    The caps hold for one evaluation of one candidate: all its calls, stages and repeats together.
    They are kept besides ``[budget]``, which what candidates ask is charged to.
    """

    calls: int = Field(default=100, ge=0, le=1_000_000)
    """Asks; 0, and with it no asking at all, if there is no such section."""
    tokens: int | None = Field(default=200_000, ge=1)
    """Input and output. An ask is refused if the most that it may take does not fit."""
    usd: float | None = Field(default=None, ge=0)
    """Likewise."""
    seconds: float = Field(default=600.0, gt=0)
    """Of the models' time: once its replies have taken so long together, it gets no further one.
    This time does not count for ``sandbox.timeout``, but it does for ``evaluator.timeout``."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Asks of one candidate in flight; campaign-wide ``concurrency`` holds as well."""
    max_tokens: int = Field(default=4096, ge=1)
    """Upper limit of one reply; a candidate may ask for less."""


class CampaignFile(Frozen):
    """The whole of ``campaign.toml``."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """The folder's name if not given."""
    branched_from: str = Field(default="", max_length=100)
    """The candidate of another campaign that is the seed program here, as ``ID#NUMBER``."""
    task: str = Field(min_length=1, max_length=100_000)
    """What the program should do, in words: the model reads this."""
    objectives: dict[str, Literal["maximize", "minimize"]] = {}
    """None in a campaign of ideas alone, which has no program and no evaluator either."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    concurrency: int = Field(default=8, ge=1, le=1024)
    """Model calls in flight; 1 makes a run strictly sequential and so reproducible."""
    lanes: int | None = Field(default=None, ge=1, le=1024)
    """Evaluations at once; by default as many as this machine has cores, memory and GPUs for."""
    program: ProgramSection = ProgramSection()
    evaluator: EvaluatorSection = EvaluatorSection()
    strategy: StrategySection = StrategySection()
    models: ModelSection = ModelSection()
    budget: Budget = Budget()
    sandbox: SandboxSection = SandboxSection()
    agent: AgentSection = AgentSection(calls=0)
    novelty: NoveltySection = NoveltySection()

    @field_validator("task")
    @classmethod
    def _strip(cls, task: str) -> str:
        return task.strip()

    @property
    def listed_objectives(self) -> tuple[Objective, ...]:
        """In the file's order; the first one is what ``target`` and ``best`` refer to."""
        return tuple(
            Objective.model_validate({"name": name, "direction": direction})
            for name, direction in self.objectives.items()
        )


class Campaign(Frozen):
    """A campaign as it is run and stored: the resolved file and what it points to."""

    name: str
    folder: Path
    """Where evaluator, harness and data are found; not part of the campaign's identity."""
    settings: CampaignFile
    seed_program: Program
    """``NO_PROGRAM`` in a campaign of ideas alone."""
    evaluator_files: dict[str, str]
    """Sources by path relative to the folder: evaluator, harness, and for an evaluator given by
    file also every ``*.py`` directly in the folder that is no part of the program, since the
    evaluator may import it."""

    prompts: dict[str, str] = {}
    """Prompt templates, name -> text: the folder's own and, in place of all others, ours. They
    decide what models are told and no score, so they may change while a campaign goes on."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """In the file's order; the first one is what ``target`` and ``best`` refer to.

        None in a campaign of ideas alone.
        """
        return self.settings.listed_objectives

    @property
    def measures(self) -> bool:
        """Whether there are programs and an evaluator, or ideas alone."""
        return bool(self.settings.objectives)

    @property
    def evaluator_digest(self) -> str:
        """SHA-256 of ``evaluator_files`` and of what in ``[evaluator]`` decides a score.

        What else decides a score is not in it: the objectives and the seed program, which are
        compared by themselves; the campaign's seed, ``[sandbox]`` and ``[agent]`` with its
        model; and what the evaluator loads besides those files (data, packages, its own folders).
        """
        evaluator = self.settings.evaluator
        decisive = {
            "files": self.evaluator_files,
            "section": evaluator.model_dump(mode="json", exclude=_INDIFFERENT),
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
