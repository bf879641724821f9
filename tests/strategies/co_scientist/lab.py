"""A scripted laboratory for the co-scientist: a model for all roles, and whole runs with it.

An idea of the laboratory is a number to be added to x, hidden from the strategy. Its judge knows
the number, or does not.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from metasearch.archive import CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.facts import Idea, Match
from metasearch.objectives import Objective
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies.co_scientist import CoScientist
from metasearch.testing.scripted import failed, scored
from tests.engine.kit import engine_of, load

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


F = TypeVar("F")


CHECKED: Mapping[str, Any] = {
    "calibration_items": 8,
    "calibration_calls": 12,
    "ideas_per_evaluation": 1,
}


IDEAS_ONLY: Mapping[str, Any] = {"measures": False, "max_ideas": 16, "feedback_matches": 1000}


class Lab:
    """A model for all roles.

    Attributes:
        prompts: What was asked, as (kind, system message, user message), in order.
    """

    slope = 1.0
    """Of the judge; one of 0 cannot tell."""
    coin = False
    """Whether the judge guesses."""
    first_slot = False
    """Whether the judge always prefers what stands first."""
    repeats = False
    """Whether it has only one idea."""
    junk: tuple[str, ...] = ()
    """Kinds that it answers with garbage."""
    fails: tuple[str, ...] = ()
    """Kinds of review that discard every idea, or those whose text holds such a word."""

    def __init__(self) -> None:
        self.prompts: list[tuple[str, str, str]] = []

    def __call__(self, messages: Sequence[Message]) -> str:
        system, user = messages[0].content, messages[1].content
        kind = kind_of(user)
        self.prompts.append((kind, system, "\n".join(m.content for m in messages[1:])))
        rng = random.Random(f"{len(self.prompts)}{user}")
        if kind in self.junk:
            return "Hm, hard to say."
        answer = getattr(self, kind)(user, rng)
        return answer if isinstance(answer, str) else json.dumps(answer)

    def plan(self, user: str, rng: random.Random) -> object:
        return {"criteria": ["It adds much."], "constraints": ["Only x."], "attributes": []}

    def idea(self, user: str, rng: random.Random) -> object:
        name = " ".join(rng.sample(WORDS, 4)) if not self.repeats else "the same again"
        amount = rng.randint(-9, 9) if not self.repeats else 1
        seen = re.findall(r"score = (-?[\d.]+)", user)
        return {
            "notes": "",
            "title": f"add {name}",
            "claim": f"By {name}: add <{amount}>",
            "mechanism": f"It measured {seen[-1]} before." if seen and not self.repeats else name,
            "expected": "",
            "assumptions": [f"assuming {name}"],
            "predicted": None,
        }

    def initial(self, user: str, rng: random.Random) -> object:
        bad = "initial" in self.fails or any(word in user for word in self.fails)
        return {"review": "Looked at.", "novelty": 3, "verdict": "fail" if bad else "pass"}

    def full(self, user: str, rng: random.Random) -> object:
        return {"review": "Compared.", "verdict": "fail" if "full" in self.fails else "pass"}

    def deep(self, user: str, rng: random.Random) -> object:
        checked = {"claim": "c", "check": "none", "holds": None, "fundamental": True}
        return {"assumptions": [checked], "review": "Taken apart.", "verdict": "pass"}

    def verdict(self, user: str, rng: random.Random) -> dict[str, object]:
        first, second = (int(number) for number in re.findall(r"add <(-?\d+)>", user)[:2])
        share = (
            1 / (1 + math.exp(-self.slope * (first - second))) if not self.coin else rng.random()
        )
        return {"analysis": "Because.", "first_is_better": 1.0 if self.first_slot else share}

    def debate(self, user: str, rng: random.Random) -> object:
        turns = [{"speaker": "Expert", "text": f"Point {number}"} for number in range(3)]
        return {"turns": turns, **self.verdict(user, rng)}

    def turn(self, user: str, rng: random.Random) -> str:
        return f"I speak {len(self.prompts)}."

    def implement(self, user: str, rng: random.Random) -> str:
        now = float(re.findall(r"x = (-?[\d.]+)", user)[0])
        amount = int(re.findall(r"add <(-?\d+)>", user)[0])
        return f"I add it.\n```python\nx = {now + amount + rng.randint(1, 99) / 1000:.3f}\n```\n"

    def feedback(self, user: str, rng: random.Random) -> str:
        return f"LESSON-{sum(kind == 'feedback' for kind, _, _ in self.prompts)}"

    def overview(self, user: str, rng: random.Random) -> str:
        return "# Directions"


def kind_of(user: str) -> str:
    marks = {
        '"criteria"': "plan",
        '"mechanism"': "idea",
        '"turns"': "debate",
        '"first_is_better"': "verdict",
        '"novelty"': "initial",
        '"fundamental"': "deep",
        '"verdict"': "full",
        "You speak for idea": "turn",
        "what everyone should mind": "feedback",
        "Write an overview": "overview",
        "The idea to put into code": "implement",
    }
    return next(kind for mark, kind in marks.items() if mark in user)


def value_of_x(request: EvaluationRequest) -> EvaluationResult:
    try:
        return scored(score=float(request.files["program.py"].partition("=")[2]))
    except ValueError as error:
        return failed(Outcome.CRASHED, f"ValueError: {error}")


@dataclass(frozen=True)
class Told(Generic[F]):
    """A recorded fact of a known kind."""

    number: int
    seq: int
    fact: F


class Run:
    """One campaign that has ended."""

    def __init__(
        self,
        folder: Path,
        run: CampaignArchive,
        lab: Lab,
        *,
        evaluations: int = 20,
        measures: bool = True,
        concurrency: int = 1,
        **options: Any,
    ) -> None:
        campaign = load(folder, concurrency=concurrency, budget__evaluations=evaluations)
        self.strategy = co_scientist(measures=measures, **options)
        self.lab = lab
        self.archive = run
        engine, _, _ = engine_of(
            campaign, run, answer=lab, evaluate=value_of_x, strategy=self.strategy
        )
        with run.hold():
            self.reason = asyncio.run(engine.run())
        self.facts = list(run.all_facts())

    def of(self, kind: type[F]) -> list[Told[F]]:
        return [Told(r.number, r.seq, r.fact) for r in self.facts if isinstance(r.fact, kind)]

    def asked(self, kind: str) -> list[str]:
        return [user for what, _, user in self.lab.prompts if what == kind]

    @property
    def matches(self) -> list[Match]:
        return [r.fact for r in self.facts if isinstance(r.fact, Match)]


def co_scientist(*, measures: bool = True, **options: object) -> CoScientist:
    task = Task(
        description="Make x large.",
        objectives=(Objective(name="score"),) if measures else (),
        seed_program=Program(files={"program.py": "x = 100.0\n"}),
    )
    given: dict[str, object] = {"initial_ideas": 4, "feedback_matches": 12, **options}
    return CoScientist(task, CoScientist.Options.model_validate(given))


def amount(idea: Idea) -> int:
    return int(re.findall(r"<(-?\d+)>", idea.claim)[0])
