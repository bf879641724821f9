"""The providers that are attacked. A further one is a further line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from metasearch.errors import MetasearchError
from metasearch.evaluation import Machine
from tests.redteam.ground import Ground, campaign_on

PROVIDERS = {
    "bubblewrap": "bubblewrap",
    "bubblewrap cold": "redteam-cold",
}
"""What it is called here -> its name in campaign.toml."""

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


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROVIDERS)
async def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """A campaign on each provider in turn."""
    installed = tmp_path_factory.mktemp("installed")
    install_cold(installed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        # As on a machine with one core: one worker, which the neighbours share.
        patch.setattr(Machine, "here", lambda: Machine(cores=1, memory=8 * 1024**3))
        try:
            async with campaign_on(
                PROVIDERS[request.param], tmp_path_factory.mktemp("campaign")
            ) as opened:
                yield opened
        except MetasearchError as error:
            pytest.skip(f"{request.param}: {error}")
