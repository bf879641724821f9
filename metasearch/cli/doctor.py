"""``metasearch doctor``: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from metasearch import quantities
from metasearch.archive import Archive, default_path
from metasearch.campaign import Price, SandboxSection
from metasearch.cli import failures
from metasearch.cli.console import console, print_json
from metasearch.errors import MetasearchError, UsageError
from metasearch.printable import one_line
from metasearch.sandboxes.gpus.survey import DeviceState

if TYPE_CHECKING:
    from metasearch.models.probe import Probe

Verdict = Literal["ok", "missing", "failed", "info"]

_OLDEST_PYTHON = (3, 11)

_KEY_NAME = re.compile(
    r"[A-Z0-9_]+_API_KEY|AWS_ACCESS_KEY_ID|AWS_PROFILE|AZURE_AD_TOKEN"
    r"|GOOGLE_APPLICATION_CREDENTIALS|HF_TOKEN"
)

_MARKS = {
    "ok": ("ok", "green"),
    "missing": ("missing", "yellow"),
    "failed": ("failed", "red"),
    "info": ("", "default"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """``python``, ``sandbox NAME``, ``gpu NUMBER`` or ``gpus``, ``lanes``, ``archive``,
    ``litellm``, ``keys``, ``model`` or ``model`` and what of it."""
    verdict: Verdict
    detail: str
    """What there is, or why it does not work and what to do."""


def doctor(file: Path | None, model: str | None, api_base: str | None, *, as_json: bool) -> int:
    """Look at everything that a run needs; the exit code says whether one is possible."""
    gpus = _look_for_gpus()
    probed = None if model is None else _ask(model, api_base)
    findings = asyncio.run(_findings(file or default_path(), gpus))
    findings += [] if probed is None else _model(probed)
    able = _can_run(findings)
    if as_json:
        print_json(
            {
                "ok": able,
                "findings": [asdict(finding) for finding in findings],
                "gpus": [asdict(state) for state in gpus.states],
                "model": None if probed is None else _record(probed),
            }
        )
    else:
        _print(findings, able=able)
    return failures.OK if able else failures.PREREQUISITE


async def _findings(file: Path, gpus: _Gpus) -> list[Finding]:
    findings = [_python(), *await sandboxes(), *_gpu_findings(gpus), _lanes()]
    return [*findings, _archive(file), _litellm(), _keys()]


def _ask(model: str, api_base: str | None) -> Probe:
    from metasearch.models.probe import probe

    if api_base is not None and not api_base.startswith(("http://", "https://")):
        raise UsageError(f"--api-base is {api_base!r}: it must begin with http:// or https://.")
    return asyncio.run(probe(model, api_base))


def _record(probed: Probe) -> dict[str, object]:
    price, usage = probed.price, probed.usage
    return {
        **{name: value for name, value in vars(probed).items() if name not in ("price", "usage")},
        "price": None if price is None else price.model_dump(mode="json"),
        "usage": None if usage is None else usage.model_dump(mode="json"),
    }


def _can_run(findings: list[Finding]) -> bool:
    """Everything is in order; one sandbox is enough, and no campaign needs a GPU by itself."""
    sandboxes = [f for f in findings if f.subject.startswith("sandbox")]
    others = [f for f in findings if not f.subject.startswith(("sandbox", "gpu"))]
    return any(f.verdict == "ok" for f in sandboxes) and all(
        f.verdict in ("ok", "info") for f in others
    )


def _python() -> Finding:
    ok = sys.version_info >= _OLDEST_PYTHON
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if not ok:
        detail += "; needs 3.11 or newer"
    return Finding("python", "ok" if ok else "failed", detail)


async def sandboxes(names: Sequence[str] | None = None) -> list[Finding]:
    """Whether sandboxes of these providers can be opened; of all of them by default."""
    from metasearch.sandboxes import open_provider, providers

    findings = []
    for name in providers() if names is None else names:
        subject = f"sandbox {name}"
        try:
            provider = open_provider(name)
            try:
                await provider.check()
            finally:
                await provider.close()
        except MetasearchError as error:
            findings.append(Finding(subject, "missing", str(error)))
        else:
            detail = "candidates can run isolated"
            if name == "none":
                detail = "candidates can run, but UNSAFE: without any isolation"
            findings.append(Finding(subject, "ok", detail))
    return findings or [Finding("sandbox", "missing", "no provider is installed")]


@dataclass(frozen=True)
class _Gpus:
    """Those that were found, or why none could be looked for."""

    states: tuple[DeviceState, ...]
    reason: str = ""


def _look_for_gpus() -> _Gpus:
    from metasearch.sandboxes.gpus import nvml
    from metasearch.sandboxes.gpus.survey import survey

    devices = nvml.NvmlDevices()
    try:
        return _Gpus(tuple(survey(devices)))
    except MetasearchError as error:
        return _Gpus((), str(error))
    finally:
        devices.close()


def _gpu_findings(gpus: _Gpus) -> list[Finding]:
    if not gpus.states:
        return [Finding("gpus", "info", f"none. {gpus.reason}".strip())]
    verdicts: dict[str, Verdict] = {"quarantined": "failed", "unusable": "failed"}
    findings = []
    for number, gpu in enumerate(gpus.states):
        memory = f"{quantities.size(gpu.used)} of {quantities.size(gpu.memory)} memory in use"
        detail = f"{gpu.name}, {memory}, {gpu.uuid}: {gpu.state}"
        if gpu.reason:
            detail += f" ({gpu.reason})"
        findings.append(Finding(f"gpu {number}", verdicts.get(gpu.state, "ok"), detail))
    return findings


def _lanes() -> Finding:
    from metasearch.evaluation import plan_lanes
    from metasearch.sandboxes.base import Limits, SandboxSpec

    section = SandboxSection()
    lanes = plan_lanes(SandboxSpec(Limits(memory=section.memory, cpus=section.cpus)))
    return Finding(
        "lanes",
        "info",
        f"{lanes.count} evaluations at once by default ({lanes.reasons}); 'lanes' sets it",
    )


def _archive(file: Path) -> Finding:
    folder = next(parent for parent in file.absolute().parents if parent.is_dir())
    free = quantities.size(shutil.disk_usage(folder).free)
    if not file.exists():
        writable = os.access(folder, os.W_OK)
        detail = f"{file} does not exist yet; the first run makes it; {free} free"
        if not writable:
            detail = f"{file} cannot be made: {folder} is read-only. Name another with --archive."
        return Finding("archive", "ok" if writable else "failed", detail)
    try:
        with Archive.open(file, read_only=True) as archive:
            runs = len(archive.campaigns())
    except MetasearchError as error:
        return Finding("archive", "failed", str(error))
    size = quantities.size(file.stat().st_size)
    return Finding("archive", "ok", f"{file}: {runs} runs, {size}; {free} free on its disk")


def _litellm() -> Finding:
    try:
        return Finding("litellm", "ok", version("litellm"))
    except PackageNotFoundError:
        return Finding("litellm", "failed", "not installed: pip install litellm")


def _keys() -> Finding:
    """Names of variables only: a value never leaves the environment."""
    names = sorted(
        name for name, value in os.environ.items() if value and _KEY_NAME.fullmatch(name)
    )
    if not names:
        return Finding("keys", "info", "none set; offline/evolve and local servers need none")
    return Finding("keys", "info", f"set: {', '.join(names)}")


def _model(probe: Probe) -> list[Finding]:
    """What one tiny call and litellm's table say of a model."""
    if probe.provider is None:
        return [Finding("model", "failed", probe.problem)]
    if probe.problem:
        findings = [Finding("model", "failed", probe.problem)]
    else:
        took = f"answered in {probe.seconds:.1f} s" if probe.seconds is not None else "answered"
        spent = "" if probe.usage is None else f" for {quantities.usd(probe.usage.usd)}"
        findings = [Finding("model", "ok", f"{probe.model} by {probe.provider} {took}{spent}")]
    key = f"found in {probe.key}" if probe.key else "none found, and none asked for"
    limits = [
        f"{name} {quantities.count(tokens)} tokens"
        for name, tokens in (("input", probe.context_window), ("output", probe.longest_reply))
        if tokens is not None
    ]
    known = {True: "yes", False: "no", None: "unknown"}
    features = [f"{name} {known[has]}" for name, has in (probe.features or {}).items()]
    return [
        *findings,
        Finding("model key", "info", key),
        Finding("model price", "info", _price(probe.price)),
        Finding("model limits", "info", ", ".join(limits) or "unknown to litellm"),
        Finding("model features", "info", ", ".join(features)),
    ]


def _price(price: Price | None) -> str:
    if price is None:
        return "unknown: give it under [models.prices] to use a USD budget"
    parts = [f"${price.input:g} in", f"${price.output:g} out"]
    if price.cached is not None:
        parts.append(f"${price.cached:g} in from cache")
    if price.cache_write is not None:
        parts.append(f"${price.cache_write:g} in to cache")
    return f"per million tokens: {', '.join(parts)}"


def print_findings(findings: list[Finding]) -> None:
    """One line for each."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark, style = _MARKS[finding.verdict]
        table.add_row(
            one_line(finding.subject), Text(mark, style=style), one_line(finding.detail, 1_000)
        )
    console().print(table)


def _print(findings: list[Finding], *, able: bool) -> None:
    from rich.text import Text

    print_findings(findings)
    out = console()
    out.print()
    if able:
        out.print("Campaigns can run here. Begin with 'metasearch init my_campaign'.")
    else:
        out.print(Text("Campaigns cannot run here until this is mended.", style="red"))
