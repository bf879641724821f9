"""How things stand between a campaign and the people who command it, as its pages show it."""

from __future__ import annotations

from typing import NamedTuple

from metasearch.archive import CampaignArchive, State
from metasearch.campaign import CampaignFile
from metasearch.commands import Commanded, Marks, hints_in_force

LATEST = 6
"""Commands that the controls show."""


class Controls(NamedTuple):
    """What the controls of a campaign show."""

    id: str
    state: State
    holder: str
    """The engine that runs it; empty if none does."""
    latest: list[Commanded]
    """Newest first."""
    hints: list[Commanded]
    """Hints and ideas in force, oldest first."""
    settings: CampaignFile
    """With the limits that are in force now."""

    @property
    def asked(self) -> set[str]:
        """Kinds of the commands that an engine has yet to answer."""
        return {each.command.kind for each in self.latest if each.answered is None}

    @property
    def paused(self) -> bool:
        """Whether a running engine was told to pause."""
        return bool(self.holder) and self.state == "paused"


def controls(run: CampaignArchive) -> Controls:
    """How things stand between a campaign and those who command it."""
    summary = run.summary()
    return Controls(
        id=run.id,
        state=summary.state,
        holder=summary.holder,
        latest=run.latest_commands(LATEST),
        hints=hints_in_force(run.commands()),
        settings=run.settings_in_force(),
    )


def marks(run: CampaignArchive) -> Marks:
    """What people have said of its candidates."""
    return run.marks()
