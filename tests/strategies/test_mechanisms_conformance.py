"""The suite of strategies with mechanisms switched on: one of each way in which they take part."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pytest
from pydantic import JsonValue

from metasearch.archive import Archive
from metasearch.campaign import Campaign
from metasearch.exchange import Message
from metasearch.testing.strategy_conformance import StrategyConformance

pytestmark = pytest.mark.slow


class Reflected(StrategyConformance):
    """A model that draws a lesson from each look back."""

    kills = 6
    many = 2_000

    def answer(self, messages: Sequence[Message], seed: int) -> str:
        text = messages[-1].content
        if "# The latest attempts" not in text:
            return super().answer(messages, seed)
        attempts = [int(number) for number in re.findall(r"^- Attempt (\d+), an edit", text, re.M)]
        better = re.findall(r"^# The edit of attempt (\d+)", text, re.M)
        lesson = {
            "text": f"Lesson {seed}: make the numbers of first() larger.",
            "evidence": attempts[:2],
            "replaces": None,
            "repeat": int(better[0]) if better else None,
        }
        return f"```json\n{json.dumps({'lessons': [lesson]})}\n```"

    def test_it_learns_and_shows_what_it_learnt(self, campaign: Campaign, archive: Archive) -> None:
        run = archive.create(campaign)
        models = self.run(campaign, run).models
        learnt = [r.fact for r in run.all_facts() if r.fact.kind == "insight"]
        assert learnt
        shown = [p for p in models.prompts if "# What earlier attempts" in p[-1].content]
        assert shown
        assert any(r.fact.kind == "origin" and r.fact.insights for r in run.all_facts())


CONTROLLER: dict[str, JsonValue] = {
    "temperatures": [0.5, 1.0],
    "probe_size": 3,
    "period": 6,
}
ADVISED: Mapping[str, JsonValue] = {"insights": {"every": 4, "shown": 3}, "budget_line": True}
STEERED: Mapping[str, JsonValue] = {**ADVISED, "controller": CONTROLLER}
CHOOSY: Mapping[str, JsonValue] = {
    **ADVISED,
    "controller": {**CONTROLLER, "acceptances": [-50.0, 0.0]},
}
DEEP: Mapping[str, JsonValue] = {"repairs": {"start": 1.0, "growth": 2.0, "limit": 3.0}}


class TestMapElites(Reflected):
    strategy = "map_elites"
    options = {
        **CHOOSY,
        "islands": 2,
        "features": ["length", "size"],
        "schedule": {"explore": 0.8, "exponent": 2.0},
        "mates": {"meets": 2},
        "mend": True,
    }


class TestIterativeRepair(Reflected):
    strategy = "iterative_repair"
    options = {**CHOOSY, **DEEP}


class TestMetaAgentSearch(Reflected):
    strategy = "meta_agent_search"
    options = {**STEERED, **DEEP}


class TestGuidedEvolution(Reflected):
    strategy = "guided_evolution"
    options = {
        **ADVISED,
        "initial": 6,
        "offspring": 4,
        "elites": 4,
        "exemplars": 2,
        "mates": {"meets": 3},
    }


class TestMcts(Reflected):
    strategy = "mcts"
    options = {**STEERED, **DEEP, "max_expansions": 2, "debate_every": 7, "agents": 2, "rounds": 2}


class TestCoScientist(Reflected):
    strategy = "co_scientist"
    options = {**STEERED, **DEEP, "initial_ideas": 4, "ideas_per_evaluation": 1.5}
    evaluations = 12
