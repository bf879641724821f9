"""Agents written to ADAS's published interface, in a real sandbox with a real broker.

With METASEARCH_ADAS set to a JSON file of the published archives (a list of objects with ``name``
and ``code``; the files of one folder if it is a folder), all programs in it run, too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.exchange import Message
from metasearch.testing.model_server import ModelServer
from tests.whole import agent_scripts

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(600)]

CORPUS = "METASEARCH_ADAS"
ARC = Path(__file__).parents[2] / "examples" / "arc_agents"

CAMPAIGN = """
name = "published"
task = "Run published agents."
[objectives]
ran = "maximize"
[evaluator]
harness = ["puzzle.py"]
[models]
default = "openai/test"
api_base = "{url}"
[agent]
calls = 20_000
tokens = 100_000_000
concurrency = 8
[sandbox]
timeout = 300
"""

PROGRAM = '''
import metasearch_adas
from metasearch_agents import Info, answers
from puzzle import Puzzle

EXAMPLES = [{"input": [[1, 2]], "output": [[2, 1]]}]

def run(programs, puzzles):
    """What each program answers to one task."""
    def one(code):
        solve = metasearch_adas.load(code)
        if not puzzles:
            return solve(Info("task", "user", "What is 6 * 7?"))
        puzzle = Puzzle(EXAMPLES, [[3, 4]])
        return solve(puzzle.info, puzzle)
    return answers(one, programs, 4)
'''

EVALUATOR = """
import json
from pathlib import Path

async def evaluate(candidate):
    here = Path(__file__).parent
    found = {}
    for kind in ("questions", "puzzles"):
        programs = json.loads((here / f"{kind}.json").read_text())
        found[kind] = await candidate.call("run", programs, kind == "puzzles") if programs else []
    candidate.feedback(json.dumps(found))
    return {"ran": 1.0}
"""

MIRROR = "def transform(grid):\n    return [row[::-1] for row in grid]\n"


def answer(call: agent_scripts.Asked) -> dict[str, Any]:
    """42 in every field, and code that mirrors in one for code."""
    return {name: MIRROR if "code" in name else "42" for name in call.fields}


def run(tmp_path: Path, questions: Sequence[str], puzzles: Sequence[str]) -> dict[str, Any]:
    """What the programs answered, by kind of task."""
    shutil.copy(ARC / "puzzle.py", tmp_path)
    for name, programs in (("questions", questions), ("puzzles", puzzles)):
        (tmp_path / f"{name}.json").write_text(json.dumps(list(programs)))
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "evaluator.py").write_text(EVALUATOR)

    def model(messages: Sequence[Message]) -> str:
        return agent_scripts.model(answer)(messages)

    with ModelServer(model, record=False) as server:
        (tmp_path / "campaign.toml").write_text(CAMPAIGN.format(url=server.url))
        done = subprocess.run(
            [sys.executable, "-m", "metasearch", "evaluate", str(tmp_path), "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "OPENAI_API_KEY": "sk-test"},
            timeout=590,
        )
    result = json.loads(done.stdout)
    assert result["outcome"] == "scored", result["error"] + done.stderr
    found: dict[str, Any] = json.loads(result["feedback"])
    return found


VOTE = """
def forward(self, taskInfo):
    from collections import Counter
    agents = [LLMAgentBase(["thinking", "answer"], "Voter", temperature=0.8) for _ in range(3)]
    answers = [agent([taskInfo], "Think, then answer.")[1] for agent in agents]
    return max(answers, key=lambda a: Counter(b.content for b in answers)[a.content])
"""

REVISE = """
def forward(self, taskInfo):
    writer = LLMAgentBase(["thinking", "answer"], "Writer")
    critic = LLMAgentBase(["feedback", "correct"], "Critic", role="strict critic")
    known = [taskInfo]
    for n in range(3):
        thinking, answer = writer(known, "Answer.", n)
        feedback, correct = critic([taskInfo, thinking, answer], "Criticise.", n)
        if correct.content == "True":
            return answer
        known.extend([thinking, answer, feedback])
    return answer
"""

TEXT = """
def forward(self, taskInfo):
    (answer,) = LLMAgentBase(["answer"], "Solver").query([taskInfo], "Answer.")
    return "It is " + answer.content
"""

CODE = """
def forward(self, taskInfo):
    coder = LLMAgentBase(["thinking", "code"], "Coder", temperature=0.2)
    thinking, code = coder([taskInfo], "Write transform(grid).", 0)
    feedback, correct, wrong = self.run_examples_and_get_feedback(code)
    assert len(correct) == len(self.examples) and not wrong, feedback.content
    return self.get_test_output_from_code(code)
"""


def test_programs_in_the_published_style_run(tmp_path: Path) -> None:
    found = run(tmp_path, [VOTE, REVISE, TEXT], [CODE])
    assert found == {
        "questions": [
            {"answer": "42", "error": ""},
            {"answer": "42", "error": ""},
            {"answer": "It is 42", "error": ""},
        ],
        "puzzles": [{"answer": "[[4, 3]]", "error": ""}],
    }


def corpus() -> dict[str, list[str]]:
    """The published programs: those that run code on examples, and all others."""
    path = Path(os.environ[CORPUS])
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    codes = [entry["code"] for file in files for entry in json.loads(file.read_text("utf-8"))]
    found: dict[str, list[str]] = {"questions": [], "puzzles": []}
    for code in codes:
        puzzles = "get_test_output_from_code" in code or "run_examples_and_get_feedback" in code
        found["puzzles" if puzzles else "questions"].append(code)
    return found


@pytest.mark.skipif(CORPUS not in os.environ, reason=f"{CORPUS} names no file of published agents")
def test_the_published_programs_run(tmp_path: Path) -> None:
    programs = corpus()
    found = run(tmp_path, programs["questions"], programs["puzzles"])
    for kind, codes in programs.items():
        errors = [each["error"] for each in found[kind] if each["error"]]
        assert len(found[kind]) == len(codes)
        # Some are wrong by themselves: they index what a model did not say, or compare it.
        assert len(errors) <= 0.05 * len(codes), errors
