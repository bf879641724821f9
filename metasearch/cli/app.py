"""The commands and their options; what they do stands in the modules beside this one."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metasearch.cli.failures import guarded

app = typer.Typer(
    name="metasearch",
    help="Evolve programs, models and agents with language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 something is missing, 130 interrupted.",
)
archive_app = typer.Typer(help="Look after the archive file.", no_args_is_help=True)
app.add_typer(archive_app, name="archive", rich_help_panel="Help")
sandbox_app = typer.Typer(help="Look after where candidates run.", no_args_is_help=True)
app.add_typer(sandbox_app, name="sandbox", rich_help_panel="Help")


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


class SplitName(StrEnum):
    """What ``evaluate`` measures on."""

    VALIDATION = "validation"
    TEST = "test"


ArchiveOption = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        envvar="METASEARCH_ARCHIVE",
        metavar="FILE",
        help="The archive file; by default in the user's data folder.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON on stdout.")]
CampaignArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="A name (its latest run) or an id.")
]
CandidateArgument = Annotated[
    str,
    typer.Argument(
        metavar="CANDIDATE", help="NAME#12; NAME alone means the best, 12 the latest campaign's."
    ),
]
NumberArgument = Annotated[
    int | None, typer.Argument(metavar="[NUMBER]", help="Instead of #NUMBER.", min=0)
]
FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder that holds campaign.toml.")
]
SandboxOption = Annotated[
    str | None,
    typer.Option(
        envvar="METASEARCH_SANDBOX", metavar="NAME", help="Where candidates run; see doctor."
    ),
]


def main() -> None:
    """The console command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its code, not an exception.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from metasearch import __version__

        typer.echo(f"metasearch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Evolve programs, models and agents with language models."""


@app.command(rich_help_panel="Search")
@guarded
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder to make.")],
    template: Annotated[str, typer.Option(metavar="NAME", help="What to begin with.")] = "formula",
    as_json: JsonOption = False,
) -> None:
    """Make a campaign that runs as it is: campaign.toml, program.py, evaluator.py."""
    from metasearch.cli import scaffold
    from metasearch.cli.console import print_json

    following = scaffold.init(folder, template)
    if as_json:
        print_json({"folder": str(folder), "template": template, "next": following})
        return
    typer.echo(f"Made the campaign {folder} ({scaffold.TEMPLATES[template]}). Now:\n")
    for command in following:
        typer.echo(f"  {command}")


@app.command(rich_help_panel="Search")
@guarded
def run(
    folder: FolderArgument,
    model: Annotated[
        str | None,
        typer.Option(
            envvar="METASEARCH_MODEL", metavar="NAME", help="For all roles; any litellm name."
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(envvar="METASEARCH_STRATEGY", metavar="NAME", help="How to search."),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(envvar="METASEARCH_EVALUATIONS", min=1, help="Budget, of all runs together."),
    ] = None,
    ideas: Annotated[
        int | None,
        typer.Option(envvar="METASEARCH_IDEAS", min=1, help="Budget, for strategies on ideas."),
    ] = None,
    usd: Annotated[
        float | None, typer.Option(envvar="METASEARCH_USD", min=0, help="Budget for model calls.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(envvar="METASEARCH_TOKENS", min=1, help="Budget, in and out.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(envvar="METASEARCH_MINUTES", min=0, help="Budget of time.")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            envvar="METASEARCH_TARGET", help="Stop once the first objective reaches this."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(envvar="METASEARCH_SEED", min=0, help="Of all random choices."),
    ] = None,
    sandbox: SandboxOption = None,
    archive: ArchiveOption = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            envvar="METASEARCH_CONCURRENCY",
            min=1,
            help="Model calls in flight; 1 makes a run reproducible.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Another run, instead of continuing the latest.")
    ] = False,
    accept_evaluator: Annotated[
        bool,
        typer.Option(
            "--accept-evaluator",
            help="Continue although the evaluator changed; earlier scores stay as they are.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a campaign, or continue it from where it stopped.

    Options take the place of what campaign.toml says.
    """
    from metasearch.api import Options
    from metasearch.cli import running

    options = Options(
        model=model,
        strategy=strategy,
        evaluations=evaluations,
        ideas=ideas,
        usd=usd,
        tokens=tokens,
        minutes=minutes,
        target=target,
        seed=seed,
        sandbox=sandbox,
        concurrency=concurrency,
    )
    code = running.run(
        folder,
        options,
        archive,
        fresh=fresh,
        accept_evaluator=accept_evaluator,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command(rich_help_panel="Search")
@guarded
def evaluate(
    folder: FolderArgument,
    program: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="In the place of the seed's main file."),
    ] = None,
    split: Annotated[SplitName, typer.Option(help="Which data to use.")] = SplitName.VALIDATION,
    sandbox: SandboxOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate the seed program, or another one, once. Nothing is archived."""
    from metasearch.cli import running

    code = running.evaluate(folder, program, split.value, sandbox, as_json=as_json)
    raise typer.Exit(code)


@app.command("list", rich_help_panel="Results")
@guarded
def list_(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """All campaigns in the archive, newest first."""
    from metasearch.cli import reading

    reading.list_campaigns(archive, as_json=as_json)


@app.command(rich_help_panel="Results")
@guarded
def status(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """Where a campaign stands, running or not."""
    from metasearch.cli import reading

    reading.status(archive, campaign, as_json=as_json)


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
@guarded
def best(
    campaign: CampaignArgument, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """The best candidate of a campaign, and its program."""
    from metasearch.cli import reading

    reading.best(archive, campaign, as_json=as_json)


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Results")
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


@app.command(rich_help_panel="Help")
@guarded
def strategies(as_json: JsonOption = False) -> None:
    """The ways to search, with their papers and options."""
    from metasearch.cli import reading

    reading.strategies(as_json=as_json)


@app.command(rich_help_panel="Help")
@guarded
def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            envvar="METASEARCH_MODEL",
            metavar="NAME",
            help="Ask it one tiny question, too, and tell latency, price and features.",
        ),
    ] = None,
    api_base: Annotated[
        str | None,
        typer.Option("--api-base", metavar="URL", help="Address of the model's server."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What this machine has for running campaigns, and what it lacks."""
    from metasearch.cli import doctor

    raise typer.Exit(doctor.doctor(archive, model, api_base, as_json=as_json))


@archive_app.command()
@guarded
def upgrade(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Bring an archive of an older version of metasearch up to date."""
    from metasearch.archive import Archive, default_path
    from metasearch.cli.console import print_json

    file = archive or default_path()
    before, after = Archive.upgrade(file)
    if as_json:
        print_json({"archive": str(file), "from": before, "to": after})
    elif before == after:
        typer.echo(f"{file} is up to date (schema {after}).")
    else:
        typer.echo(f"Upgraded {file} from schema {before} to {after}.")


@sandbox_app.command()
@guarded
def check(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of a provider.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Open a sandbox of each provider, or of one; say what is missing."""
    from metasearch.cli import sandbox

    raise typer.Exit(sandbox.check(name, as_json=as_json))


@sandbox_app.command()
@guarded
def build(
    name: Annotated[str, typer.Argument(metavar="NAME", help="python, torch, or a Dockerfile.")],
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Build on this one; same as --arg BASE=.")
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For the Dockerfile's ARG lines.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="For the build: 'host' where Docker has no bridge."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build an image that candidates can run in."""
    from metasearch.cli import sandbox

    sandbox.build(name, base, arg or [], network, as_json=as_json)


@sandbox_app.command()
@guarded
def cleanup(as_json: JsonOption = False) -> None:
    """Remove what killed runs of this machine left behind, and images that can be made again."""
    from metasearch.cli import sandbox

    sandbox.cleanup(as_json=as_json)
