"""Guided Evolution does what the paper says: selection, operators, rates, prompts, failures."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Candidate, EvaluationResult, Outcome
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message, Usage
from metasearch.objectives import Direction, Objective
from metasearch.operators.genome import differing, genes
from metasearch.operators.pareto import crowding, nsga2, ranks, spea2, tournament_dcd
from metasearch.program import Program
from metasearch.prompts import Prompts
from metasearch.step import Reply, Task
from metasearch.strategies.guided_evolution import (
    DIRECTIONS,
    PERSONAS,
    GuidedEvolution,
    Individual,
)
from metasearch.testing.scripted import failed, scored
from tests.strategies import kit
from tests.strategies.kit import Laboratory

BLOCKS = ("get_optimizer", "fct", "eve", "network")


def block(name: str, value: object) -> str:
    inside = ", ".join(f"{other}()" for other in BLOCKS[:-1]) if name == "network" else ""
    return f"def {name}():\n    return {{'params': {value!r}, 'of': [{inside}]}}\n"


def program(**values: object) -> str:
    parts = [
        f"# EVOLVE-BLOCK-START {n}\n{block(n, values.get(n, 0))}# EVOLVE-BLOCK-END\n"
        for n in BLOCKS
    ]
    return "import math\n" + "".join(parts) + "result = network()\n"


def values(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"'params': ([-\d.]+)", text)]


def measure(request: EvaluationRequest) -> EvaluationResult:
    """The larger the numbers the better; their spread is what it costs. Minus crashes."""
    found = values(request.files["program.py"])
    if min(found) < 0:
        return failed(Outcome.CRASHED, "ValueError: negative")
    result = scored(accuracy=sum(found), parameters=max(found) - min(found))
    return result.model_copy(update={"feedback": f"The sum is {sum(found):g}."})


def asked(messages: Sequence[Message]) -> str:
    """The block that a prompt is about."""
    return str(re.findall(r"Current code of the block `(\w+)`", messages[1].content)[0])


class Model:
    """Gives the block that is asked for ever new values; answers the rest as it is told."""

    def __init__(self, share_of_failures: float = 0.0) -> None:
        self.failures = share_of_failures

    def __call__(self, messages: Sequence[Message]) -> str:
        rng = random.Random("\n".join(m.content for m in messages))
        if len(messages) == 1:
            return f"```\nPlease, once more and better ({rng.random():.6f}).\n```"
        if rng.random() < self.failures:
            return rng.choice(["I will not.", "```python\ndef (:\n```", "```python\nx = 1\n```"])
        low = -1 if rng.random() < self.failures else 1
        return f"Better.\n```python\n{block(asked(messages), round(rng.uniform(low, 9), 6))}```"


Open = Callable[..., Laboratory]


@pytest.fixture
def open_(tmp_path: Path, archive: Archive) -> Open:
    def open_(
        evaluations: int, answer: kit.Answer | None = None, concurrency: int = 1, **options: Any
    ) -> Laboratory:
        kit.write_campaign(tmp_path, program(), 'accuracy = "maximize"\nparameters = "minimize"')
        small = {"initial": 10, "offspring": 8, "elites": 6, "exemplars": 3, **options}
        campaign = kit.load(
            tmp_path,
            "guided_evolution",
            small,
            concurrency=concurrency,
            budget__evaluations=evaluations,
        )
        return Laboratory(campaign, archive, answer or Model(), measure)

    return open_


def go(laboratory: Laboratory) -> CampaignArchive:
    run = laboratory.start()
    laboratory.run(run)
    return run


def texts(laboratory: Laboratory, word: str) -> list[str]:
    return [p[1].content for p in laboratory.prompts if len(p) > 1 and word in p[1].content]


def test_creation_mutates_the_seed_and_uses_no_evolution_of_thought(open_: Open) -> None:
    laboratory = open_(11)
    run = go(laboratory)
    created = [c for c in run.candidates() if 0 < c.step < 11 and c.scored]
    assert {c.operator for c in created} == {"create"}
    assert {c.parents for c in created} == {(0,)}
    assert len(created) > 5
    for messages in laboratory.prompts[:10]:
        assert [m.role for m in messages] == ["system", "user"]
        assert "Answer format: the block alone" in messages[1].content
        assert (
            "What the evaluator said about the current program:\nThe sum is 0."
            in messages[1].content
        )
    seed = Program(files={"program.py": program()})
    for candidate in created:
        [(new, _)] = differing(run.program(candidate), seed)
        assert candidate.name.startswith(f"{new.name}: ")


def test_a_generation_is_made_from_the_one_before_by_all_operators(open_: Open) -> None:
    laboratory = open_(120)
    run = go(laboratory)
    seen = Counter(part for c in run.candidates() for part in c.operator.split(" + "))
    assert set(seen) == {"seed", "create", "mutate", "crossover", "thought"}
    for candidate in run.candidates():
        generation = (candidate.step - 11) // 8
        if candidate.step > 10:
            newest = max(run.candidate(parent).step for parent in candidate.parents)
            assert newest < 11 + 8 * generation, "parents are of generations that have ended"
        if 10 < candidate.step < 19:
            assert "thought" not in candidate.operator, "never in generation 0"
    assert run.best()[0].scores["accuracy"] > 20


def test_crossover_changes_one_block_of_the_first_parent_only(open_: Open) -> None:
    run = go(open_(120, mutation=0.0, crossover=1.0))
    crossed = [c for c in run.candidates() if c.operator == "crossover"]
    assert len(crossed) > 20
    for child in crossed:
        parent, mate = (run.program(run.candidate(n)) for n in child.parents)
        [(new, _)] = differing(run.program(child), parent)
        assert new.name == child.name
        assert new.name in [mine.name for mine, _ in differing(parent, mate)]
        assert run.program(child).source.startswith("import math\n")
        assert [gene.name for gene in genes(run.program(child))] == list(BLOCKS)
        assert child.number not in child.parents


NINE = ("get_optimizer", "SE", "SE_LN", "DFSEBV2", "FCT", "EVE", "ME", "DW", "ExquisiteNetV2")
"""The blocks of the paper's seed network, in its order."""


def network(**changed: str) -> Program:
    """In the layout of the paper's seed: imports, then nine blocks that define a name each."""
    blocks = [
        f"# EVOLVE-BLOCK-START {n}\nclass {n}:\n    {changed.get(n, 'pass')}\n# EVOLVE-BLOCK-END\n"
        for n in NINE
    ]
    return Program(files={"network.py": "import torch\n" + "".join(blocks)})


@pytest.mark.parametrize("name", NINE)
async def test_whichever_block_two_parents_differ_in_crossover_changes_that_one(name: str) -> None:
    """The release writes the merged block into the place before it."""
    x, y = (c.model_copy(update={"digest": str(c.number)}) for c in members()[:2])
    programs = {x.number: network(), y.number: network(**{name: "theirs = 1"})}

    async def ask(messages: Sequence[Message], **_: object) -> Reply:
        assert "theirs = 1" in messages[-1].content
        merged = f"```python\nclass {name}:\n    merged = 2\n```"
        return Reply(merged, Usage(), "stop", replayed=False, model="scripted")

    found = strategy()
    ctx: Any = SimpleNamespace(
        rng=random.Random(0),
        task=found.task,
        render=Prompts().render,
        ask=ask,
        archive=SimpleNamespace(program=lambda candidate: programs[candidate.number]),
    )
    child = await found.cross(ctx, Individual(programs[x.number], (x,)), y)
    assert child.program == network(**{name: "merged = 2"})
    assert (child.operators, child.parents) == (("crossover",), (x, y))
    same = await found.cross(ctx, Individual(programs[x.number], (x,)), x)
    assert same == Individual(programs[x.number], (x,)), "none differs: nothing is merged"


def test_a_crossover_prompt_shows_the_block_of_both_parents(open_: Open) -> None:
    laboratory = open_(60, mutation=0.0, crossover=1.0)
    run = go(laboratory)
    prompts = texts(laboratory, "Two programs for this task differ in the block")
    assert prompts
    for prompt in prompts:
        name = re.findall(r"differ in the block `(\w+)`", prompt)[0]
        mine, theirs = values(prompt.split("## Current")[1]), values(prompt.split("## Current")[0])
        assert mine != theirs
        assert prompt.count(f"def {name}()") == 2
    assert len({re.findall(r"Merge the .*", prompt)[0] for prompt in prompts}) == 2
    assert run.evaluations() == 60


def test_evolution_of_thought_contrasts_an_exemplar_with_the_seed(open_: Open) -> None:
    laboratory = open_(120, evolution_of_thought=1.0)
    go(laboratory)
    prompts = texts(laboratory, "why this change made the program better")
    assert len(prompts) > 20
    for prompt in prompts:
        before, after, target = (
            prompt.split("## The block")[1],
            *prompt.split("## The block")[2].split("## Your task"),
        )
        assert values(before) == [0.0], "the seed's block"
        assert values(after) != [0.0], "what differs from it"
        assert "accuracy" not in prompt, "no scores are shown"
        assert "Current code of the block" in target
        assert "## Rules" not in prompt
    shown = [
        prompt for prompt in prompts if prompt.count("get_optimizer():\n    return {'params':") > 1
    ]
    assert shown, "braces in code do not break the prompt"


def test_an_exemplar_that_equals_the_seed_means_an_ordinary_mutation(open_: Open) -> None:
    laboratory = open_(30, answer=lambda messages: "I will not.", evolution_of_thought=1.0)
    run = laboratory.start()
    with pytest.raises(Exception, match="gave no program"):
        laboratory.run(run)
    assert not texts(laboratory, "why this change made the program better")


def strategy(**options: Any) -> GuidedEvolution:
    task = Task(
        description="Do it.",
        objectives=(
            Objective(name="accuracy"),
            Objective(name="parameters", direction=Direction.MINIMIZE),
        ),
        seed_program=Program(files={"program.py": program()}),
    )
    return GuidedEvolution(task, GuidedEvolution.Options(**options))


def test_the_defaults_are_the_papers() -> None:
    options = GuidedEvolution.Options()
    assert (options.initial, options.offspring, options.elites) == (144, 44, 44)
    assert (options.exemplars, options.hall_of_fame, options.rephrased) == (10, 100, 5)
    assert (options.crossover, options.mutation, options.evolution_of_thought) == (0.35, 0.8, 0.25)
    assert options.create_temperature == (0.05, 0.40)
    assert options.mutate_temperature == (0.02, 0.35)
    assert options.crossover_temperature == (0.05, 0.10)
    with pytest.raises(ValueError, match="low <= high"):
        GuidedEvolution.Options(mutate_temperature=(0.4, 0.1))


def test_the_pool_has_24_prompts_that_are_drawn_alike() -> None:
    rng = random.Random(1)
    drawn = Counter(strategy().pair(rng) for _ in range(24_000))
    assert len(drawn) == len(DIRECTIONS) * len(PERSONAS) == 24
    assert 850 < min(drawn.values()) <= max(drawn.values()) < 1150


POINTS = {
    "A": (0.9252, 0.518), "B": (0.9334, 0.518), "C": (0.9316, 0.295), "D": (0.8883, 0.119),
    "E": (0.8745, 0.039), "F": (0.91, 0.4), "G": (0.88, 0.3), "H": (0.90, 0.119),
}  # fmt: skip
"""Accuracy and millions of parameters of networks; the values below follow from them."""


def members() -> list[Candidate]:
    return [
        Candidate(
            number=number,
            step=number,
            outcome=Outcome.SCORED,
            digest="0",
            operator="create",
            scores={"accuracy": accuracy, "parameters": parameters},
            name=name,
            seq=number,
        )
        for number, (name, (accuracy, parameters)) in enumerate(POINTS.items())
    ]


def names(found: Sequence[Candidate]) -> str:
    return "".join(sorted(c.name for c in found))


def test_selection_finds_the_papers_fixed_points() -> None:
    gains = [(a, -p) for a, p in POINTS.values()]
    letters = list(POINTS)
    fronts = [{n for n, r in zip(letters, ranks(gains), strict=True) if r == k} for k in range(3)]
    assert fronts == [set("BCEH"), set("AFD"), set("G")]
    room = dict(zip("BCEH", crowding([gains[letters.index(n)] for n in "BCEH"]), strict=True))
    assert room["C"] == pytest.approx(1.40005, abs=1e-5)
    assert room["H"] == pytest.approx(1.50389, abs=1e-5)
    assert {letters[i] for i in nsga2(gains, 5)} == set("BCEHA")
    for count, kept in ((3, "BCE"), (4, "BCEH"), (5, "BCDEH"), (6, "BCDEFH"), (44, "ABCDEFGH")):
        assert names(strategy().select(members(), count)) == kept
        assert len(spea2(gains, count)) == min(count, 8)
    assert len(tournament_dcd(gains[:7], 8, random.Random(0))) == 8
    assert len(tournament_dcd(gains, 6, random.Random(0))) == 6


def test_the_hall_of_fame_is_lexicographic_and_the_front_is_a_front() -> None:
    found = strategy()
    for member in members():
        found.observe(member)
    assert "".join(c.name for c in found.hall_of_fame) == "BCAFHDGE"
    assert names(found.front) == "BCEH"
    small = strategy(hall_of_fame=3)
    for member in members():
        small.observe(member)
    assert "".join(c.name for c in small.hall_of_fame) == "BCA"


def test_plans_pair_both_ways_at_the_papers_rate_for_any_number_of_parents() -> None:
    found = strategy(offspring=44)
    crossed = 0
    for seed in range(500):
        plans = found.breed(members()[: 1 + seed % 8], random.Random(seed))
        assert len(plans) == 44
        for a, b in zip(plans[::2], plans[1::2], strict=True):
            assert (a.mate is None) == (b.mate is None)
            if a.mate is not None:
                assert (a.mate, b.mate) == (b.parent, a.parent)
            crossed += a.mate is not None
    assert crossed / (500 * 22) == pytest.approx(0.35, abs=0.02)


def test_offspring_that_nothing_changed_are_their_parents_and_failed_ones_are_gone() -> None:
    found = strategy(offspring=8, elites=2)
    population = members()
    plans = found.breed(population, random.Random(7))
    first = found.first_step(0)
    crashed = Candidate(
        number=90, step=first, outcome=Outcome.CRASHED, digest="1", operator="mutate", seq=90
    )
    refused = crashed.model_copy(
        update={"number": 91, "step": first + 1, "outcome": Outcome.REJECTED, "digest": None}
    )
    child = members()[0].model_copy(update={"number": 92, "step": first + 2, "name": "child"})
    survivors = found.survive(population, [crashed, refused, child], 0, random.Random(7))
    numbers = [c.number for c in survivors]
    assert len(numbers) == len(set(numbers))
    assert 92 in numbers
    assert not {90, 91} & set(numbers)
    assert plans[1].parent.number in numbers
    elites = [c.number for c in found.select(population, 2)]
    assert set(numbers) == {
        92,
        *elites,
        plans[1].parent.number,
        *(p.parent.number for p in plans[3:]),
    }


@pytest.mark.slow
def test_evolution_of_thought_keeps_to_the_papers_rate(open_: Open) -> None:
    laboratory = open_(700, offspring=40, elites=20, crossover=0.0, mutation=1.0, rephrased=0)
    sizes = iter(range(10_000, 0, -1))  # later ones are smaller, so the seed is no exemplar

    def ever_better(request: EvaluationRequest) -> EvaluationResult:
        return scored(accuracy=float(request.number), parameters=float(next(sizes)))

    laboratory.measure = ever_better
    run = go(laboratory)
    kinds = Counter(c.operator for c in run.candidates() if c.step > 90)
    assert kinds["thought"] / kinds.total() == pytest.approx(0.25, abs=0.05)
    assert kinds["thought"] + kinds["mutate"] == kinds.total()


def test_temperatures_are_drawn_from_the_papers_ranges(open_: Open) -> None:
    laboratory = open_(150)
    warmth: dict[str, list[float]] = {"create": [], "mutate": [], "merge": [], "rephrase": []}
    run = laboratory.start()
    ranges = {
        "create": (0.05, 0.4),
        "mutate": (0.02, 0.35),
        "merge": (0.05, 0.1),
        "rephrase": (0.01, 0.4),
    }
    laboratory.run(run)
    for (step, _), messages, temperature in zip(
        laboratory.bought, laboratory.prompts, laboratory.temperatures, strict=True
    ):
        assert temperature is not None
        kind = "create" if step < 11 else "mutate"
        if len(messages) == 1:
            kind = "rephrase"
        elif "Two programs for this task differ" in messages[1].content:
            kind = "merge"
        warmth[kind].append(temperature)
    for kind, (low, high) in ranges.items():
        assert low <= min(warmth[kind]) < max(warmth[kind]) <= high
        assert max(warmth[kind]) - min(warmth[kind]) > 0.4 * (high - low)


def test_a_failed_operation_leaves_the_parent_and_is_archived(open_: Open) -> None:
    laboratory = open_(80, answer=Model(share_of_failures=0.4), repairs=0)
    run = go(laboratory)
    rejected = [c for c in run.candidates() if c.outcome is Outcome.REJECTED and c.digest is None]
    assert len(rejected) > 10
    assert all(c.error and c.name for c in rejected)
    crashed = {c.number for c in run.candidates() if c.outcome is Outcome.CRASHED}
    assert crashed
    assert not any(set(c.parents) & crashed for c in run.candidates())
    for prompt in texts(laboratory, "why this change"):
        assert "'params': -" not in prompt.split("## Your task")[0], "no exemplar is invalid"


def test_a_reply_that_cannot_be_used_is_repaired_in_the_same_conversation(open_: Open) -> None:
    model = Model()

    def answer(messages: Sequence[Message]) -> str:
        return "I will not." if len(messages) == 2 else model(messages)

    laboratory = open_(5, answer=answer)
    run = go(laboratory)
    assert [len(p) for p in laboratory.prompts] == [2, 4] * 4
    assert "no fenced code block" in laboratory.prompts[1][3].content
    assert [c.operator for c in run.candidates()] == ["seed", *["create"] * 8]
    assert sum(c.scored for c in run.candidates()) == 5


def test_prompts_evolve_as_facts_and_are_used_by_later_generations(open_: Open) -> None:
    laboratory = open_(160, directions=["complex"], personas=["expert", "concise"])
    run = go(laboratory)
    phrasings = [recorded.fact for recorded in run.all_facts()]
    assert len(phrasings) > 20
    assert {p.prompt for p in phrasings} == {"complex, expert", "complex, concise"}  # type: ignore[union-attr]
    reworded = [c for c in run.candidates() if "(wording " in c.name]
    assert reworded
    assert texts(laboratory, "Please, once more and better (")
    requests = [p[0].content for p in laboratory.prompts if len(p) == 1]
    assert any("Please, once more" in request for request in requests), "wordings are reworded"
    first = [c for c in run.candidates() if c.step < 19]
    assert not any("(wording " in c.name for c in first)


@pytest.mark.parametrize("concurrency", [1, 6])
def test_populations_do_not_depend_on_who_computes_them(open_: Open, concurrency: int) -> None:
    laboratory = open_(60, concurrency=concurrency, rephrased=0)
    run = go(laboratory)
    again = laboratory.start()
    assert laboratory.run_killed(again, 0.05) > 2
    one, other = (
        sorted((c.step, c.digest, c.operator, c.name) for c in r.candidates() if c.step < 51)
        for r in (run, again)
    )
    assert one == other


def test_a_population_of_failures_goes_on_from_the_seed(open_: Open) -> None:
    laboratory = open_(40)
    laboratory.measure = lambda request: (
        measure(request) if request.number == 0 else failed(Outcome.CRASHED, "no")
    )
    run = go(laboratory)
    assert {c.parents for c in run.candidates() if c.number} == {(0,)}
