"""One operator of Guided Evolution at a time, on the layout of the paper's network."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message, Usage
from metasearch.objectives import Objective
from metasearch.operators.genome import differing, genes
from metasearch.operators.rewriting import Individual
from metasearch.program import Program
from metasearch.prompts import Prompts
from metasearch.step import Reply, Task
from metasearch.strategies.guided_evolution import GuidedEvolution

NETWORK = ("get_optimizer", "SE", "SE_LN", "DFSEBV2", "FCT", "EVE", "ME", "DW", "Network")
"""The blocks of the paper's seed network, in its order."""


def unit(name: str, size: int) -> str:
    uses = ", ".join(NETWORK[:-1]) if name == "Network" else ""
    return f"class {name}:\n    size = {size}\n    parts = ({uses})\n"


def network(changed: str = "") -> Program:
    """The nine blocks behind their imports, one of them perhaps changed."""
    parts = [
        f"# EVOLVE-BLOCK-START {name}\n{unit(name, int(name == changed))}# EVOLVE-BLOCK-END\n"
        for name in NETWORK
    ]
    return Program(files={"network.py": "import torch\n" + "".join(parts)})


class Desk:
    """One operator at work on given programs, with a scripted model."""

    def __init__(self, answer: Callable[[str], str], *programs: Program) -> None:
        task = Task(
            description="Do it.",
            objectives=(Objective(name="accuracy"),),
            seed_program=programs[0],
        )
        self.programs = programs
        self.answer = answer
        self.asked: list[str] = []
        self.strategy = GuidedEvolution(task, GuidedEvolution.Options())
        self.ctx: Any = SimpleNamespace(
            rng=random.Random(1),
            task=task,
            archive=SimpleNamespace(
                program=lambda candidate: programs[candidate.number], candidate=self.member
            ),
            render=Prompts().render,
            ask=self.ask,
            work_on=lambda parent: None,
        )

    def member(self, number: int) -> Candidate:
        return Candidate(
            number=number,
            step=number,
            outcome=Outcome.SCORED,
            digest=self.programs[number].digest,
            operator="create",
            scores={"accuracy": number / 10},
            seq=number,
        )

    async def ask(self, messages: Sequence[Message], **settings: object) -> Reply:
        self.asked.append(messages[-1].content)
        usage = Usage(input_tokens=1, output_tokens=1)
        return Reply(self.answer(self.asked[-1]), usage, "stop", replayed=False, model="scripted")


@pytest.mark.parametrize("name", NETWORK)
def test_crossover_writes_the_block_that_differs_and_no_other(name: str) -> None:
    seed, other = network(), network(name)
    desk = Desk(lambda prompt: f"Both.\n```python\n{unit(name, 2)}```", seed, other)
    start = Individual(seed, (desk.member(0),))
    child = asyncio.run(desk.strategy.cross(desk.ctx, start, desk.member(1)))
    [(new, _)] = differing(child.program, seed)
    assert (new.name, new.text) == (name, unit(name, 2))
    assert child.program.source.startswith("import torch\n")
    assert [gene.name for gene in genes(child.program)] == list(NETWORK)
    assert [c.number for c in child.parents] == [0, 1]
    assert child.operators == ("crossover",)


def test_crossover_of_equal_programs_asks_nothing() -> None:
    desk = Desk(lambda prompt: "Never asked.", network(), network())
    start = Individual(network(), (desk.member(0),))
    assert asyncio.run(desk.strategy.cross(desk.ctx, start, desk.member(1))) == start
    assert desk.asked == []


def test_an_exemplar_that_equals_the_seed_means_an_ordinary_mutation() -> None:
    def better(prompt: str) -> str:
        [name] = re.findall(r"Current code of the block `(\w+)`", prompt)
        return f"Better.\n```python\n{unit(name, 3)}```"

    def transferred(exemplar: Program) -> tuple[Individual, str]:
        desk = Desk(better, network(), exemplar)
        start = Individual(network(), (desk.member(0),))
        pool = desk.strategy.pool.before(1)
        child = asyncio.run(desk.strategy.transfer(desk.ctx, start, [desk.member(1)], pool))
        [prompt] = desk.asked
        return child, prompt

    child, prompt = transferred(network())
    assert child.operators == ("mutate",)
    assert "## Rules" in prompt
    assert "Name the principle" not in prompt
    child, prompt = transferred(network("EVE"))
    assert child.operators == ("thought",)
    assert child.prompts[0].endswith(": as in EVE")
    assert unit("EVE", 0) in prompt
    assert unit("EVE", 1) in prompt
