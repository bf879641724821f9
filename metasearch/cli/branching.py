"""``metasearch branch``: a new campaign whose seed is a candidate of another one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import tomli_w

from metasearch.campaign import Campaign
from metasearch.campaign_file import CAMPAIGN_FILE, PROMPTS, load_campaign
from metasearch.cli.console import console, print_json
from metasearch.cli.references import find_candidate, opened
from metasearch.errors import UsageError
from metasearch.printable import one_line
from metasearch.program import Program
from metasearch.prompts import SUFFIX
from metasearch.prompts.templates import ours


def branch(file: Path | None, reference: str, folder: Path, *, as_json: bool) -> None:
    """Write the folder of a campaign that begins with a candidate's program.

    Evaluator, settings and prompts are those that the archive knows. What else lies in the
    folder of the first campaign, such as data, is copied if that folder is still there.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", folder.name):
        raise UsageError(
            f"A campaign cannot be called {folder.name!r}: letters, digits, '_', '.' and '-', "
            "64 at most, a letter or digit first."
        )
    if folder.exists():
        raise UsageError(f"{folder} is there already; name a folder to make.")
    with opened(file) as archive:
        found = find_candidate(archive, reference)
        campaign = found.run.resolved()
        if not found.candidate.digest:
            raise UsageError(f"{found.name} has no program: {one_line(found.candidate.error)}")
        program = found.run.program(found.candidate)
    origin = f"{found.run.id}#{found.candidate.number}"
    beside = campaign.folder.is_dir()
    if beside:
        ignored = shutil.ignore_patterns(".*", "__pycache__", PROMPTS)
        shutil.copytree(campaign.folder, folder, symlinks=True, ignore=ignored)
    _write(folder, campaign, program, origin)
    load_campaign(folder)
    if as_json:
        print_json({"folder": str(folder), "branched_from": origin, "data_copied": beside})
        return
    out = console()
    out.print(f"Made the campaign {folder}, which begins with {origin}.", soft_wrap=True)
    if not beside:
        out.print(
            f"The folder {one_line(str(campaign.folder))} is gone: if the evaluator reads other "
            "files of it, put them here first.",
            soft_wrap=True,
        )
    out.print(f"\n  metasearch run {folder}", soft_wrap=True)


def _write(folder: Path, campaign: Campaign, program: Program, origin: str) -> None:
    settings = campaign.settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    settings |= {"name": folder.name, "branched_from": origin}
    settings["program"] = settings.get("program", {}) | {"files": list(program.files)}
    prompts = {
        f"{PROMPTS}/{name}{SUFFIX}": text
        for name, text in campaign.prompts.items()
        if ours().get(name) != text
    }
    texts = {CAMPAIGN_FILE: tomli_w.dumps(settings), **campaign.evaluator_files, **prompts}
    for path, text in {**texts, **program.files}.items():
        target = folder / path
        if not target.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"The archive names a file outside the folder: {path!r}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # it may be a link
        target.write_text(text, "utf-8")
