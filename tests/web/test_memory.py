"""The server's memory, when many campaigns are looked at one after the other."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive
from tests.web.kit import Serve, add_run, settle_one

pytestmark = pytest.mark.slow

MANY = 100
WARM = 40
"""More campaigns than any store keeps."""

PAGES = ("", "/now", "/grid", "/operators", "/health", "/tournament", "/0")
DATA = ("/points?columns=at&columns=usd", "/costs", "/lineage", "/ideas")


def look_at(client: httpx.Client, run: str) -> None:
    """Open those pages of a campaign that keep something, and the data that they draw."""
    for page in PAGES:
        assert client.get(f"/c/{run}{page}").is_success, page
    for data in DATA:
        assert client.get(f"/api/campaigns/{run}{data}").is_success, data


def alive() -> Counter[str]:
    """Our own objects in this process, the server's among them, by type."""
    gc.collect()
    kinds = (type(found) for found in gc.get_objects())
    return Counter(
        kind.__name__ for kind in kinds if str(kind.__module__).startswith("metasearch.")
    )


@pytest.mark.timeout(300)
def test_campaigns_that_are_looked_at_in_turn_do_not_pile_up(tmp_path: Path, serve: Serve) -> None:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        runs = []
        for number in range(MANY):
            run = add_run(archive, f"run{number}", strategy={"name": "map_elites"})
            settle_one(run, 0)
            settle_one(run, 1)
            runs.append(run.id)
    with serve(tmp_path / "archive.db") as client:
        for name in runs[:WARM]:
            look_at(client, name)
        before = alive()
        for name in runs[WARM:]:
            look_at(client, name)
        more = {kind: n - before[kind] for kind, n in alive().items() if n - before[kind] > 10}
    assert more == {}, f"after {MANY - WARM} further campaigns"
