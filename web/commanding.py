"""Giving commands to a campaign: the only thing that the server writes into an archive."""

from __future__ import annotations

import re

from pydantic import TypeAdapter, ValidationError

from metasearch.commands import (
    AnyCommand,
    Command,
    Commanded,
    Continue,
    Pause,
    Stop,
)
from metasearch.errors import UsageError
from metasearch.printable import one_line
from metasearch.web.errors import BadRequest, Conflict, find_run
from metasearch.web.readers import Readers

WHO = "web"
"""Who has said what came by this server."""

_COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(Command)


def give(readers: Readers, campaign: str, command: AnyCommand) -> Commanded:
    """Store a command.

    Raises:
        NotFound: There is no such campaign.
        Conflict: It needs an engine, and none runs.
        BadRequest: It speaks of what is not there.
    """
    with readers.writer() as archive:
        run = find_run(archive, campaign)
        if isinstance(command, Pause | Continue | Stop) and not (now := run.summary()).holder:
            raise Conflict(
                f"No engine runs {run.id} ({now.state}), so there is nothing to {command.kind}."
            )
        try:
            return run.command(command, WHO)
        except UsageError as error:
            raise BadRequest(one_line(str(error), 600)) from None


def command_of(fields: dict[str, str]) -> AnyCommand:
    """A command out of a form; fields that were left empty were not said.

    Raises:
        BadRequest: A value is not allowed.
    """
    said: dict[str, object] = {name: text for name, text in fields.items() if text.strip()}
    if "append" in said:
        said["append"] = said["append"] != "no"
    try:
        return _COMMAND.validate_python(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        text = re.sub("^Value error, ", "", first["msg"])
        raise BadRequest(one_line(f"{where}: {text}" if where else text, 300)) from None
