"""The campaign file: ``campaign.toml`` read into a frozen, strict model.

An unknown key, a wrong type or a missing file is one :class:`CampaignError` that names the
key, the value and the nearest valid name.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
import tomllib
from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from metasearch.candidate import Frozen
from metasearch.errors import CampaignError
from metasearch.objectives import Objective
from metasearch.program import MAX_PROGRAM_BYTES, Program, RegionError, protected_text

CAMPAIGN_FILE = "campaign.toml"

MAX_SIBLINGS = 100
"""Python files beside an evaluator that are taken for a part of it."""
MAX_EVALUATOR_BYTES = 10_000_000
"""Of all of an evaluator's files together; escaped, they fit into one message to a worker."""

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


class StrategySection(Frozen):
    """``[strategy]``: which search, with its own options under ``options``."""

    name: str = "map_elites"
    """A built-in name, an entry point's name, or ``package.module:Class``."""
    options: dict[str, JsonValue] = {}


ROLES = ("propose", "reflect", "review", "judge", "value", "summarise", "agent")
"""The purposes for which a model is asked."""

Role = Literal["propose", "reflect", "review", "judge", "value", "summarise", "agent"]

OFFLINE_MODEL = "offline/evolve"


class PriceTier(Frozen):
    """What a long prompt costs instead: USD per million tokens."""

    above: int = Field(ge=0)
    """The tier holds for calls with more input tokens than this."""
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)


class Price(Frozen):
    """USD per million tokens of a model; for those whose price litellm does not know."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """For input that the provider read from its cache; ``input`` if not given."""
    reasoning: float | None = Field(default=None, ge=0)
    """For output spent on thinking; ``output`` if not given."""
    tiers: tuple[PriceTier, ...] = ()
    """In rising order of ``above``."""


class ModelSection(Frozen):
    """``[models]``: litellm model names by role, and how to reach them."""

    default: str | None = None
    """For every role not named here; ``offline/evolve`` if nothing at all is said."""
    propose: str | None = None
    reflect: str | None = None
    review: str | None = None
    judge: str | None = None
    value: str | None = None
    summarise: str | None = None
    agent: str | None = None
    api_base: str | None = None
    """Address of a local or OpenAI-compatible server (Ollama, vLLM)."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    max_tokens: int = Field(default=8192, ge=1)
    """Upper limit of one reply; also what a reservation assumes."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds for one attempt."""
    retries: int = Field(default=6, ge=0, le=100)
    """Further attempts after a transient fault (429, 5xx, timeout, reset)."""
    prices: dict[str, Price] = {}
    """Model name -> price, where litellm knows none."""

    def model_for(self, role: Role) -> str:
        """The model name that answers for a role."""
        return getattr(self, role) or self.default or OFFLINE_MODEL


class Budget(Frozen):
    """``[budget]``: the search ends at whichever is reached first."""

    evaluations: int | None = Field(default=100, ge=1)
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

    @field_validator("build")
    @classmethod
    def _one_image(cls, build: str, info: ValidationInfo) -> str:
        if build and info.data.get("image"):
            raise ValueError("'image' is given, too; a campaign has one or the other")
        return build


class CampaignFile(Frozen):
    """The whole of ``campaign.toml``."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """The folder's name if not given."""
    task: str = Field(min_length=1, max_length=100_000)
    """What the program should do, in words: the model reads this."""
    objectives: dict[str, Literal["maximize", "minimize"]] = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    concurrency: int = Field(default=8, ge=1, le=1024)
    """Model calls in flight; 1 makes a run strictly sequential and so reproducible."""
    lanes: int | None = Field(default=None, ge=1, le=1024)
    """Evaluations at once; by default as many as this machine has cores and memory for."""
    program: ProgramSection = ProgramSection()
    evaluator: EvaluatorSection = EvaluatorSection()
    strategy: StrategySection = StrategySection()
    models: ModelSection = ModelSection()
    budget: Budget = Budget()
    sandbox: SandboxSection = SandboxSection()

    @field_validator("task")
    @classmethod
    def _strip(cls, task: str) -> str:
        return task.strip()


class Campaign(Frozen):
    """A campaign as it is run and stored: the resolved file and what it points to."""

    name: str
    folder: Path
    """Where evaluator, harness and data are found; not part of the campaign's identity."""
    settings: CampaignFile
    seed_program: Program
    evaluator_files: dict[str, str]
    """Sources by path relative to the folder: evaluator, harness, and for an evaluator given by
    file also every ``*.py`` directly in the folder that is no part of the program, since the
    evaluator may import it."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """In the file's order; the first one is what ``target`` and ``best`` refer to."""
        return tuple(
            Objective.model_validate({"name": name, "direction": direction})
            for name, direction in self.settings.objectives.items()
        )

    @property
    def evaluator_digest(self) -> str:
        """SHA-256 of ``evaluator_files`` and of ``[evaluator]`` without its timeout.

        What else decides a score is not in it: the objectives and the seed program, which are
        compared by themselves; the campaign's seed and ``[sandbox]``; and what the evaluator
        loads besides those files (data, packages, its own folders).
        """
        evaluator = self.settings.evaluator
        decisive = {
            "files": self.evaluator_files,
            "section": evaluator.model_dump(mode="json", exclude={"timeout"}),
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def load_campaign(path: Path, overrides: dict[str, Any] | None = None) -> Campaign:
    """Read a campaign folder (or the path of its ``campaign.toml``).

    Args:
        path: The folder or the file.
        overrides: Settings by dotted key (``{"budget.evaluations": 50}``) that take the
            file's place, as the command line's options do. ``None`` values are ignored.

    Raises:
        CampaignError: With file, key, value and remedy.
    """
    file = path / CAMPAIGN_FILE if path.is_dir() else path
    if not file.is_file():
        raise CampaignError(
            f"There is no {file}. Make a campaign with 'metasearch init {path}', "
            "or give the folder that holds a campaign.toml."
        )
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CampaignError(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise CampaignError(f"{file} cannot be read: {error.strerror}") from None
    for key, value in (overrides or {}).items():
        if value is not None:
            _set(file, raw, key, value)
    _check_finite(file, raw)
    try:
        settings = CampaignFile.model_validate(raw)
    except ValidationError as error:
        raise CampaignError(_explain(file, error)) from None
    _check_metrics(file, settings)
    _check_address(file, settings)
    folder = file.parent.resolve()
    return Campaign(
        name=settings.name or re.sub(r"[^A-Za-z0-9_.-]", "_", folder.name)[:64] or "campaign",
        folder=folder,
        settings=settings,
        seed_program=_seed_program(file, settings),
        evaluator_files=_evaluator_files(file, settings),
    )


def _set(file: Path, raw: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for depth, section in enumerate(sections, 1):
        inner = raw.setdefault(section, {})
        if not isinstance(inner, dict):
            name = ".".join(sections[:depth])
            raise CampaignError(
                f"{file}: {name!r} is {_brief(inner)}; it must be a table ([{name}]) for "
                f"{key!r} to be set"
            )
        raw = inner
    raw[last] = value


def _check_address(file: Path, settings: CampaignFile) -> None:
    """Here and not in the model: what a run was stored with must stay readable."""
    address = settings.models.api_base
    if address is not None and re.match(r"https?://[^/]", address) is None:
        raise CampaignError(
            f"{file}: 'models.api_base' is {_brief(address)}: it must begin with http:// or "
            "https://, such as 'http://localhost:11434'"
        )


def _check_metrics(file: Path, settings: CampaignFile) -> None:
    if "" in settings.objectives:
        raise CampaignError(f"{file}: objectives has an empty name")
    for key in ("private", "metrics"):
        for name in getattr(settings.evaluator, key):
            if name in settings.objectives:
                raise CampaignError(
                    f"{file}: evaluator.{key} names {name!r}, which is an objective; "
                    "list only what the evaluator returns besides the objectives"
                )
    for name in settings.evaluator.private:
        if name in settings.evaluator.metrics:
            raise CampaignError(
                f"{file}: evaluator.private and evaluator.metrics both name {name!r}; models are "
                "shown the metrics, so list it in one of them"
            )


def _read(file: Path, naming: str, relative: str) -> str:
    path = file.parent / relative
    if not path.is_file():
        close = difflib.get_close_matches(relative, [p.name for p in file.parent.iterdir()], 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise CampaignError(f"{file}: {naming} {relative!r}, but {path} does not exist.{hint}")
    if not _is_inside(path, file.parent):
        raise CampaignError(f"{file}: {naming} {relative!r}, which is outside the folder.")
    try:
        if path.stat().st_size > MAX_PROGRAM_BYTES:
            raise CampaignError(f"{file}: {naming} {relative!r}, which is over 4 MB.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"{file}: {naming} {relative!r}: {error}") from None


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _seed_program(file: Path, settings: CampaignFile) -> Program:
    texts = {path: _read(file, "program.files names", path) for path in settings.program.files}
    try:
        program = Program(files=texts)
        protected_text(program)
    except (ValidationError, RegionError) as error:
        raise CampaignError(f"{file}: program.files: {error}") from None
    return program


def _evaluator_files(file: Path, settings: CampaignFile) -> dict[str, str]:
    section = settings.evaluator
    given = [key for key in ("file", "module", "plugin") if getattr(section, key)]
    if len(given) > 1:
        raise CampaignError(f"{file}: evaluator has {' and '.join(given)}; give one of them.")
    by_file = not (section.module or section.plugin)
    own = [section.file or "evaluator.py"] if by_file else []
    files = {path: _read(file, "evaluator.file names", path) for path in own}
    files |= {path: _read(file, "evaluator.harness names", path) for path in section.harness}
    if by_file:
        taken = {os.path.normpath(path) for path in (*files, *settings.program.files)}
        files |= {
            path: _read(file, "beside the evaluator is", path) for path in _siblings(file, taken)
        }
    if sum(len(text.encode()) for text in files.values()) > MAX_EVALUATOR_BYTES:
        raise CampaignError(
            f"{file}: the evaluator's files, and the .py files beside it, take more than "
            f"{MAX_EVALUATOR_BYTES // 10**6} MB; move what it does not import out of the folder."
        )
    return files


def _siblings(file: Path, taken: Set[str]) -> list[str]:
    """The Python files of the folder that the evaluator may import, sorted by name."""
    names = sorted(
        path.name
        for path in file.parent.glob("[!.]*.py")
        if path.name not in taken and path.is_file() and _is_inside(path, file.parent)
    )
    if len(names) > MAX_SIBLINGS:
        raise CampaignError(
            f"{file}: there are {len(names)} .py files beside the evaluator. They count as part "
            f"of it, and the most is {MAX_SIBLINGS}; move what it does not import elsewhere."
        )
    return names


def _check_finite(file: Path, value: object, key: str = "") -> None:
    """No ``inf`` or ``nan`` anywhere, options of strategies included: JSON has neither.

    Stored with the run they would come back as ``null``, and the archive would not open again.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise CampaignError(f"{file}: {key!r} is {value}; it must be a finite number")
    inner: list[tuple[str, object]] = []
    if isinstance(value, dict):
        inner = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list):
        inner = [(str(place), item) for place, item in enumerate(value)]
    for name, item in inner:
        _check_finite(file, item, f"{key}.{name}" if key else name)


def _explain(file: Path, error: ValidationError) -> str:
    """One line per problem: key, value, what is allowed, nearest valid name."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            valid = _valid_keys([str(part) for part in problem["loc"][:-1]])
            name = str(problem["loc"][-1])
            close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"valid keys: {', '.join(valid)}"
            lines.append(f"unknown key {key!r}; {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{key!r} is missing")
        else:
            lines.append(f"{key!r} is {_brief(problem.get('input'))}: {problem['msg']}")
    return "\n".join(f"{file}: {line}" for line in lines)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _valid_keys(sections: list[str]) -> list[str]:
    model: type[BaseModel] = CampaignFile
    for section in sections:
        field = model.model_fields.get(section)
        if field is None:
            continue
        inner = field.annotation
        for choice in (inner, *getattr(inner, "__args__", ())):
            if isinstance(choice, type) and issubclass(choice, BaseModel):
                model = choice
    return sorted(model.model_fields)
