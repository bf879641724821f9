"""Recorded calls in the place of a provider: the same campaign comes to the same archive."""

from __future__ import annotations

from pathlib import Path

import pytest

import metasearch
from metasearch.archive import Archive
from metasearch.archive.export import export_calls
from metasearch.errors import ModelError, ModelSetupError, UsageError
from metasearch.exchange import Exchange, Message, Usage
from metasearch.models.attempt import AttemptFailed
from metasearch.models.replay import Recording, read_recording, source_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "circle_packing"


def exchange(step: int, question: str, reply: str, **fields: object) -> Exchange:
    return Exchange.model_validate(
        {
            "step": step,
            "call": 0,
            "role": "propose",
            "model": "m",
            "state": "answered",
            "messages": [{"role": "user", "content": question}],
            "reply": reply,
            **fields,
        }
    )


def question(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


CALLS = [
    exchange(1, "a", "first", usage=Usage(input_tokens=3)),
    exchange(1, "a", "by a candidate", asker=7),
    exchange(2, "a", "second"),
    exchange(3, "b", "lost", state="lost"),
]


def test_a_call_is_answered_by_its_place() -> None:
    recording = Recording.for_model("offline/replay:x", CALLS)
    assert recording.completion((1, 0, None), question("other")).text == "first"
    assert recording.completion((1, 0, 7), question("a")).text == "by a candidate"
    with pytest.raises(AttemptFailed, match="ends before call 0 of step 3"):
        recording.completion((3, 0, None), question("b"))


def test_a_question_is_answered_in_recorded_order_and_then_by_the_last() -> None:
    recording = Recording.for_model("offline/replay-by-content:x", CALLS)
    replies = [recording.completion((9, 9, None), question("a")).text for _ in range(4)]
    assert replies == ["first", "by a candidate", "second", "second"]
    with pytest.raises(AttemptFailed, match="no reply to this question"):
        recording.completion((1, 0, None), question("new"))


def test_names_say_what_to_replay() -> None:
    assert source_of("offline/replay:dir/calls.jsonl") == "dir/calls.jsonl"
    assert source_of("offline/replay-by-content:x-123") == "x-123"
    assert source_of("offline/evolve") is None


@pytest.mark.parametrize("text", ["junk\n", '{"step": 1}\n', "[" * 50_000 + "\n"])
def test_what_is_no_recording_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(CALLS[0].model_dump_json() + "\n" + text)
    with pytest.raises(ModelSetupError, match="line 2 is no recorded call"):
        list(read_recording(file))


def history(file: Path) -> list[tuple[object, ...]]:
    with Archive.open(file, read_only=True) as archive:
        run = archive.campaign("circle_packing")
        return [
            (c.number, c.step, c.outcome, c.digest, c.scores, c.parents, c.thought)
            for c in run.candidates()
        ]


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_replayed_campaign_comes_to_the_same_archive(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    calls = tmp_path / "calls.jsonl"
    metasearch.run(EXAMPLE, evaluations=12, concurrency=1, archive=first)
    with Archive.open(first, read_only=True) as archive, calls.open("x") as stream:
        export_calls(archive.campaign("circle_packing"), stream)
        identity = archive.find("circle_packing").id
    replay = f"offline/replay:{calls}"
    metasearch.run(EXAMPLE, evaluations=12, concurrency=1, archive=second, model=replay)
    assert history(second) == history(first)

    with pytest.raises(ModelError, match="the recording ends before call 0 of step"):
        metasearch.run(EXAMPLE, evaluations=13, concurrency=1, archive=second, model=replay)
    again = metasearch.run(
        EXAMPLE,
        evaluations=12,
        concurrency=1,
        archive=first,
        model=f"offline/replay:{identity}",
        fresh=True,
    )
    assert again.report.campaign != identity
    assert history(first) == history(second)
    with pytest.raises(UsageError, match="would replay itself"):
        metasearch.run(EXAMPLE, archive=first, model="offline/replay:circle_packing", fresh=True)
