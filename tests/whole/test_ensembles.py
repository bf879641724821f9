"""A campaign with two models over HTTP: one dear and good, one cheap that seldom helps."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive
from metasearch.exchange import Message
from metasearch.testing.model_server import ModelServer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

PRICES = {"good": 2.0, "poor": 1.0}
"""USD per million tokens, in and out."""

LIKELY = {"good": 0.6, "poor": 0.05}
"""That a reply improves on what it was shown."""

CAMPAIGN = """
name = "pair"
task = "Return a large number."
concurrency = 1
lanes = 2
[objectives]
score = "maximize"
[strategy]
name = "iterative_repair"
options = {{ repairs = 0 }}
[models]
api_base = "{url}"
max_tokens = 200
[models.propose]
models = ["openai/good", "openai/poor"]
choose = "{choose}"
[models.prices]
"openai/good" = {{ input = 2.0, output = 2.0 }}
"openai/poor" = {{ input = 1.0, output = 1.0 }}
[budget]
evaluations = 70
"""

EVALUATOR = """
async def evaluate(candidate):
    return {"score": float(await candidate.call("answer"))}
"""


class TwoModels(ModelServer):
    """Answers as the model that a request names; one request at a time, on one thread."""

    def __init__(self) -> None:
        super().__init__(self._reply)
        self.requests: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self._rng = random.Random(5)
        self._model = ""
        self._turn = threading.Lock()

    def respond(self, key: str, body: bytes) -> Any:
        """See :class:`ModelServer`."""
        with self._turn:
            self._model = json.loads(body)["model"]
            before = self.counts.input_tokens + self.counts.output_tokens
            response = super().respond(key, body)
            self.requests[self._model] += 1
            self.tokens[self._model] += self.counts.input_tokens + self.counts.output_tokens
            self.tokens[self._model] -= before
            return response

    def _reply(self, messages: Sequence[Message]) -> str:
        number = int(re.findall(r"return (-?\d+)", messages[1].content)[0])
        number += 1 if self._rng.random() < LIKELY[self._model] else -1
        mark = self._rng.getrandbits(60)  # no two programs are the same
        return f"```python\ndef answer():\n    return {number}  # {mark}\n```"


def metasearch(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "metasearch", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "k", "COLUMNS": "160"},
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("choose", ["ucb", "thompson"])
def test_a_bandit_spends_on_the_model_that_is_worth_it_and_says_so(
    tmp_path: Path, choose: str
) -> None:
    folder, archive = tmp_path / "pair", tmp_path / "archive.db"
    folder.mkdir()
    (folder / "program.py").write_text("def answer():\n    return 0\n")
    (folder / "evaluator.py").write_text(EVALUATOR)
    with TwoModels() as server:
        (folder / "campaign.toml").write_text(CAMPAIGN.format(url=server.url, choose=choose))
        metasearch("run", folder, "--archive", archive, "--json")

    usd = {name: server.tokens[name] * price / 1e6 for name, price in PRICES.items()}
    assert usd["good"] > 0.7 * sum(usd.values())
    assert server.requests["poor"] > 0

    status = json.loads(metasearch("status", "pair", "--archive", archive, "--json"))
    lines = {line["model"]: line for line in status["ensembles"]}
    assert set(lines) == {"openai/good", "openai/poor"}
    with Archive.open(archive, read_only=True) as opened:
        run = opened.campaign("pair")
        candidates = [c for c in run.candidates() if c.number]
        costs = {cost.name: cost.usage.usd for cost in run.costs("model")}
    asked = Counter(c.model for c in candidates)
    for name in ("good", "poor"):
        line = lines[f"openai/{name}"]
        assert line["role"] == "propose"
        assert line["unit"] == "usd"
        assert line["pulls"] == asked[f"openai/{name}"]
        assert costs[f"openai/{name}"] == pytest.approx(usd[name])
        assert line["usd"] == pytest.approx(usd[name])
        assert line["value"] == pytest.approx(line["improvements"] / line["usd"])
        assert line["value_low"] < line["value"] < line["value_high"]
    assert sum(line["share"] for line in lines.values()) == pytest.approx(1.0)
    assert lines["openai/good"]["value"] > lines["openai/poor"]["value_low"]

    shown = metasearch("status", "pair", "--archive", archive)
    assert re.search(r"propose +openai/good +refine +\d+ +\d+ +\$", shown)
    number = candidates[-1].number
    found = json.loads(metasearch("show", "pair", number, "--archive", archive, "--json"))
    assert (found["model"], found["temperature"]) == (candidates[-1].model, 0.8)
    assert str(candidates[-1].model) in metasearch("show", "pair", number, "--archive", archive)
    exported = metasearch("export", "pair", "--archive", archive, "--format", "csv")
    assert exported.splitlines()[0].endswith("error,model,temperature,memory")
    assert "openai/good,0.8" in exported
