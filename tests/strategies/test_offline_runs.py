"""Strategies run end to end with offline/evolve: real engine, evaluator and sandbox."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import metasearch
from metasearch.archive import Archive

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

SETTINGS = {
    "meta_agent_search": 'context = "selected"\n',
    "guided_evolution": "initial = 16\noffspring = 8\nelites = 8\nexemplars = 4\n",
    "mcts": "debate_every = 15\nagents = 2\nrounds = 1\n",
    "darwin_godel": "",
}
OPERATORS = {
    "meta_agent_search": {"design", "repair"},
    "guided_evolution": {"create", "mutate", "crossover", "thought"},
    "mcts": {"expand"},
    "darwin_godel": {"self_improve"},
}


@pytest.mark.parametrize("strategy", sorted(SETTINGS))
def test_sixty_evaluations_improve_on_the_seed(tmp_path: Path, strategy: str) -> None:
    folder = tmp_path / "campaign"
    folder.mkdir()
    for part in (ROOT / "examples" / "circle_packing").glob("*.*"):
        text = part.read_text("utf-8")
        if part.name == "campaign.toml":
            text += f'\n[strategy]\nname = "{strategy}"\n[strategy.options]\n{SETTINGS[strategy]}'
        (folder / part.name).write_text(text)
    archive = tmp_path / "archive.db"
    ending = metasearch.run(folder, evaluations=60, concurrency=4, archive=archive)
    assert (ending.reason, ending.report.evaluations) == ("evaluations", 60)
    with Archive.open(archive, read_only=True) as opened:
        run = opened.campaign("circle_packing")
        made = Counter(part for c in run.candidates() for part in c.operator.split(" + "))
        seed = run.candidate(0).scores["sum_radii"]
        assert run.best()[0].scores["sum_radii"] > seed
        assert made.keys() >= OPERATORS[strategy]
        assert sum(c.scored for c in run.candidates()) > 20
