"""Commands to a campaign while it runs, and to those who continue it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metasearch.cli.commands.options import (
    ArchiveOption,
    CampaignArgument,
    CandidateArgument,
    JsonOption,
)
from metasearch.cli.failures import guarded

commands = typer.Typer()

_PANEL = "Steer"


class Mark(StrEnum):
    """What ``mark`` says of a candidate."""

    FAVOURITE = "favourite"
    VETO = "veto"
    CLEAR = "clear"


@commands.command(rich_help_panel=_PANEL)
@guarded
def pause(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """Let a running engine open nothing new, until it is continued."""
    from metasearch.cli import commanding
    from metasearch.commands import Pause

    commanding.give(archive, campaign, Pause, as_json=as_json)


@commands.command("continue", rich_help_panel=_PANEL)
@guarded
def continue_(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """End a pause."""
    from metasearch.cli import commanding
    from metasearch.commands import Continue

    commanding.give(archive, campaign, Continue, as_json=as_json)


@commands.command(rich_help_panel=_PANEL)
@guarded
def stop(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """End a run in order, as Ctrl-C does in its terminal."""
    from metasearch.cli import commanding
    from metasearch.commands import Stop

    commanding.give(archive, campaign, Stop, as_json=as_json)


@commands.command(rich_help_panel=_PANEL)
@guarded
def extend(
    campaign: CampaignArgument,
    evaluations: Annotated[int | None, typer.Option(min=1, help="The new limit.")] = None,
    usd: Annotated[float | None, typer.Option(min=0, help="The new limit.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="The new limit.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="The new limit.")] = None,
    ideas: Annotated[int | None, typer.Option(min=1, help="The new limit.")] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Raise limits of the budget: to so much in all, not by so much."""
    from metasearch.cli import commanding
    from metasearch.commands import Extend

    commanding.give(
        archive,
        campaign,
        Extend,
        as_json=as_json,
        evaluations=evaluations,
        usd=usd,
        tokens=tokens,
        minutes=minutes,
        ideas=ideas,
    )


@commands.command(rich_help_panel=_PANEL)
@guarded
def concurrency(
    campaign: CampaignArgument,
    limit: Annotated[int, typer.Argument(metavar="CALLS", min=1, max=1024)],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change how many model calls are in flight."""
    from metasearch.cli import commanding
    from metasearch.commands import Concurrency

    commanding.give(archive, campaign, Concurrency, as_json=as_json, limit=limit)


@commands.command(rich_help_panel=_PANEL)
@guarded
def steer(
    campaign: CampaignArgument,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="For the prompts.")] = None,
    island: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Only where this island is changed.")
    ] = None,
    below: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Only for #N and its descendants.")
    ] = None,
    expires: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="After K steps that tried it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="In the place of all hints before it.")
    ] = False,
    idea: Annotated[
        bool, typer.Option("--idea", help="An idea to be tried, once; rated where ideas are.")
    ] = False,
    withdraw: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Show the hint of command N no more.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a hint into the prompts to come, suggest an idea, or withdraw a hint."""
    from metasearch.cli import commanding
    from metasearch.commands import Hint, Idea, Withdraw
    from metasearch.errors import UsageError

    if (text is None) == (withdraw is None):
        raise UsageError("Give either a TEXT or --withdraw N.")
    if withdraw is not None:
        commanding.give(archive, campaign, Withdraw, as_json=as_json, hint=withdraw)
    elif idea:
        if replace or (island, below, expires) != (None, None, None):
            raise UsageError("An idea is tried once, anywhere: it takes no other option.")
        commanding.give(archive, campaign, Idea, as_json=as_json, text=text)
    else:
        commanding.give(
            archive,
            campaign,
            Hint,
            as_json=as_json,
            text=text,
            island=island,
            below=below,
            expires=expires,
            append=not replace,
        )


@commands.command(rich_help_panel=_PANEL)
@guarded
def mark(
    candidate: CandidateArgument,
    word: Annotated[Mark, typer.Argument(metavar="favourite|veto|clear")],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of a veto; models are told.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a candidate as an inspiration, let nothing build on it, or take that back."""
    from metasearch.cli import commanding
    from metasearch.commands import Favourite, Unmark, Veto
    from metasearch.errors import UsageError

    if word is Mark.VETO:
        commanding.mark(archive, candidate, Veto, as_json=as_json, reason=reason)
        return
    if reason is not None:
        raise UsageError("Only a veto takes a --reason.")
    kind = Favourite if word is Mark.FAVOURITE else Unmark
    commanding.mark(archive, candidate, kind, as_json=as_json)


@commands.command(rich_help_panel=_PANEL)
@guarded
def branch(
    candidate: CandidateArgument,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder to make; its name is the campaign's.")
    ],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a campaign whose seed is a candidate of another one."""
    from metasearch.cli import branching

    branching.branch(archive, candidate, folder, as_json=as_json)
