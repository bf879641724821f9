from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.archive import CampaignArchive
from metasearch.archive.export import export_calls, export_csv, export_folder, export_jsonl
from metasearch.candidate import Candidate, EvaluationResult, Outcome, Score, Split, StageResult
from metasearch.errors import UsageError
from metasearch.exchange import Exchange, Message, Usage
from metasearch.facts import Recorded, Value
from metasearch.program import Program

Result = Callable[..., EvaluationResult]


@pytest.fixture
def searched(run: CampaignArchive, result: Result) -> CampaignArchive:
    seed = run.resolved().seed_program
    better = seed.replace({"pack.py": "x = 2\n", "new/b.py": "no newline"})
    proposals: tuple[tuple[str, Program, float, list[int]], ...] = (
        ("seed", seed, 1.0, []),
        ("=HYPERLINK(1)", better, 3.5, [0]),
        ("worse", better.replace({"pack.py": "x = 3\n"}), 2.0, [1, 0]),
    )
    for name, program, radii, parents in proposals:
        step = run.open_step().number
        candidate = run.queue_candidate(
            step, 0, program, parents=parents, operator="evolve", name=name
        )
        run.settle(candidate.number, result(radii))
        run.end_step(step)
    step = run.open_step().number
    run.record(step, 0, Value(candidate=2, score=-3, explanation="Too much."))
    run.queue_candidate(step, 0, None, operator="evolve", rejection="no\ncode \ud800", parents=[0])
    run.record_test(1, result(3.0, split=Split.TEST))
    return run


def test_json_lines_hold_every_fact_and_candidate_with_files_and_measurements(
    searched: CampaignArchive,
) -> None:
    stream = io.StringIO()
    export_jsonl(searched, stream)
    campaign, *facts = map(json.loads, stream.getvalue().splitlines())
    assert [fact["type"] for fact in facts] == [*3 * ["candidate"], "fact", "candidate"]
    recorded = Recorded.model_validate({k: facts[3][k] for k in Recorded.model_fields})
    assert recorded == searched.fact(0)
    candidates = [*facts[:3], facts[4]]
    assert campaign["type"] == "campaign"
    assert campaign["id"] == searched.id
    assert campaign["outcomes"]["scored"] == 3
    assert [c["number"] for c in candidates] == [0, 1, 2, 3]
    assert candidates[1]["files"]["new/b.py"] == "no newline"
    assert [e["split"] for e in candidates[1]["evaluations"]] == ["validation", "test"]
    assert candidates[3]["files"] == {}
    fields = {key: candidates[1][key] for key in Candidate.model_fields}
    assert Candidate.model_validate(fields) == searched.candidate(1)


def test_the_table_has_a_column_for_every_metric_and_no_formulas(
    searched: CampaignArchive,
) -> None:
    stream = io.StringIO(newline="")
    export_csv(searched, stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))
    assert [float(row["radii"]) for row in rows[:3]] == [1.0, 3.5, 2.0]
    assert rows[0]["secret"] == "7.0"
    assert rows[1]["name"] == "'=HYPERLINK(1)"
    assert rows[2]["parents"] == "1 0"
    assert (rows[3]["outcome"], rows[3]["radii"]) == ("rejected", "")
    assert rows[3]["error"] == "no\ncode ?"


def test_a_metric_cannot_take_the_place_of_another_column(run: CampaignArchive) -> None:
    step = run.open_step()
    run.queue_candidate(step.number, 0, Program(files={"pack.py": "x = 1\n"}), operator="seed")
    scores = {name: Score(value=2, low=2, high=2) for name in ("radii", "time", "error")}
    stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0)
    run.settle(0, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,)))
    stream = io.StringIO(newline="")
    export_csv(run, stream)
    [row] = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert (row["score.error"], row["error"]) == ("2.0", "")


def test_the_folder_has_the_best_program_and_where_it_came_from(
    searched: CampaignArchive, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "export"
    export_folder(searched, folder)
    best = searched.best()[0]
    for path, text in searched.program(best).files.items():
        assert (folder / "program" / path).read_text() == text
    lineage = json.loads((folder / "lineage.json").read_text())
    assert [ancestor["number"] for ancestor in lineage] == [0, 1]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["validation"]["radii"] == {"value": 3.5, "low": 3.0, "high": 4.0, "samples": 4}
    assert metrics["test"]["radii"]["value"] == 3.0
    assert [point["candidate"] for point in metrics["curve"]] == [0, 1]
    readme = (folder / "README.md").read_text()
    assert "3.5" in readme
    assert searched.id in readme


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program 'patch'")
def test_the_diff_turns_the_seed_into_the_best(searched: CampaignArchive, tmp_path: Path) -> None:
    export_folder(searched, tmp_path / "export")
    work = tmp_path / "work"
    for path, text in searched.resolved().seed_program.files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    subprocess.run(
        ["patch", "-p1", "-d", str(work), "-i", str(tmp_path / "export" / "best.diff")],
        check=True,
        capture_output=True,
    )
    for path, text in searched.program(searched.best()[0]).files.items():
        assert (work / path).read_text() == text


def test_nothing_is_overwritten_and_nothing_scored_is_said(
    run: CampaignArchive, searched: CampaignArchive, tmp_path: Path
) -> None:
    export_folder(searched, tmp_path)
    with pytest.raises(UsageError, match=r"exists.*another, empty folder"):
        export_folder(searched, tmp_path)


def test_without_a_scored_candidate_there_is_no_folder(
    run: CampaignArchive, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no scored candidate"):
        export_folder(run, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_files_that_are_in_each_others_way_are_an_error(
    run: CampaignArchive, result: Result, tmp_path: Path
) -> None:
    step = run.open_step().number
    run.queue_candidate(step, 0, Program(files={"a": "1", "a/b": "2"}), operator="evolve")
    run.settle(0, result(1.0))
    with pytest.raises(UsageError, match="Cannot export"):
        export_folder(run, tmp_path / "x")


def test_recorded_calls_hold_no_key(run: CampaignArchive) -> None:
    step = run.open_step().number
    key = "sk-abcdefghijklmnop"
    for call in (0, 1):
        run.begin_exchange(
            step,
            call,
            role="propose",
            model="m",
            messages=[Message(role="user", content=f"Use {key}.")],
            parameters={"seed": 1},
            reserved_usd=0.0,
            reserved_tokens=9,
        )
    run.answer_exchange(
        step, 0, reply=f"Used {key}.", finish_reason="stop", usage=Usage(), attempts=1
    )
    stream = io.StringIO()
    export_calls(run, stream, lambda text: text.replace(key, "[key]"))
    [line] = stream.getvalue().splitlines()
    recorded = Exchange.model_validate_json(line)
    assert recorded.messages[0].content == "Use [key]."
    assert recorded.reply == "Used [key]."
    assert recorded.parameters == {"seed": 1}
