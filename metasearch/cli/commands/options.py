"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PORT = 8484
"""Of the pages, if nobody says otherwise."""

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
