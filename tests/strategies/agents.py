"""A campaign about agents that solve so many of 128 examples, for Meta Agent Search."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.evaluation import EvaluationRequest, statistics
from metasearch.exchange import Message
from metasearch.testing.scripted import failed
from tests.strategies import kit
from tests.strategies.kit import Laboratory

EXAMPLES = 128


def agent(x: object) -> str:
    return f"# An agent.\nx = {x}\n"


def reply(x: object, name: str = "", thought: str = "") -> str:
    return (
        f"## Thought\n{thought or f'Use {x}.'}\n\n## Name\n{name or f'Agent {x}'}\n\n"
        f"## Program\n### File: program.py\n```python\n{agent(x)}```\n"
    )


def by_example(right: int, of: int = EXAMPLES) -> EvaluationResult:
    """So many of the examples solved."""
    scores = [1.0] * right + [0.0] * (of - right)
    estimate = statistics.of_examples(scores, 0)
    score = Score(value=estimate.value, low=estimate.low, high=estimate.high, samples=of)
    stage = StageResult(
        stage="evaluate",
        scores={"accuracy": score},
        passed=True,
        seconds=0.0,
        examples={"accuracy": tuple(scores)},
    )
    return EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))


def measure(request: EvaluationRequest) -> EvaluationResult:
    """``x = N`` solves N of the examples; ``x = "text"`` raises it."""
    value = re.findall(r"x = (\S*)", request.files["program.py"])[0]
    return (
        by_example(int(value))
        if value.isdigit()
        else failed(Outcome.CRASHED, f"ValueError: {value}")
    )


class Script:
    """Replies in turn; then ever new agents."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.new = 10

    def __call__(self, messages: Sequence[Message]) -> str:
        if self.replies:
            return self.replies.pop(0)
        self.new += 1
        return reply(self.new)


def digesting(messages: Sequence[Message]) -> str:
    """A model whose every word depends on all that it was told. Its repairs run."""
    rng = random.Random("\n".join(message.content for message in messages))
    x = f"{rng.randrange(EXAMPLES)}  # {rng.random()}"
    if len(messages) < 8 and rng.random() < 0.3:
        x = f"boom  # {rng.random()}" if rng.random() < 0.5 else f"broken = {rng.random()} ="
    return reply(x) if len(messages) > 7 or rng.random() < 0.9 else "I have no idea."


Open = Callable[..., Laboratory]


def opener(folder: Path, archive: Archive) -> Open:
    """Opens laboratories on one folder, with two hand-designed agents unless told otherwise."""
    files = {"agents/debate.py": agent(83), "agents/vote.py": agent(101)}
    kit.write_campaign(folder, agent(39), 'accuracy = "maximize"', files)

    def open_(
        answer: kit.Answer, evaluations: int, *, concurrency: int = 1, **options: Any
    ) -> Laboratory:
        options.setdefault("seeds", ["agents/debate.py", "agents/vote.py"])
        campaign = kit.load(
            folder,
            "meta_agent_search",
            options,
            concurrency=concurrency,
            budget__evaluations=evaluations,
        )
        return Laboratory(campaign, archive, answer, measure)

    return open_


def go(laboratory: Laboratory) -> CampaignArchive:
    run = laboratory.start()
    laboratory.run(run)
    return run
