"""Reading ``campaign.toml`` and the files it names.

An unknown key, a wrong type or a missing file is one :class:`CampaignError` that names the
key, the value and the nearest valid name.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import tomllib
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from metasearch.campaign import IN_UNION, Campaign, CampaignFile
from metasearch.errors import CampaignError
from metasearch.program import MAX_PROGRAM_BYTES, NO_PROGRAM, Program, RegionError, protected_text
from metasearch.prompts import SUFFIX, effective

CAMPAIGN_FILE = "campaign.toml"
PROMPTS = "prompts"
"""The folder with a campaign's own prompt templates."""

MAX_SIBLINGS = 100
"""Python files beside an evaluator that are taken for a part of it."""
MAX_EVALUATOR_BYTES = 10_000_000
"""Of all of an evaluator's files together; escaped, they fit into one message to a worker."""


def load_campaign(
    path: Path, overrides: dict[str, Any] | None = None, text: str | None = None
) -> Campaign:
    """Read a campaign folder (or the path of its ``campaign.toml``).

    Args:
        path: The folder or the file.
        overrides: Settings by dotted key (``{"budget.evaluations": 50}``) that take the
            file's place, as the command line's options do. ``None`` values are ignored.
        text: What the file would say, to try it before it is written.

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
        raw = tomllib.loads(file.read_text("utf-8") if text is None else text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CampaignError(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise CampaignError(f"{file} cannot be read: {error.strerror}") from None
    for key, value in (overrides or {}).items():
        if value is not None:
            _set(file, raw, key, value)
    _check_finite(file, raw)
    try:
        # By way of JSON, in which a list may stand for a tuple but text for no number.
        settings = CampaignFile.model_validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        raise CampaignError(_explain(file, error)) from None
    if settings.objectives:
        _check_metrics(file, settings)
    else:
        _check_ideas_alone(file, settings)
    _check_addresses(file, settings)
    _check_agent(file, settings)
    folder = file.parent.resolve()
    return Campaign(
        name=settings.name or re.sub(r"[^A-Za-z0-9_.-]", "_", folder.name)[:64] or "campaign",
        folder=folder,
        settings=settings,
        seed_program=_seed_program(file, settings) if settings.objectives else NO_PROGRAM,
        evaluator_files=_evaluator_files(file, settings) if settings.objectives else {},
        prompts=_prompts(file),
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


def _check_addresses(file: Path, settings: CampaignFile) -> None:
    """Here and not in the model: what a run was stored with must stay readable."""
    models = settings.models
    named = {f"models.api_bases.{json.dumps(m)}": base for m, base in models.api_bases.items()}
    for key, address in {"models.api_base": models.api_base, **named}.items():
        if address is not None and re.match(r"https?://[^/]", address) is None:
            raise CampaignError(
                f"{file}: {key!r} is {_brief(address)}: it must begin with http:// or "
                "https://, such as 'http://localhost:11434'"
            )


def _check_agent(file: Path, settings: CampaignFile) -> None:
    choose = settings.models.ensemble_for("agent").choose
    if settings.agent.calls and choose != "weights":
        raise CampaignError(
            f"{file}: models.agent is chosen by {choose!r}, so that candidates would be measured "
            'with different models; give one model for agent, or choose = "weights"'
        )


_MEASURED_ONLY = ("budget.evaluations", "budget.target", "program", "evaluator")
"""What only a campaign can say that measures programs."""


def _check_ideas_alone(file: Path, settings: CampaignFile) -> None:
    """Without objectives nothing may be there that looks as if programs were to be measured."""
    remedy = (
        'Give the objectives, as in [objectives] score = "maximize"; or, for a campaign of ideas '
        "alone, take away all that measures programs"
    )
    for name in ("program.py", "evaluator.py"):
        if (file.parent / name).exists():
            raise CampaignError(f"{file}: 'objectives' is missing, but there is {name}. {remedy}.")
    for key in _MEASURED_ONLY:
        section, _, name = key.partition(".")
        told = getattr(settings, section).model_fields_set
        if name in told if name else told:
            instead = "; its budget is budget.ideas" if section == "budget" else ""
            raise CampaignError(
                f"{file}: 'objectives' is missing, but {key!r} is given. {remedy}{instead}."
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


def read_beside(file: Path, naming: str, relative: str) -> str:
    """A text of the folder that a campaign file is in.

    Args:
        file: The campaign file.
        naming: Who names the text, for the error.
        relative: Its path.

    Raises:
        CampaignError: It is not there, outside the folder, over 4 MB or no UTF-8.
    """
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
    texts = {
        path: read_beside(file, "program.files names", path) for path in settings.program.files
    }
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
    files = {path: read_beside(file, "evaluator.file names", path) for path in own}
    files |= {path: read_beside(file, "evaluator.harness names", path) for path in section.harness}
    if by_file:
        taken = {os.path.normpath(path) for path in (*files, *settings.program.files)}
        files |= {
            path: read_beside(file, "beside the evaluator is", path)
            for path in _siblings(file, taken)
        }
    if sum(len(text.encode()) for text in files.values()) > MAX_EVALUATOR_BYTES:
        raise CampaignError(
            f"{file}: the evaluator's files, and the .py files beside it, take more than "
            f"{MAX_EVALUATOR_BYTES // 10**6} MB; move what it does not import out of the folder."
        )
    return files


def _prompts(file: Path) -> dict[str, str]:
    """The templates in force: those of the folder ``prompts``, and ours for all others."""
    folder = file.parent / PROMPTS
    names = sorted(p.name for p in folder.glob("[!.]*")) if folder.is_dir() else []
    own = {}
    for name in names:
        if not name.endswith(SUFFIX):
            raise CampaignError(
                f"{file}: {PROMPTS}/{name} is no prompt template; these are named NAME{SUFFIX}"
            )
        own[name.removesuffix(SUFFIX)] = read_beside(
            file, "a prompt template is", f"{PROMPTS}/{name}"
        )
    try:
        return effective(own)
    except CampaignError as error:
        raise CampaignError(f"{folder}: {error}") from None


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
        parts = [str(part) for part in problem["loc"] if not str(part).startswith(IN_UNION)]
        key = ".".join(parts)
        if problem["type"] == "extra_forbidden":
            valid = _valid_keys(parts[:-1])
            name = parts[-1]
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
        model = next(_tables_in(field.annotation), model)
    return sorted(model.model_fields)


def _tables_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The tables that a field may hold, those of a union or a list among them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables_in(inner)
