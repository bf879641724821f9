"""Commands that show what campaigns have found."""

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
    NumberArgument,
)
from metasearch.cli.failures import guarded

commands = typer.Typer()


class ExportFormat(StrEnum):
    """What ``export`` writes."""

    FOLDER = "folder"
    JSONL = "jsonl"
    CSV = "csv"
    CALLS = "calls"
    REPORT = "report"


class CostGroup(StrEnum):
    """What ``cost`` puts together."""

    MODEL = "model"
    ROLE = "role"
    OPERATOR = "operator"
    CANDIDATE = "candidate"
    CALL = "call"


@commands.command("list", rich_help_panel="Results")
@guarded
def list_(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """All campaigns in the archive, newest first."""
    from metasearch.cli import reading

    reading.list_campaigns(archive, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def status(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """Where a campaign stands, running or not."""
    from metasearch.cli import reading

    reading.status(archive, campaign, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def cost(
    campaign: CampaignArgument,
    by: Annotated[
        CostGroup | None,
        typer.Option("--by", help="Only in this grouping. [default: model, role and operator]"),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a campaign's model calls have cost, failed and rejected attempts included."""
    from metasearch.cli import costs

    costs.cost(archive, campaign, by.value if by else None, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def show(
    candidate: CandidateArgument,
    number: NumberArgument = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Everything about one candidate: scores, parents, thought, error, output, program."""
    from metasearch.cli import candidates

    candidates.show(archive, candidate, number, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def prompt(
    campaign: CampaignArgument,
    step: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="By default the next one.")
    ] = None,
    call: Annotated[
        int | None, typer.Option(metavar="K", min=0, help="One call of the step; all if not given.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a step has asked the model, word for word, or what the next one would ask."""
    from metasearch.cli import prompts

    prompts.prompt(archive, campaign, step, call, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def best(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """The best candidate of a campaign, and its program."""
    from metasearch.cli import reading

    reading.best(archive, campaign, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def fame(
    campaign: CampaignArgument,
    size: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many of the best are shown.")
    ] = 20,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """The hall of fame: the best by the first objective, ties by the next; and the front."""
    from metasearch.cli import fame as command

    command.fame(archive, campaign, size, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def diff(
    one: CandidateArgument,
    other: Annotated[
        str | None, typer.Argument(metavar="[CANDIDATE]", help="Compared with the first one.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What changed from one candidate to another; of one alone, from its parent to it."""
    from metasearch.cli import candidates

    candidates.diff(archive, one, other, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def lineage(
    candidate: CandidateArgument,
    number: NumberArgument = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """The line from a candidate up to the seed program."""
    from metasearch.cli import candidates

    candidates.lineage(archive, candidate, number, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def health(
    campaign: CampaignArgument,
    window: Annotated[
        int, typer.Option(metavar="N", min=2, max=1000, help="Candidates in a row of the table.")
    ] = 50,
    last: Annotated[
        int, typer.Option(metavar="K", min=1, max=1000, help="So many rows, the latest ones.")
    ] = 20,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """How the search fares: progress, balance of exploring and exploiting, diversity, takeover."""
    from metasearch.cli import health as command

    command.health(archive, campaign, window, last, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def insights(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """What a campaign has learnt and still remembers: tips, and how often they helped."""
    from metasearch.cli import insights as command

    command.insights(archive, campaign, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def facts(
    campaign: CampaignArgument,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Only these: idea, review, match, value, insight, ..."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a campaign has recorded besides candidates: ideas, debates, choices, insights."""
    from metasearch.cli import facts as command

    command.facts(archive, campaign, kind, as_json=as_json)


@commands.command(rich_help_panel="Results")
@guarded
def export(
    campaign: CampaignArgument,
    format_: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="A folder with the best program; all candidates as lines; a recording of the "
            "model calls, for --model offline/replay:FILE; or a report on ideas to read.",
        ),
    ] = ExportFormat.FOLDER,
    to: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="By default a new folder here, or stdout."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a campaign's result out."""
    from metasearch.cli import reading

    reading.export(archive, campaign, format_.value, to, as_json=as_json)
