"""The providers that are attacked. A further one is a further line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from metasearch.errors import PrerequisiteError
from metasearch.evaluation import Machine
from tests.redteam.catalogue import THEMES
from tests.redteam.ground import Ground, campaign_on


@dataclass(frozen=True)
class Place:
    """A provider under attack."""

    sandbox: str
    """What says so in ``[sandbox]`` of campaign.toml."""
    themes: tuple[str, ...] = tuple(THEMES)
    """What is tried there."""
    spare: int = 0
    """How many descriptors of the provider's own come and go, over all attacks together."""


PLACES = {
    "bubblewrap": Place('provider = "bubblewrap"'),
    # The room is made in another way; what goes on in it is the same.
    "bubblewrap cold": Place(
        'provider = "redteam-cold"', ("snooping", "network", "exhaustion", "files", "kernel")
    ),
    # Its connections to the daemon come and go.
    "docker": Place('provider = "docker"\nimage = "metasearch-test-base"', spare=4),
}

COLD = """
from metasearch.sandboxes.bubblewrap import BubblewrapProvider

class Cold(BubblewrapProvider):
    def __init__(self):
        super().__init__(cold=True)
"""


def install_cold(folder: Path) -> None:
    """A provider of one's own, as an installed package offers it: bubblewrap, always cold."""
    package = folder / "redteam_cold-1.dist-info"
    package.mkdir(parents=True)
    (folder / "redteam_cold.py").write_text(COLD)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: redteam-cold\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[metasearch.sandboxes]\nredteam-cold = redteam_cold:Cold\n"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each attack at each place that it is for, place by place."""
    if "attack" in metafunc.fixturenames:
        tried = [
            pytest.param(place, attack, id=f"{place}: {theme}: {attack.name}")
            for place in PLACES
            for theme in PLACES[place].themes
            for attack in THEMES[theme]
        ]
        metafunc.parametrize(("ground", "attack"), tried, indirect=["ground"], scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """A campaign on each provider in turn."""
    installed = tmp_path_factory.mktemp("installed")
    install_cold(installed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed), prepend=os.pathsep)
        # Not for anybody else's files: these must be as many before as after.
        temporary = str(tmp_path_factory.mktemp("temporary"))
        patch.setenv("TMPDIR", temporary)
        patch.setattr(tempfile, "tempdir", temporary)
        # As on a machine with one core: one worker, which the neighbours share.
        patch.setattr(Machine, "here", lambda: Machine(cores=1, memory=8 * 1024**3))
        try:
            place = PLACES[request.param]
            folder = tmp_path_factory.mktemp("campaign")
            async with campaign_on(place.sandbox, folder, place.spare) as opened:
                yield opened
        except PrerequisiteError as error:
            pytest.skip(f"{request.param}: {error}")
