"""``run`` and ``evaluate``: what they ask of the engine, and what they say of its ending."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from metasearch.archive import Archive
from metasearch.campaign import ROLES, Campaign
from metasearch.candidate import EvaluationResult, Outcome, Score, Split, StageResult
from metasearch.engine import Ending, Observer, Report
from metasearch.errors import EvaluatorError
from metasearch.program import Program

Invoke = Callable[..., Result]


class FakeEngine:
    """Stands for ``run_campaign``: ends at once with the best of an archive."""

    def __init__(self) -> None:
        self.campaign: Campaign | None = None
        self.archive = Path()
        self.fresh = self.accepts = False
        self.reason = "evaluations"
        self.failure: Exception | None = None

    async def run_campaign(
        self,
        campaign: Campaign,
        archive_path: Path,
        *,
        fresh: bool,
        accept_evaluator: bool,
        observer: Observer,
    ) -> Ending:
        self.campaign, self.archive, self.fresh = campaign, archive_path, fresh
        self.accepts = accept_evaluator
        with Archive.open(archive_path, read_only=True) as archive:
            summary = archive.find("numbers")
        report = Report(
            campaign=summary.id,
            budget=campaign.settings.budget,
            evaluations=summary.evaluations,
            outcomes=summary.outcomes,
            best=summary.best,
            usage=summary.usage,
            seconds=12.3456,
            asking=0,
            evaluating=0,
            lanes=2,
            curve=((0, 1.0), (1, 2.0), (4, 3.0)),
        )
        observer.started(report, True)
        logging.getLogger("metasearch.models").info("attempt %d failed", 1)
        assert summary.best is not None
        observer.settled(summary.best, report)
        if self.failure is not None:
            raise self.failure
        observer.finished(report, self.reason)
        return Ending(reason=self.reason, report=report, archive=archive_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr("metasearch.engine.run_campaign", fake.run_campaign)
    return fake


@pytest.fixture
def run(invoke: Invoke, folder: Path, stored: Path, engine: FakeEngine) -> Invoke:
    return lambda *words: invoke("run", folder, "--archive", stored, *words)


def test_the_last_json_line_is_exactly_the_promised_one(run: Invoke) -> None:
    result = run("--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == [
        "notice",  # that no model was given
        "started",
        "notice",
        "candidate",
        "finished",
    ]
    campaign = lines[-1].pop("campaign")
    assert campaign.startswith("numbers-")
    assert lines[-1] == {
        "event": "finished",
        "evaluations": 4,
        "best": {"candidate": 4, "scores": {"score": 3.0}},
        "tokens": 0,
        "usd": 0.0,
        "seconds": 12.346,
        "reason": "evaluations",
        "test": {"score": 2.75, "secret": 0.5},
    }


def test_plain_run_says_what_was_reached_and_how_to_go_on(run: Invoke, stored: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    first, *_ = result.stdout.splitlines()
    assert first.startswith("No model given: using offline/evolve")
    assert "attempt 1 failed" in result.stdout
    assert "Best: #4, score 3 (+2 over the seed)." in result.stdout
    assert "On the test split: score 2.75" in result.stdout
    assert "metasearch best numbers-" in result.stdout
    assert f"--archive {stored}" in result.stdout
    assert "--evaluations 8" in result.stdout


def test_the_commands_to_copy_name_an_archive_with_spaces_as_one_word(
    run: Invoke, stored: Path, tmp_path: Path
) -> None:
    spaced = tmp_path / "my runs" / "a.db"
    spaced.parent.mkdir()
    spaced.write_bytes(stored.read_bytes())
    assert f"--archive '{spaced}'" in run("--archive", spaced).stdout


def test_with_a_model_nothing_is_said_about_offline(run: Invoke) -> None:
    assert "No model given" not in run("--model", "offline/evolve").stdout


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("target", 0, "the target is reached"),
        ("minutes", 0, "a larger budget (--minutes)"),
        ("interrupted", 130, "Nothing is lost. To continue, give the same command again."),
        ("stalled", 1, "no longer finds a program"),
    ],
)
def test_every_ending_has_its_exit_code_and_advice(
    run: Invoke, engine: FakeEngine, reason: str, code: int, said: str
) -> None:
    engine.reason = reason
    result = run()
    assert result.exit_code == code
    assert said in result.stdout


def test_one_model_by_option_means_no_fallback(
    run: Invoke, engine: FakeEngine, folder: Path
) -> None:
    with (folder / "campaign.toml").open("a") as stream:
        stream.write('[models]\nfallback = { default = "openai/x" }\n')
    run()
    assert engine.campaign is not None
    assert engine.campaign.settings.models.fallback_for("judge") == "openai/x"
    run("--model", "offline/evolve")
    assert engine.campaign.settings.models.fallback_for("judge") is None


def test_options_take_the_place_of_the_files_settings(run: Invoke, engine: FakeEngine) -> None:
    run(
        *("--model", "openai/x", "--strategy", "best_of_n", "--evaluations", "7", "--usd", "1.5"),
        *("--tokens", "9", "--minutes", "0.5", "--target", "-3", "--seed", "11", "--fresh"),
        "--accept-evaluator",
        *("--sandbox", "bubblewrap", "--concurrency", "2", "--ideas", "3"),
    )
    assert engine.campaign is not None
    settings = engine.campaign.settings
    assert {settings.models.model_for(role) for role in ROLES} == {"openai/x"}
    assert settings.strategy.name == "best_of_n"
    assert settings.budget.model_dump() == {
        "evaluations": 7,
        "ideas": 3,
        "usd": 1.5,
        "tokens": 9,
        "minutes": 0.5,
        "target": -3.0,
    }
    assert (settings.seed, settings.concurrency) == (11, 2)
    assert settings.sandbox.provider == "bubblewrap"
    assert engine.fresh
    assert engine.accepts


def test_another_strategy_does_not_inherit_the_files_options(
    run: Invoke, engine: FakeEngine, folder: Path
) -> None:
    file = folder / "campaign.toml"
    file.write_text(file.read_text() + "[strategy]\noptions = { islands = 2 }\n")
    run("--strategy", "map_elites")
    assert engine.campaign is not None
    assert engine.campaign.settings.strategy.options == {"islands": 2}
    run("--strategy", "best_of_n")
    assert engine.campaign.settings.strategy.options == {}


def test_environment_variables_stand_for_options(
    run: Invoke, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METASEARCH_EVALUATIONS", "5")
    monkeypatch.setenv("METASEARCH_MODEL", "offline/evolve")
    run()
    assert engine.campaign is not None
    assert engine.campaign.settings.budget.evaluations == 5
    assert engine.campaign.settings.models.default == "offline/evolve"


def test_what_stops_a_run_is_told_on_stderr_and_as_last_json_line(
    run: Invoke, engine: FakeEngine
) -> None:
    engine.failure = EvaluatorError("evaluator.py, line 3: \x1b[2J")
    result = run("--json")
    assert result.exit_code == 1
    assert result.stderr == "Error: evaluator.py, line 3: ␛[2J\n"
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "event": "error",
        "type": "EvaluatorError",
        "error": "evaluator.py, line 3: \x1b[2J",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--evaluations", "0"), "--evaluations"),
        (("--minutes", "0"), "budget.minutes"),
        (("--evalutions", "5"), "No such option"),
    ],
)
def test_wrong_values_are_usage_errors(run: Invoke, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_folder_without_a_campaign_names_the_way_to_one(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("run", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "metasearch init" in result.stderr


class FakeEvaluation:
    """Stands for ``evaluate_once``."""

    def __init__(self) -> None:
        self.outcome = Outcome.SCORED
        self.asked: tuple[Program, Split] | None = None
        self.printed = ""

    async def evaluate_once(
        self, campaign: Campaign, program: Program, split: Split
    ) -> EvaluationResult:
        self.asked = program, split
        if self.printed:
            logging.getLogger("metasearch.evaluator").debug("%s", self.printed)
        score = Score(value=2.0, low=1.0, high=3.0, samples=5)
        stage = StageResult(stage="evaluate", scores={"score": score}, passed=True, seconds=0.2)
        return EvaluationResult(
            outcome=self.outcome,
            split=split,
            stages=(stage,),
            feedback="\x1b[2J[b]well[/b]",
            error="" if self.outcome is Outcome.SCORED else "too slow",
            seconds=0.25,
        )


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch) -> FakeEvaluation:
    fake = FakeEvaluation()
    monkeypatch.setattr("metasearch.engine.evaluate_once", fake.evaluate_once)
    return fake


def test_evaluate_prints_the_promised_object(
    invoke: Invoke, folder: Path, evaluation: FakeEvaluation
) -> None:
    result = invoke("evaluate", folder, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "outcome": "scored",
        "scores": {"score": 2.0},
        "seconds": 0.25,
        "memory": None,
        "feedback": "\x1b[2J[b]well[/b]",
        "error": "",
    }
    shown = invoke("evaluate", folder).stdout
    assert "score  2  (95 % interval 1 to 3, n = 5)" in shown
    assert "␛[2J[b]well[/b]" in shown


def test_evaluate_shows_what_the_evaluator_prints_on_stderr(
    invoke: Invoke, folder: Path, evaluation: FakeEvaluation
) -> None:
    evaluation.printed = "got 4\n\x1b[2J\n"
    result = invoke("evaluate", folder, "--json")
    assert result.stderr == "printed by the evaluator:\n  got 4\n  ␛[2J\n"
    assert json.loads(result.stdout)["outcome"] == "scored"
    evaluation.printed = ""
    assert invoke("evaluate", folder).stderr == ""


def test_evaluate_of_a_failing_program_exits_1(
    invoke: Invoke, folder: Path, evaluation: FakeEvaluation
) -> None:
    evaluation.outcome = Outcome.TIMED_OUT
    result = invoke("evaluate", folder)
    assert result.exit_code == 1
    assert "timed_out" in result.stdout
    assert "too slow" in result.stdout


def test_evaluate_takes_another_program_and_split(
    invoke: Invoke, folder: Path, evaluation: FakeEvaluation
) -> None:
    other = folder / "other.py"
    other.write_text("x = 1\n")
    invoke("evaluate", folder, "--program", other, "--split", "test")
    assert evaluation.asked == (Program(files={"program.py": "x = 1\n"}), Split.TEST)
    missing = invoke("evaluate", folder, "--program", folder / "no.py")
    assert missing.exit_code == 2
    assert "cannot be read: No such file" in missing.stderr
