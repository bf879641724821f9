"""What every strategy must do: repeat itself under a seed, resume anywhere, keep secrets.

Subclass :class:`StrategyConformance` in a test module, name the strategy, and give it options
that make it do all that it can do within some dozen evaluations. The model is
``offline/evolve``; override :meth:`StrategyConformance.answer` for one that plays along better.

    class TestMine(StrategyConformance):
        strategy = "package.module:Mine"
        options = {"repairs": 1}
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import JsonValue

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Candidate, EvaluationResult, Outcome, Score, StageResult
from metasearch.commands import Hint, Veto
from metasearch.errors import ModelError
from metasearch.evaluation import EvaluationRequest
from metasearch.exchange import Message
from metasearch.program import Program
from metasearch.testing.attempts import LONGEST_PROMPT, Suite, length, toml
from metasearch.testing.scripted import failed

SECRET = 271828.1828
"""A private metric of every candidate; nothing that a model reads may hold it."""

PROGRAM = '''"""Two numbers to be tuned."""


# EVOLVE-BLOCK-START first
def first():
    return 1.0 + 2.0
# EVOLVE-BLOCK-END


# EVOLVE-BLOCK-START second
def second():
    return 3.0 * 0.5
# EVOLVE-BLOCK-END
'''

History = list[tuple[object, ...]]


class StrategyConformance(Suite):
    """The suite. See the module."""

    strategy: ClassVar[str]
    """A name as in ``[strategy]``."""
    options: ClassVar[Mapping[str, JsonValue]] = {}
    program: ClassVar[str] = PROGRAM
    objectives: ClassVar[str] = 'score = "maximize"\nsize = "minimize"\n'
    files: ClassVar[Mapping[str, str]] = {}
    """Further files of the campaign's folder: path -> text."""
    evaluations: ClassVar[int] = 24
    kills: ClassVar[int] = 12
    """Awaits at which a run is killed, out of all that it has."""
    many: ClassVar[int] = 10_000
    """Candidates of the archive in which a step must cost no more than in a small one."""

    def measure(self, request: EvaluationRequest) -> EvaluationResult:
        """Scores that follow from the program's text; one in seven crashes."""
        text = request.files["program.py"]
        digest = hashlib.sha256(text.encode()).digest()
        if text != self.program and digest[0] % 7 == 0:
            return failed(Outcome.CRASHED, f"ValueError: unlucky {digest.hex()[:8]}")
        numbers = [min(float(n), 1e6) for n in re.findall(r"\d+\.\d+", text)]
        return scored_secretly(score=sum(numbers) % 97.0, size=float(len(text)))

    @pytest.fixture
    def campaign(self, tmp_path: Path) -> Campaign:
        """One candidate after the other."""
        return self.load(tmp_path, concurrency=1)

    def load(self, folder: Path, **settings: object) -> Campaign:
        """The suite's campaign, with other settings."""
        options = "".join(f"{key} = {toml(value)}\n" for key, value in self.options.items())
        for path, text in {"program.py": self.program, "evaluator.py": "", **self.files}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        (folder / "campaign.toml").write_text(
            'name = "conformance"\ntask = "Make the score large."\n'
            f"[objectives]\n{self.objectives}"
            '[evaluator]\nprivate = ["secret"]\n'
            f'[strategy]\nname = "{self.strategy}"\n[strategy.options]\n{options}'
        )
        given: dict[str, object] = {"budget.evaluations": self.evaluations}
        given |= {key.replace("__", "."): value for key, value in settings.items()}
        return load_campaign(folder, given)

    def test_two_runs_of_one_seed_are_identical(self, campaign: Campaign, archive: Archive) -> None:
        first, second = archive.create(campaign), archive.create(campaign)
        one, other = self.run(campaign, first), self.run(campaign, second)
        assert _history(first) == _history(second)
        assert list(first.all_facts()) == list(second.all_facts())
        assert one.models.prompts == other.models.prompts

    def test_a_run_ends_at_exactly_its_evaluations(self, tmp_path: Path, archive: Archive) -> None:
        campaign = self.load(tmp_path, concurrency=6)
        run = archive.create(campaign)
        self.run(campaign, run)
        assert run.evaluations() == self.evaluations
        # A repair may have taken the last evaluation: what others have paid for is kept for more.
        kept = {step.number for step in run.unfinished_steps()}
        assert {candidate.step for candidate in run.queued()} <= kept

    def test_one_evaluation_asks_no_model(self, tmp_path: Path, archive: Archive) -> None:
        campaign = self.load(tmp_path, budget__evaluations=1)
        run = archive.create(campaign)
        assert self.run(campaign, run).models.bought == []
        assert run.evaluations() == 1

    def test_killed_at_each_await_it_continues_to_the_same_archive(
        self, campaign: Campaign, archive: Archive
    ) -> None:
        whole = archive.create(campaign)
        moments = self.run(campaign, whole).moments
        assert moments > self.evaluations
        for fatal in sorted(random.Random(1).sample(range(moments), min(moments, self.kills))):
            broken = archive.create(campaign)
            spent = self.run_killed(campaign, broken, [fatal])
            assert spent.kills == 1
            assert not spent.repeated
            assert _history(broken) == _history(whole), f"killed at moment {fatal} of {moments}"
            assert _same_facts(broken, whole), f"killed at moment {fatal} of {moments}"

    def test_killed_again_and_again_a_concurrent_run_repeats_nothing(
        self, tmp_path: Path, archive: Archive
    ) -> None:
        campaign = self.load(tmp_path, concurrency=5)
        run = archive.create(campaign)
        rng = random.Random(3)
        spent = self.run_killed(campaign, run, [rng.randrange(4, 30) for _ in range(12)])
        assert spent.kills > 1
        assert not spent.repeated
        assert len(spent.evaluated) == self.evaluations

    def test_no_prompt_holds_a_private_metric(self, campaign: Campaign, archive: Archive) -> None:
        models = self.run(campaign, archive.create(campaign)).models
        assert models.prompts
        for prompt in models.prompts:
            for message in prompt:
                assert "271828" not in message.content
                assert "secret" not in message.content

    def test_prompts_stay_bounded_whatever_evaluators_write(
        self, campaign: Campaign, archive: Archive
    ) -> None:
        def verbose(request: EvaluationRequest) -> EvaluationResult:
            result = self.measure(request)
            text = f"{request.number} " * 40_000
            if result.outcome is Outcome.SCORED:
                return result.model_copy(update={"feedback": text})
            return result.model_copy(update={"error": text})

        models = self.run(campaign, archive.create(campaign), evaluate=verbose).models
        assert max(length(prompt) for prompt in models.prompts) < LONGEST_PROMPT

    def test_hints_are_shown_and_a_vetoed_candidate_is_nobodys_parent(
        self, campaign: Campaign, archive: Archive
    ) -> None:
        run = archive.create(campaign)
        middle = self.evaluations // 2

        def overseen(request: EvaluationRequest) -> EvaluationResult:
            best = next((c.number for c in run.best() if c.number), None)
            if request.number >= middle and best is not None and not run.commands():
                run.command(Hint(text="Prefer 4242.", append=False), "tester")
                run.command(Veto(candidate=best), "tester")
            return self.measure(request)

        models = self.run(campaign, run, evaluate=overseen).models
        hint, veto = run.commands()
        assert isinstance(veto.command, Veto)
        assert any("Prefer 4242." in m.content for prompt in models.prompts for m in prompt)
        later = {e.step for e in run.events(veto.seq, limit=10**6) if e.kind == "opened"}
        after = [c for c in run.candidates() if c.step in later]
        assert after, "nothing was proposed after the veto"
        assert all(veto.command.candidate not in c.parents for c in after)
        assert set(run.born_under(hint.number)) >= {c.number for c in after if c.digest}

    def test_nothing_but_failures(self, campaign: Campaign, archive: Archive) -> None:
        def hopeless(request: EvaluationRequest) -> EvaluationResult:
            if request.number == 0:
                return self.measure(request)
            return failed(Outcome.TIMED_OUT, "more than 30 seconds")

        run = archive.create(campaign)
        self.run(campaign, run, evaluate=hopeless)
        assert run.evaluations() == self.evaluations

    def test_a_model_that_only_repeats_the_program(
        self, campaign: Campaign, archive: Archive
    ) -> None:
        said = self.answer

        def repeats(messages: Sequence[Message], seed: int) -> str:
            fences = re.findall(r"^(?:`{3,})\w*\n.*?^`{3,}$", messages[-1].content, re.M | re.S)
            return fences[0] if fences else said(messages, seed)

        run = archive.create(campaign)
        with contextlib.suppress(ModelError):  # it may be given up, with the reason
            self.run(campaign, run, answer=repeats)
        evaluated = [c.digest for c in run.candidates() if c.outcome is not Outcome.REJECTED]
        assert len(evaluated) == len(set(evaluated)), "the same program was evaluated twice"

    @pytest.mark.parametrize("junk", ["", "No.", "```python\n", "{" * 5000, "\x00\ufffd" * 100])
    def test_junk_is_given_up_with_the_reason(
        self, campaign: Campaign, archive: Archive, junk: str
    ) -> None:
        run = archive.create(campaign)
        with pytest.raises(ModelError, match="in a row"):
            self.run(campaign, run, answer=lambda messages, seed: junk)
        assert all(c.error for c in run.candidates() if c.outcome is Outcome.REJECTED)

    def test_a_step_over_many_candidates(self, tmp_path: Path, archive: Archive) -> None:
        campaign = self.load(tmp_path, concurrency=1, budget__evaluations=self.many)
        run = archive.create(campaign)
        self.fill(run, campaign, self.many)
        more = self.load(tmp_path, concurrency=1, budget__evaluations=self.many + 4)
        run.update(more)
        attempt = self.run(more, run)
        assert run.evaluations() == self.many + 4
        assert max(length(prompt) for prompt in attempt.models.prompts) < LONGEST_PROMPT

    def fill(self, run: CampaignArchive, campaign: Campaign, size: int) -> None:
        """An archive as a run of many one-edit steps would have left it."""
        rng = random.Random(0)
        with run.hold():
            for number in range(size):
                step = run.open_step().number
                text = self.program + (f"# {rng.random()}\n" if number else "")
                candidate = run.queue_candidate(
                    step,
                    0,
                    Program(files={"program.py": text}),
                    parents=[rng.randrange(number)] if number else [],
                    operator="evolve" if number else "seed",
                    thought="A thought. " * 20,
                )
                if number and rng.random() < 0.2:
                    result = failed(Outcome.CRASHED, "ZeroDivisionError")
                else:
                    result = scored_secretly(score=rng.random(), size=float(len(text)))
                run.settle(candidate.number, result)
                run.end_step(step)


def scored_secretly(**scores: float) -> EvaluationResult:
    """A result with these scores and a private one that no prompt may hold."""
    metrics = {name: Score(value=v, low=v, high=v) for name, v in scores.items()}
    metrics["secret"] = Score(value=SECRET, low=SECRET, high=SECRET)
    stage = StageResult(stage="evaluate", scores=metrics, passed=True, seconds=0.0)
    return EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))


def _history(run: CampaignArchive) -> History:
    def line(c: Candidate) -> tuple[object, ...]:
        return (c.step, c.outcome, c.digest, c.scores, c.parents, c.operator, c.name, c.error)

    return [line(candidate) for candidate in run.candidates()]


def _same_facts(one: CampaignArchive, other: CampaignArchive) -> bool:
    """Whether both have recorded the same, but for the end of the step that met the budget's.

    What that step had still to ask is asked when the budget is extended. Places in the order
    of all facts may differ: calls that were lost and asked again have places there too.
    """
    facts = [
        [(r.number, r.step, r.position, r.fact) for r in run.all_facts()] for run in (one, other)
    ]
    shorter, longer = sorted(facts, key=len)
    last = max((c.step for c in one.candidates()), default=0)
    return longer[: len(shorter)] == shorter and all(f[1] >= last for f in longer[len(shorter) :])
