"""A model that plays all scientists and knows which idea is how good; asked by HTTP or directly."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from metasearch.exchange import Message
from metasearch.models.offline.prompt import read

WORDS = [
    "amber",
    "basil",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "inlet",
    "jade",
    "knoll",
    "larch",
    "maple",
]


class Scientist:
    """Answers whatever form is asked for. An idea's worth stands in its claim as ``worth <3>``.

    Attributes:
        asked: How often for what: ``idea``, ``initial``, ``deep``, ``observe``, ``review``,
            ``match``, ``plan``, ``prose``.
        prompts: The last message of each call.
    """

    def __init__(self, best: int | None = None, junk: Sequence[str] = ()) -> None:
        """Set up.

        Args:
            best: The so-manieth idea, from 1, is worth 9; all others at most 3.
            junk: What it answers with garbage.
        """
        self.asked: Counter[str] = Counter()
        self.prompts: list[tuple[str, str]] = []
        self._best = best
        self._junk = junk

    def __call__(self, messages: Sequence[Message]) -> str:
        """The reply."""
        asked = [{"role": m.role, "content": m.content} for m in messages]
        schema = read(asked).schema or {}
        kind = _kind(schema.get("properties", {}))
        user = messages[1].content
        self.asked[kind] += 1
        self.prompts.append((kind, user))
        if kind in self._junk:
            return "Hm, hard to say."
        if kind == "prose":
            return f"# Directions\nLook back number {self.asked[kind]}."
        return json.dumps(getattr(self, f"_{kind}")(user, random.Random(f"{self.asked}{user}")))

    def _plan(self, user: str, rng: random.Random) -> object:
        return {"criteria": ["It tells much."], "constraints": [], "attributes": []}

    def _idea(self, user: str, rng: random.Random) -> object:
        best = self.asked["idea"] == self._best
        words = " ".join(rng.sample(WORDS, 4))
        return {
            "notes": "",
            "title": "The known better one" if best else f"About {words}",
            "claim": f"By {words}: worth <{9 if best else rng.randint(-3, 3)}>",
            "mechanism": words,
            "expected": "It shows.",
            "assumptions": [f"assuming {words}"],
        }

    def _initial(self, user: str, rng: random.Random) -> object:
        return {"review": "Looked at.", "novelty": 3, "verdict": "pass"}

    def _deep(self, user: str, rng: random.Random) -> object:
        checked = {"claim": "c", "check": "none", "holds": None, "fundamental": True}
        return {"assumptions": [checked], "review": "Taken apart.", "verdict": "pass"}

    def _observe(self, user: str, rng: random.Random) -> object:
        found = {"observation": "It was seen.", "finding": "missing piece"}
        return {
            "observations": [found],
            "review": "Held against it.",
            "label": "missing piece",
            "verdict": "pass",
        }

    def _review(self, user: str, rng: random.Random) -> object:
        return {"review": "Looked at again.", "verdict": "pass"}

    def _match(self, user: str, rng: random.Random) -> dict[str, object]:
        first, second = (int(number) for number in re.findall(r"worth <(-?\d+)>", user)[:2])
        return {
            "analysis": "The worth decides.",
            "first_is_better": round(1 / (1 + math.exp(second - first)), 3),
        }

    def _debate(self, user: str, rng: random.Random) -> object:
        turns = [{"speaker": "Expert", "text": f"Point {number}"} for number in range(3)]
        return {"turns": turns, **self._match(user, rng)}


def _kind(fields: Mapping[str, Any]) -> str:
    marks = {
        "criteria": "plan",
        "mechanism": "idea",
        "turns": "debate",
        "first_is_better": "match",
        "novelty": "initial",
        "observations": "observe",
        "assumptions": "deep",
        "verdict": "review",
    }
    return next((kind for mark, kind in marks.items() if mark in fields), "prose")
