"""Guided Evolution does what the paper says: selection, operators, rates, prompts, failures."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.operators.genome import differing, genes
from metasearch.operators.prompts import render_scores
from metasearch.program import Program
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


def asked_in(prompt: str) -> str:
    """The block that a prompt is about."""
    return str(re.findall(r"Current code of the block `(\w+)`", prompt)[0])


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
        new = block(asked_in(messages[1].content), round(rng.uniform(low, 9), 6))
        return f"Better.\n```python\n{new}```"


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
        system, request = (m.content for m in messages)
        assert "# Task\nSolve it." in system
        assert "Answer format" not in system
        assert request.count("Answer format: the block alone") == 1
        assert "Result: accuracy = 0, parameters = 0\nFeedback from the" in request
        assert "evaluator:\nThe sum is 0." in request
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


def test_a_crossover_prompt_shows_the_block_and_the_scores_of_both_parents(open_: Open) -> None:
    laboratory = open_(60, mutation=0.0, crossover=1.0)
    run = go(laboratory)
    prompts = texts(laboratory, "Two programs for this task differ in the block")
    assert prompts
    measured = {render_scores(c, laboratory.task) for c in kit.scored(run)}
    for prompt in prompts:
        name = re.findall(r"differ in the block `(\w+)`", prompt)[0]
        both = prompt.split("## The other program's code of this block")[1]
        theirs, mine = both.split("## Current code of the block")
        assert values(mine) != values(theirs)
        assert all(f"def {name}()" in block for block in (theirs, mine))
        others = "and in nothing else" not in prompt
        assert ("## What else the other program does differently" in theirs) == others
        shown = [re.findall(r"Result: (.*)", part)[0] for part in (theirs, mine)]
        assert set(shown) <= measured
        assert shown[0] != shown[1]
        assert prompt.count("The sum is") == 2
    assert len({re.findall(r"Merge their .*", prompt)[0] for prompt in prompts}) == 2
    assert run.evaluations() == 60


def test_prompts_show_the_program_around_the_block_but_for_a_rephrasing(open_: Open) -> None:
    laboratory = open_(60, evolution_of_thought=0.5)
    go(laboratory)
    whole = [p[1].content for p in laboratory.prompts if len(p) > 1]
    for prompt in whole:
        name = asked_in(prompt)
        around = prompt.split("## The rest of the program")[1].split("\n## ")[0]
        others = [other for other in BLOCKS if other != name]
        assert all(f"def {other}()" in around for other in others)
        assert f"\n[the block {name}]\n" in around
        assert f"def {name}()" not in around
    assert not any("## The rest" in p[0].content for p in laboratory.prompts if len(p) == 1)


def test_a_mutation_after_a_crossover_shows_the_scores_of_both_parents(open_: Open) -> None:
    laboratory = open_(60, crossover=1.0, mutation=1.0, evolution_of_thought=0.0)
    run = go(laboratory)
    prompts = texts(laboratory, "is not measured yet")
    measured = {render_scores(c, laboratory.task) for c in kit.scored(run)}
    assert prompts
    for prompt in prompts:
        assert set(re.findall(r"These two: (.*); (.*)\.", prompt)[0]) <= measured
        assert "Result:" not in prompt, "no score of a parent is shown as the child's"


def test_evolution_of_thought_contrasts_an_exemplar_with_the_seed(open_: Open) -> None:
    laboratory = open_(120, evolution_of_thought=1.0)
    run = go(laboratory)
    prompts = texts(laboratory, "Name the principle behind it.")
    assert len(prompts) > 20
    known = {gene.text for c in kit.scored(run) for gene in genes(run.program(c))}
    for prompt in prompts:
        before, after, target = (
            prompt.split("## The block")[1],
            *prompt.split("## The block")[2].split("## Your task"),
        )
        assert values(before) == [0.0], "the seed's block"
        assert values(after) != [0.0], "what differs from it"
        assert after.split("```")[1].removeprefix("python\n") in known, "of a scored program"
        assert "That program" in after
        assert all(part.count("Result: accuracy") == 1 for part in (before, after))
        assert "Current code of the block" in target
        assert "## Rules" not in prompt
        assert prompt.count("Answer format: the block alone") == 1
    shown = [
        prompt for prompt in prompts if prompt.count("get_optimizer():\n    return {'params':") > 1
    ]
    assert shown, "braces in code do not break the prompt"


def test_where_all_offspring_fail_no_thought_is_asked_for(open_: Open) -> None:
    laboratory = open_(40, evolution_of_thought=1.0)
    laboratory.measure = lambda request: (
        measure(request) if request.number == 0 else failed(Outcome.CRASHED, "no")
    )
    run = go(laboratory)
    assert max(c.step for c in run.candidates()) > 10 + 2 * 8, "beyond generation 0"
    assert not texts(laboratory, "Name the principle")


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
    for prompt in texts(laboratory, "Name the principle"):
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


@pytest.mark.parametrize(("concurrency", "mates"), [(1, None), (6, None), (1, {"meets": 3})])
def test_populations_do_not_depend_on_who_computes_them(
    open_: Open, concurrency: int, mates: object
) -> None:
    options = {"mates": mates} if mates else {}
    laboratory = open_(60, concurrency=concurrency, rephrased=0, **options)
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
