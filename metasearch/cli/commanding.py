"""Giving commands to a campaign, whether an engine runs it or not."""

from __future__ import annotations

import getpass
import os
import socket
import time
from pathlib import Path

from pydantic import BaseModel, ValidationError

from metasearch.archive import Archive, CampaignArchive, default_path
from metasearch.cli.console import console, print_json
from metasearch.cli.references import find_candidate
from metasearch.commands import AnyCommand, Commanded, Continue, Pause, Stop
from metasearch.errors import UsageError
from metasearch.printable import one_line

PATIENCE = 3.0
"""Seconds to wait for the engine's answer; it looks four times a second."""

_LOOK = 0.05


def give(
    file: Path | None, campaign: str, kind: type[BaseModel], *, as_json: bool, **fields: object
) -> None:
    """Store a command, and say what the engine answers.

    Raises:
        UsageError: A value is not allowed, it speaks of what is not there, or it needs an engine
            and none runs.
    """
    with _writable(file) as archive:
        run = archive.campaign(archive.find(campaign).id)
        _tell(run, _made(kind, fields), as_json=as_json)


def mark(
    file: Path | None, reference: str, kind: type[BaseModel], *, as_json: bool, **fields: object
) -> None:
    """Store what is said of a candidate, likewise."""
    with _writable(file) as archive:
        found = find_candidate(archive, reference)
        command = _made(kind, {"candidate": found.candidate.number, **fields})
        _tell(found.run, command, as_json=as_json)


def _writable(file: Path | None) -> Archive:
    return Archive.open(file or default_path())


def _made(kind: type[BaseModel], fields: dict[str, object]) -> AnyCommand:
    try:
        made = kind.model_validate({k: v for k, v in fields.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        shown = f"{where} is {one_line(repr(first['input']), 80)}: " if where else ""
        raise UsageError(f"{shown}{first['msg'].removeprefix('Value error, ')}") from None
    assert isinstance(made, AnyCommand)
    return made


def _tell(run: CampaignArchive, command: AnyCommand, *, as_json: bool) -> None:
    before = run.summary()
    if not before.holder and isinstance(command, Pause | Continue | Stop):
        raise UsageError(
            f"No engine runs {before.id} ({before.state}), so there is nothing to "
            f"{command.kind}. 'metasearch run {one_line(str(run.resolved().folder))}' starts it."
        )
    asked = run.command(command, who())
    now = _answered(run, asked.number) if before.holder else asked
    if as_json:
        print_json(record(now) | {"campaign": before.id, "engine": before.holder})
        return
    console().print(one_line(f"{before.id}, command {now.number}: {_outcome(run, now)}", 2_000))


def _outcome(run: CampaignArchive, now: Commanded) -> str:
    summary = run.summary()
    if now.answered is not None:
        return f"{'' if now.taken else 'declined: '}{now.answer} ({summary.holder or 'ended'})"
    if summary.holder:
        return f"asked; {summary.holder} has not answered within {PATIENCE:g} seconds"
    folder = run.resolved().folder
    return f"stored: no engine runs; start with 'metasearch run {folder}', which takes it"


def _answered(run: CampaignArchive, number: int) -> Commanded:
    """The command once the engine has answered it, or as it is when patience ends."""
    until = time.monotonic() + PATIENCE
    while True:
        now = run.commanded(number)
        if now.answered is not None or time.monotonic() > until:
            return now
        time.sleep(_LOOK)


def who() -> str:
    """Who types here."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no entry for this user id, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def record(each: Commanded) -> dict[str, object]:
    """A command for programs."""
    return each.model_dump(mode="json")


def line(each: Commanded) -> str:
    """A command for people."""
    answer = "waits for an engine"
    if each.answered is not None:
        answer = each.answer if each.taken else f"declined: {each.answer}"
    return one_line(f"{each.number} {each.command} ({each.who}): {answer}", 200)
