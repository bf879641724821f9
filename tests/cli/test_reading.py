"""Commands that read the archive: what they print for people and for programs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from metasearch.archive import Archive, Near
from metasearch.campaign_file import load_campaign
from metasearch.candidate import Artifact
from metasearch.cli import reading
from metasearch.exchange import Message, Usage
from metasearch.facts import Idea, Selection
from metasearch.program import Program
from tests.cli.conftest import add, scored

Invoke = Callable[..., Result]


@pytest.fixture
def read(invoke: Invoke, stored: Path) -> Callable[..., Any]:
    """The document that a reading command prints with ``--json``."""

    def run(*words: object) -> Any:
        result = invoke(*words, "--archive", stored, "--json")
        assert result.exit_code == 0, result.output
        assert result.stdout.isascii()
        return json.loads(result.stdout)

    return run


def test_status_tells_what_the_finished_event_tells_and_more(read: Callable[..., Any]) -> None:
    status = read("status", "numbers")
    assert status["campaign"].startswith("numbers-")
    assert status["evaluations"] == 4
    assert status["best"] == {"candidate": 4, "scores": {"score": 3.0}}
    assert status["tokens"] == 0
    assert status["usd"] == 0.0
    assert status["seconds"] >= 0
    assert status["reason"] == "evaluations"
    assert status["state"] == "finished"
    assert status["outcomes"] == {
        "scored": 3,
        "invalid": 0,
        "crashed": 1,
        "timed_out": 0,
        "out_of_memory": 0,
        "output_limit": 0,
        "rejected": 1,
    }
    assert status["test"]["score"] == 2.75
    assert status["ensembles"] == []  # there is one model
    assert status["novelty"] == {
        "proposals": 4,
        "exact_duplicates": 0,
        "near_duplicates": 0,
        "made_different": 0,
        "evaluations_saved": 0,
        "rate": 0.0,
    }


def test_best_gives_scores_files_parents_and_operator(read: Callable[..., Any]) -> None:
    best = read("best", "numbers")
    source = best.pop("files")["program.py"]
    assert best == {
        "candidate": 4,
        "scores": {"score": 3.0},
        "parents": [1, 0],
        "operator": "evolve",
    }
    assert source.startswith("def f():\n    return 3")


def test_fame_has_the_best_in_order_and_the_front(
    read: Callable[..., Any], invoke: Invoke, stored: Path
) -> None:
    fame = read("fame", "numbers")
    scores = [each["scores"]["score"] for each in fame["best"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert fame["best"][0] == {"candidate": 4, "scores": {"score": 3.0}, "front": True}
    assert fame["front"] == [4]
    assert len(read("fame", "numbers", "--size", 2)["best"]) == 2
    shown = invoke("fame", "numbers", "--archive", stored).stdout
    assert shown.index("#4") < shown.index("#0")


def test_list_has_every_run(read: Callable[..., Any]) -> None:
    (run,) = read("list")
    assert run["name"] == "numbers"
    assert run["models"] == ["offline/evolve"]


def test_list_tells_of_a_run_that_cannot_be_read(invoke: Invoke, stored: Path) -> None:
    with sqlite3.connect(stored) as connection:
        connection.execute("UPDATE settings SET settings = '{}'")
        (name,) = connection.execute("SELECT id FROM campaign").fetchone()
    connection.close()
    listed = invoke("list", "--archive", stored, "--json")
    assert listed.exit_code == 0
    assert json.loads(listed.stdout) == []
    assert listed.stderr == f"Left out, for their stored settings are not valid: {name}\n"
    assert "holds no campaign" not in invoke("list", "--archive", stored).stdout


def test_list_keeps_a_long_reason_short(
    invoke: Invoke, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_state", lambda summary: "paused (" + "x" * 190 + ")")
    listed = invoke("list", "--archive", stored).stdout
    assert "paused (x" in listed
    assert "x" * 40 not in listed


@pytest.mark.parametrize(
    "reference", [("numbers#4",), ("numbers", "4"), ("numbers",), ("4",), ("#4",)]
)
def test_a_candidate_is_found_by_any_of_its_names(
    read: Callable[..., Any], reference: tuple[str, ...]
) -> None:
    assert read("show", *reference)["candidate"] == 4


def test_show_has_intervals_private_metrics_and_files(
    read: Callable[..., Any], hostile: str
) -> None:
    shown = read("show", "numbers#4")
    interval = shown["evaluations"][0]["stages"][0]["scores"]["score"]
    assert interval == {"value": 3.0, "low": 2.5, "high": 3.5, "samples": 9}
    assert shown["private_scores"] == {"secret": 0.5}
    assert shown["scores"] == {"score": 3.0}
    assert shown["thought"] == hostile
    assert hostile in shown["files"]["program.py"]


def test_show_tells_memory_and_what_was_attached(
    read: Callable[..., Any], invoke: Invoke, stored: Path
) -> None:
    shown = read("show", "numbers#4")
    assert shown["memory"] == 41_500_000
    assert [evaluation["memory"] for evaluation in shown["evaluations"]] == [41_500_000] * 2
    attached = shown["artifacts"][0]
    assert (attached["name"], attached["size"], attached["kept"]) == ("plot.svg", 6, True)
    assert attached["digest"] == hashlib.sha256(b"<svg/>").hexdigest()
    printed = invoke("show", "numbers#4", "--archive", stored).stdout
    assert "41.5 MB" in printed
    assert "plot.svg (6 B), plot.svg (6 B)" in printed
    assert read("show", "numbers#2")["memory"] is None


def test_show_says_what_was_not_kept(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    campaign = load_campaign(folder, {"evaluator.keep_artifacts": "none"})
    weights = Artifact(name="w.pt", media_type="application/octet-stream", content=bytes(100_000))
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = archive.create(campaign)
        add(run, "x = 1", scored(1.0).model_copy(update={"artifacts": (weights,)}))
    printed = invoke("show", "numbers#0", "--archive", tmp_path / "archive.db").stdout
    assert "w.pt (100 kB, not kept)" in printed


def test_show_of_a_rejected_one_says_why(
    read: Callable[..., Any], invoke: Invoke, stored: Path
) -> None:
    shown = read("show", "numbers#3")
    assert shown["outcome"] == "rejected"
    assert shown["error"] == "no program"
    assert shown["files"] == {}
    assert "no program" in invoke("show", "numbers#3", "--archive", stored).stdout


def test_lineage_goes_up_to_the_seed(read: Callable[..., Any]) -> None:
    line = read("lineage", "numbers#4")["lineage"]
    assert [entry["candidate"] for entry in line] == [4, 1, 0]
    assert [entry["operator"] for entry in line] == ["evolve", "evolve", "seed"]
    assert [entry["scores"] for entry in line] == [{"score": 3.0}, {"score": 2.0}, {"score": 1.0}]


def test_diff_of_two_is_from_the_first_to_the_second(read: Callable[..., Any]) -> None:
    text = read("diff", "numbers#0", "numbers#1")["diff"]
    assert "-    return 1\n+    return 2\n" in text
    assert read("diff", "numbers#0", "1")["diff"] == text
    assert read("diff", "numbers#1")["diff"] == text


def test_diff_to_a_candidate_without_a_program_is_refused(invoke: Invoke, stored: Path) -> None:
    result = invoke("diff", "numbers#0", "3", "--archive", stored)
    assert result.exit_code == 2
    assert "numbers#3 has no program" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("status", "numbers"),
        ("best", "numbers"),
        ("show", "numbers#4"),
        ("show", "numbers#2"),
        ("diff", "numbers#1", "numbers#4"),
        ("lineage", "numbers#4"),
    ],
)
def test_hostile_text_is_shown_and_never_obeyed(
    invoke: Invoke, stored: Path, words: tuple[str, ...]
) -> None:
    result = invoke(*words, "--archive", stored)
    assert result.exit_code == 0, result.output
    acting = {c for c in result.stdout if unicodedata.category(c) in ("Cc", "Cf")} - {"\n"}
    assert not acting
    if words[0] in ("best", "show", "diff"):
        assert "␛]0;owned␇" in result.stdout
        assert "[red]text[/red] :smile:" in result.stdout


def test_people_see_scores_change_and_interval(invoke: Invoke, stored: Path) -> None:
    best = invoke("best", "numbers", "--archive", stored).stdout
    assert "score  3  (+2 over the seed)" in best
    assert "score on test  2.75" in best
    shown = invoke("show", "numbers#4", "--archive", stored).stdout
    assert "score  3  (95 % interval 2.5 to 3.5, n = 9)" in shown
    assert "secret  0.5  private" in shown
    assert "plot.svg" in shown
    status = invoke("status", "numbers", "--archive", stored).stdout
    assert "finished (evaluations)" in status
    assert "scored 3, crashed 1, rejected 1" in status
    assert "█" in status


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "numbrs"), "Did you mean 'numbers'"),
        (("show", "numbers#99"), "has no candidate #99; it has #0 to #4"),
        (("show", "numbers#4", "5"), "already has a number"),
        (("show", "numbers#four"), "is not a candidate like NAME#12"),
        (("diff", "numbers#0"), "was made from nothing"),
    ],
)
def test_a_wrong_name_says_what_there_is(
    invoke: Invoke, stored: Path, words: tuple[str, ...], message: str
) -> None:
    result = invoke(*words, "--archive", stored)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_export_writes_and_never_overwrites(
    invoke: Invoke, read: Callable[..., Any], stored: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    written = read("export", "numbers", "--to", folder)
    assert written["to"] == str(folder)
    assert any(path.name == "program.py" for path in folder.rglob("*"))
    assert invoke("export", "numbers", "--to", folder, "--archive", stored).exit_code == 2

    lines = tmp_path / "out.jsonl"
    read("export", "numbers", "--format", "jsonl", "--to", lines)
    assert all(json.loads(line) for line in lines.read_text().splitlines())
    again = invoke("export", "numbers", "--format", "csv", "--to", lines, "--archive", stored)
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_export_of_lines_goes_to_stdout_unless_told(invoke: Invoke, stored: Path) -> None:
    result = invoke("export", "numbers", "--format", "csv", "--archive", stored)
    assert result.exit_code == 0
    assert result.stdout.startswith("number,")


def test_strategies_are_listed_with_their_options(invoke: Invoke) -> None:
    found = {s["name"]: s for s in json.loads(invoke("strategies", "--json").stdout)}
    assert found["map_elites"]["options"]["islands"] == "4"
    assert {"best_of_n", "iterative_repair", "random_parent"} <= set(found)
    assert "islands = 4" in invoke("strategies").stdout


def test_the_archive_is_the_option_else_the_variable(
    invoke: Invoke, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no archive at" in invoke("list").stderr
    monkeypatch.setenv("METASEARCH_ARCHIVE", str(stored))
    assert "numbers-" in invoke("list").stdout


def test_upgrade_of_a_current_archive_says_so(invoke: Invoke, stored: Path) -> None:
    assert "is up to date" in invoke("archive", "upgrade", "--archive", stored).stdout


def test_status_tells_how_many_evaluations_were_saved(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "saved.db"
    same = Program(files={"program.py": "x = 1\n"})
    with Archive.open(path, create=True) as archive:
        run = archive.create(load_campaign(folder))
        step = run.open_step().number
        run.queue_candidate(step, 0, same, operator="seed")
        run.queue_candidate(step, 1, same, operator="evolve")
        changed = Program(files={"program.py": "x = 2\n"})
        run.queue_candidate(step, 2, changed, operator="differ")
        near = Near(2, "shingles", 0.98, "almost the same program as #2")
        near_one = Program(files={"program.py": "x = 2;\n"})
        run.queue_candidate(step, 3, near_one, operator="evolve", near=near)
    told = json.loads(invoke("status", "numbers", "--archive", path, "--json").stdout)["novelty"]
    assert told == {
        "proposals": 3,
        "exact_duplicates": 1,
        "near_duplicates": 1,
        "made_different": 1,
        "evaluations_saved": 2,
        "rate": 0.666667,
    }
    shown = " ".join(invoke("status", "numbers", "--archive", path).stdout.split())
    assert "2 evaluations saved, 67% of 3 proposals: 1 the same as an earlier one" in shown
    shown = json.loads(invoke("show", "numbers#3", "--archive", path, "--json").stdout)
    assert (shown["duplicate_of"], shown["outcome"]) == (2, "rejected")


def test_cost_shows_the_bill_in_groups(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "billed.db"
    with Archive.open(path, create=True) as archive:
        prices = {"models.prices": {"model-1": {"input": 3.0, "output": 15.0, "cached": 0.5}}}
        run = archive.create(load_campaign(folder, prices))
        step = run.open_step().number
        for call, usd in enumerate((0.25, 1.5)):
            run.begin_exchange(
                step,
                call,
                role="propose",
                model=f"model-{call}",
                messages=[Message(role="user", content="x")],
                parameters={},
                reserved_usd=2.0,
                reserved_tokens=9,
            )
            usage = Usage(input_tokens=1000, output_tokens=200, cached_tokens=call * 400, usd=usd)
            run.answer_exchange(
                step, call, reply="r", finish_reason="stop", usage=usage, attempts=1
            )
    shown = invoke("cost", "numbers", "--archive", path)
    assert shown.exit_code == 0
    assert "has cost $1.75, 2400 tokens" in shown.stdout
    assert shown.stdout.index("model-1") < shown.stdout.index("model-0")
    told = json.loads(invoke("cost", "numbers", "--archive", path, "--json").stdout)
    assert told["usage"]["usd"] == 1.75
    assert [line["name"] for line in told["by_model"]] == ["model-1", "model-0"]
    assert [line["calls"] for line in told["by_role"]] == [2]
    assert told["saved_by_caches_usd"] == pytest.approx(400 * 2.5e-6)
    assert "gave 20% of the input tokens and saved $0.001" in shown.stdout
    told = json.loads(invoke("cost", "numbers", "--archive", path, "--by", "call", "--json").stdout)
    assert [line["name"] for line in told["by_call"]] == ["step 0, call 1", "step 0, call 0"]
    assert "by_model" not in told


def test_facts_are_listed_by_kind_and_hold_no_escapes(
    invoke: Invoke, stored: Path, read: Callable[..., Any]
) -> None:
    assert read("facts", "numbers") == []
    with Archive.open(stored) as archive:
        run = archive.campaign("numbers")
        step = run.open_step().number
        run.record(step, 0, Idea(title="\x1b[31mRings\n", claim="c", operator="explore"))
        run.record(step, 1, Selection(operator="review", ideas=(0,)))
    assert [r["fact"]["kind"] for r in read("facts", "numbers")] == ["idea", "selection"]
    [chosen] = read("facts", "numbers", "--kind", "selection")
    assert (chosen["number"], chosen["step"], chosen["fact"]["ideas"]) == (1, step, [0])
    shown = invoke("facts", "numbers", "--archive", stored).stdout
    assert "␛[31mRings" in shown
    assert "review: idea 0" in shown
    wrong = invoke("facts", "numbers", "--kind", "ideas", "--archive", stored)
    assert wrong.exit_code == 2
    assert "did you mean 'idea'" in wrong.stderr


def test_health_has_a_row_for_each_full_window(
    read: Callable[..., Any], invoke: Invoke, stored: Path
) -> None:
    rows = read("health", "numbers", "--window", 2)
    windows = [row["window"] for row in rows]
    assert [window["count"] for window in windows] == [2] * len(windows)
    assert windows[0]["first"] == 0
    assert all(0 <= window["scored"] <= 1 for window in windows)
    assert rows[0]["panel"]["vendi"] >= 1
    shown = invoke("health", "numbers", "--window", "2", "--archive", stored).stdout
    assert "#0-" in shown
    assert "takeover" in shown


def test_health_of_a_short_campaign_says_so(invoke: Invoke, stored: Path) -> None:
    shown = invoke("health", "numbers", "--window", "900", "--archive", stored).stdout
    assert "fewer than 900 settled candidates" in shown
