"""The examples whose candidates are agents: real engine, sandbox and HTTP, a scripted model."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive
from metasearch.candidate import Candidate
from metasearch.testing.model_server import ModelServer
from tests.whole import agent_scripts
from tests.whole.agent_scripts import Asked

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2] / "examples"
FOLDERS = ("METASEARCH_MGSM", "METASEARCH_ARC")


def metasearch(*words: object, code: int = 0, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in FOLDERS}
    done = subprocess.run(
        [sys.executable, "-m", "metasearch", *map(str, words)],
        capture_output=True,
        text=True,
        env={**clean, "OPENAI_API_KEY": "sk-test", **environment},
        timeout=390,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


Copy = Callable[..., Path]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """An example's folder with another model, and changes to its campaign file."""

    def make(example: str, url: str, changes: dict[str, str] | None = None) -> Path:
        folder = tmp_path / example
        shutil.copytree(ROOT / example, folder, ignore=shutil.ignore_patterns("__pycache__"))
        file = folder / "campaign.toml"
        text = file.read_text()
        models = f'[models]\ndefault = "openai/test"\napi_base = "{url}"\n'
        prices = '[models.prices."openai/test"]\ninput = 1.0\noutput = 2.0\n\n[budget]'
        for old, new in {"[models]\n": models, "[budget]": prices, **(changes or {})}.items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        return folder

    return make


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], Any]]:
    """Imports the module with the tasks of a folder."""
    for name in FOLDERS:
        monkeypatch.delenv(name, raising=False)

    def make(folder: Path, module: str) -> Any:
        monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module(module)

    yield make
    for name in ("problems", "puzzles"):
        sys.modules.pop(name, None)


def by_name(folder: Path, file: Path) -> dict[str, Candidate]:
    """The scored candidates by the names that seeds and proposals have."""
    with Archive.open(file, read_only=True) as archive:
        found = list(archive.campaign(folder.name).candidates())
    return {c.name or c.operator: c for c in found if c.scored}


def shorten(file: Path, old: str, new: str) -> None:
    """Fewer tasks, for the time that it takes."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def check_bill(folder: Path, archive: Path, server: ModelServer) -> list[dict[str, Any]]:
    """The bill by candidate is the server's, to the token."""
    bill = json.loads(
        metasearch("cost", folder.name, "--by", "candidate", "--json", "--archive", archive)
    )
    rows: list[dict[str, Any]] = bill["by_candidate"]
    counts = server.counts
    assert sum(row["calls"] for row in rows) == counts.answered
    assert sum(row["input_tokens"] for row in rows) == counts.input_tokens
    assert sum(row["output_tokens"] for row in rows) == counts.output_tokens
    usd = (counts.input_tokens + 2 * counts.output_tokens) / 1e6
    assert sum(row["usd"] for row in rows) == pytest.approx(usd)
    return rows


POLYGLOT = """
from metasearch_agents import INTEGER, Agent, Field, Info

def solve(task: Info) -> Info:
    solver = Agent(["thinking", Field("answer", "a number", INTEGER)], "solver", "a polyglot")
    thinking, answer = solver([task], "Solve it.")
    return answer
"""


def test_mgsm_seeds_score_what_the_script_implies_and_adas_improves_on_them(
    copy: Copy, data: Callable[[Path, str], Any], tmp_path: Path
) -> None:
    known = {"a helpful assistant": {"en"}, "a professor of mathematics": {"en", "de"}}
    known |= {"a primary school teacher": {"en", "es"}, "a polyglot": {"en", "de", "es", "fr"}}
    by_text: dict[str, Any] = {}

    def answer(call: Asked) -> dict[str, Any]:
        problem = by_text[call.task]
        given = call.contents("answer")
        languages = set(known.get(call.role, {"en"}))
        if call.contents("principles"):
            languages.add("fr")
        if call.contents("criticism"):
            languages.add("de")
        if "another one" in call.instruction:
            languages.add("es")
        judged = "Weigh all" in call.instruction and str(problem.answer) in given
        right = judged or problem.language in languages
        good = str(problem.answer) in given
        return {
            "answer": problem.answer if right else problem.answer + 1,
            "verdict": "right" if good else "wrong",
            "expert": "teacher",
            "principles": "addition",
        }

    def share(split: str, *languages: str) -> float:
        found = [p.language in languages for p in problems.problems(split)]
        return sum(found) / len(found)

    file = tmp_path / "archive.db"
    with ModelServer(agent_scripts.model(answer, POLYGLOT)) as server:
        changes = {
            "evaluations = 20": "evaluations = 8",
            "concurrency = 8\n\n": "concurrency = 4\n\n",
        }
        folder = copy("mgsm_agents", server.url, changes)
        shorten(
            folder / "problems.py", '"validation": 32, "test": 64', '"validation": 16, "test": 8'
        )
        problems = data(folder, "problems")
        by_text |= {p.text: p for s in ("validation", "test") for p in problems.problems(s)}
        said = metasearch("run", folder, "--archive", file, "--json")
        finished = json.loads(said.splitlines()[-1])
        rows = check_bill(folder, file, server)
    found = by_name(folder, file)
    scores = {name: c.scores["accuracy"] for name, c in found.items()}
    assert scores == {
        "seed": share("validation", "en"),
        "self_consistency": share("validation", "en"),
        "self_refine": share("validation", "en", "de"),
        "debate": share("validation", "en", "de", "es"),
        "step_back": share("validation", "en", "fr"),
        "quality_diversity": share("validation", "en", "es"),
        "role_assignment": share("validation", "en", "es"),
        "Polyglot": 1.0,
    }
    assert max(score for name, score in scores.items() if name != "Polyglot") < 1.0
    best = found["Polyglot"]
    assert finished["best"]["candidate"] == best.number
    # One call for each problem, on validation and then on test; and three to design it.
    calls = {row["name"]: row["calls"] for row in rows}
    assert calls["#0"] == 16
    assert calls[f"#{found['self_consistency'].number}"] == 5 * 16
    assert calls[f"#{found['debate'].number}"] == 7 * 16
    assert calls[f"#{best.number}"] == 16 + 8 + 3


MENDER = """
from metasearch_agents import Agent, Info
from puzzle import Puzzle

def solve(puzzle: Puzzle) -> Info:
    author = Agent(["thinking", "code"], "author", "a master of puzzles")
    return puzzle.test_output(author([puzzle.info], "Write transform(grid).")[1])
"""

CODE = {
    "flip": "grid[::-1]",
    "mirror": "[row[::-1] for row in grid]",
    "transpose": "[list(column) for column in zip(*grid)]",
    "turn": "[row[::-1] for row in grid[::-1]]",
    "double": "[row + row for row in grid]",
    "fall": "[[0] * len(grid[0])] + grid[:-1]",
}


def test_arc_seeds_score_what_the_script_implies_and_adas_improves_on_them(
    copy: Copy, data: Callable[[Path, str], Any], tmp_path: Path
) -> None:
    rule_of: dict[str, str] = {}

    def answer(call: Asked) -> dict[str, Any]:
        shown = call.task.partition("Test input:\n")[2]
        rule = rule_of[json.dumps(json.loads(shown))]
        known = {"flip", "mirror"}
        if call.contents("feedback"):
            known.add("transpose")
        if "quite another" in call.instruction:
            known.add("fall")
        if call.role == "a programmer who tests every idea":
            known.add("turn")
        if call.role == "a master of puzzles":
            known |= {"transpose", "turn", "double", "fall"}
        if "Of all that" in call.instruction:
            tried = zip(call.contents("code"), call.contents("feedback"), strict=True)
            right = [code for code, said in tried if "wrong" not in said]
            if right:
                return {"code": right[0]}
        made = CODE[rule] if rule in known else "grid"
        return {"code": f"def transform(grid):\n    return {made}\n"}

    file = tmp_path / "archive.db"
    with ModelServer(agent_scripts.model(answer, MENDER)) as server:
        changes = {"evaluations = 15": "evaluations = 6", "repeats = 5": "repeats = 2"}
        folder = copy("arc_agents", server.url, changes)
        shorten(folder / "puzzles.py", '"test": 16', '"test": 8')
        puzzles = data(folder, "puzzles")
        for split in ("validation", "test"):
            for rule, question in zip(sorted(puzzles.RULES), puzzles.questions(split), strict=True):
                rule_of[json.dumps(question.test_input)] = rule
        metasearch("run", folder, "--archive", file, "--json")
        rows = check_bill(folder, file, server)
    found = by_name(folder, file)
    scores = {name: c.scores["accuracy"] for name, c in found.items()}
    assert scores == {
        "seed": 2 / 8,  # flip, mirror
        "self_refine": 3 / 8,  # and transpose
        "debate": 4 / 8,  # and turn
        "self_consistency": 3 / 8,
        "quality_diversity": 4 / 8,  # transpose, and fall
        "Polyglot": 6 / 8,
    }
    calls = {row["name"]: row["calls"] for row in rows}
    assert calls["#0"] == 2 * 8
    assert calls[f"#{found['Polyglot'].number}"] == 2 * 8 + 2 * 8 + 3


# -- candidates that lie ---------------------------------------------------------------------


def evaluated(folder: Path, program: str, **environment: str) -> dict[str, Any]:
    (folder / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "metasearch", "evaluate", str(folder), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "sk-test", **environment},
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


HUNTER = '''
import gc, os
from metasearch_agents import Info

MARK = "the-{}-label"

def solve(task):
    """Everything that this process can read, searched for the label."""
    mark = MARK.format("secret")
    found = [name for name in os.environ if name.startswith("METASEARCH_")]
    for top in ("/",):
        for folder, inner, names in os.walk(top):
            inner[:] = [name for name in inner if name not in ("proc", "sys", "usr", "lib")]
            found += [name for name in names if name.endswith(".tsv")]
            found += [name for name in names if name in ("problems.py", "evaluator.py")]
    found += [thing for thing in gc.get_objects() if isinstance(thing, dict) and "answer" in thing
              and thing.get("language")]
    return Info("answer", "hunter", "; ".join(map(str, found))[:300] or "nothing")
'''


def test_a_program_that_looks_for_the_labels_finds_none(copy: Copy, tmp_path: Path) -> None:
    mgsm = tmp_path / "mgsm"
    mgsm.mkdir()
    lines = [f"Problem {n}?\t{n}" for n in range(1000)]
    (mgsm / "mgsm_en.tsv").write_text("\n".join(lines) + "\n")
    with ModelServer("{}") as server:
        folder = copy("mgsm_agents", server.url)
        done = evaluated(folder, HUNTER, METASEARCH_MGSM=str(mgsm))
        assert done["outcome"] == "scored"
        assert done["feedback"].count("'nothing'") == 2
        assert done["scores"]["accuracy"] == 0.0
        assert server.counts.received == 0


FORGERS = {
    "answers that are true": "def solve(task): return True",
    "all numbers at once": "def solve(task): return list(range(100))",
    "equal to anything": """
class Any(int):
    def __eq__(self, other): return True
def solve(task): return Any(7)
""",
    "a harness that says it is right": """
import sys
def solve(task):
    import harness, metasearch_agents
    metasearch_agents.answers.__code__ = (lambda solve, tasks, at_once=1: [
        {"answer": True, "error": "", "accuracy": 1.0, "score": 1.0} for _ in tasks]).__code__
    return "7 or so"
""",
    "a frame of scores": """
import os
def solve(task):
    os.write(4, b'{"call": 0, "value": {"accuracy": 1.0}}')
    return 0.5
""",
}


@pytest.mark.parametrize("name", FORGERS)
def test_forged_answers_gain_nothing(copy: Copy, name: str) -> None:
    with ModelServer("{}") as server:
        folder = copy("mgsm_agents", server.url, {"timeout = 60": "timeout = 20"})
        done = evaluated(folder, FORGERS[name])
    if name == "equal to anything":
        # Only the number itself crosses: it is 7 where 7 is right.
        assert done["outcome"] == "scored"
        assert done["scores"]["accuracy"] < 0.2
        return
    scores = done["scores"]
    assert done["outcome"] != "scored" or scores["accuracy"] == 0.0


GREEDY = """
from metasearch_agents import BudgetExceeded, Agent

def solve(task):
    agent = Agent(["answer"], "solver")
    said = []
    while True:
        (answer,) = agent([task, *said], "Answer.")
        if isinstance(answer.failure, BudgetExceeded):
            return said[-1] if said else answer
        said = [answer]
"""


def test_a_cap_ends_what_an_agent_asks(copy: Copy) -> None:
    with ModelServer('{"answer": 1}') as server:
        folder = copy("mgsm_agents", server.url, {"calls = 12_000": "calls = 25"})
        done = evaluated(folder, GREEDY)
        assert done["outcome"] == "scored", done
        assert server.counts.received == 25
    assert "all 25 calls of this evaluation are used up" in done["feedback"]


def test_one_that_does_not_heed_its_cap_is_ended(copy: Copy) -> None:
    deaf = GREEDY.replace("if isinstance(answer.failure, BudgetExceeded):", "if False:")
    with ModelServer('{"answer": 1}') as server:
        folder = copy("mgsm_agents", server.url, {"calls = 12_000": "calls = 25"})
        done = evaluated(folder, deaf)
        assert server.counts.received == 25
    assert done["outcome"] == "invalid"
    assert "refused" in done["error"]
