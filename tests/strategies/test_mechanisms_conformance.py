"""The suite of all strategies, with every mechanism switched on that they share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest
from pydantic import JsonValue

from metasearch.archive import Archive
from metasearch.campaign import Campaign
from metasearch.exchange import Message
from metasearch.testing.strategy_conformance import StrategyConformance

pytestmark = pytest.mark.slow

SHARED: Mapping[str, JsonValue] = {
    "insights": {"every": 4, "shown": 3},
    "budget_line": True,
    "controller": {"temperatures": [0.5, 1.0], "probe_size": 3, "period": 6},
}


class Reflected(StrategyConformance):
    """A model that draws a lesson from each look back."""

    learns: ClassVar[bool] = True

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


class TestMapElites(Reflected):
    strategy = "map_elites"
    options = {
        **SHARED,
        "islands": 2,
        "controller": {**SHARED["controller"], "acceptances": [-50.0, 0.0]},  # type: ignore[dict-item]
    }


class TestIterativeRepair(Reflected):
    strategy = "iterative_repair"
    options = SHARED
