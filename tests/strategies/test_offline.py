"""Whole campaigns without a key: real sandboxes, the offline model, an example of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.campaign_file import load_campaign
from metasearch.engine import run_campaign

EXAMPLE = Path(__file__).parents[2] / "examples" / "circle_packing"


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("strategy", "options", "kinds"),
    [
        ("mcts", {"debate_every": 15, "agents": 2, "rounds": 1}, {"selection", "value"}),
        ("darwin_godel", {}, {"selection"}),
    ],
)
async def test_sixty_evaluations_of_circle_packing_get_better_than_the_seed(
    tmp_path: Path, strategy: str, options: dict[str, object], kinds: set[str]
) -> None:
    settings: dict[str, object] = {
        "strategy.name": strategy,
        "models.default": "offline/evolve",
        "budget.evaluations": 60,
        **{f"strategy.options.{key}": value for key, value in options.items()},
    }
    path = tmp_path / "archive.db"
    ending = await run_campaign(load_campaign(EXAMPLE, settings), path)
    assert ending.reason == "evaluations"
    with Archive.open(path, read_only=True) as archive:
        run = archive.campaign("circle_packing")
        assert run.evaluations() == 60
        assert run.best()[0].scores["sum_radii"] > run.candidate(0).scores["sum_radii"]
        assert kinds <= {recorded.fact.kind for recorded in run.all_facts()}
        assert len({parent for c in run.candidates() for parent in c.parents}) > 1
