"""What language models really answered to our prompts: it is read, it applies, it is good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

import metasearch
from metasearch.candidate import Outcome
from metasearch.exchange import Message
from metasearch.operators.edits import read_edit
from metasearch.operators.prompts import thought_of
from metasearch.program import Program
from metasearch.testing.model_server import ModelServer

ROOT = Path(__file__).parents[2]


class Recording(BaseModel):
    """See ``tests/recordings/README.md``."""

    example: str
    messages: list[Message]
    parent: dict[str, str]
    replies: list[str]


def recording(name: str) -> Recording:
    file = ROOT / "tests" / "recordings" / "map_elites" / f"{name}.json"
    return Recording.model_validate(json.loads(file.read_text("utf-8")))


FILES = sorted((ROOT / "tests" / "recordings" / "map_elites").glob("*.json"))
REPLIES = [
    pytest.param(file.stem, number, id=f"{file.stem}.{number}")
    for file in FILES
    for number in range(len(recording(file.stem).replies))
]


def test_every_prompt_has_been_answered() -> None:
    answered = {file.stem: len(recording(file.stem).replies) for file in FILES}
    assert len(answered) == 8
    assert min(answered.values()) >= 1
    assert all(count == 3 for name, count in answered.items() if name.endswith(".evolve"))


@pytest.mark.parametrize(("name", "number"), REPLIES)
def test_a_reply_applies_and_says_why(name: str, number: int) -> None:
    recorded = recording(name)
    parent = Program(files=recorded.parent)
    edited = read_edit(recorded.replies[number], parent)
    assert isinstance(edited, Program), edited.reason
    assert edited.digest != parent.digest
    assert 20 < len(thought_of(recorded.replies[number])) <= 1000


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize(("name", "number"), REPLIES)
def test_its_program_is_better_than_the_one_it_changes(name: str, number: int) -> None:
    recorded = recording(name)
    parent = Program(files=recorded.parent)
    edited = read_edit(recorded.replies[number], parent)
    assert isinstance(edited, Program)
    folder = ROOT / "examples" / recorded.example
    before, after = (metasearch.evaluate(folder, program) for program in (parent, edited))
    assert after.outcome is Outcome.SCORED, after.error
    if recorded.example == "circle_packing":
        assert after.scores["sum_radii"].value > before.scores["sum_radii"].value
    else:
        assert after.scores["excess"].value < before.scores["excess"].value


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_campaign_with_these_replies_reaches_a_record_packing(tmp_path: Path) -> None:
    """2.635 is what AlphaEvolve reported for 26 circles (arXiv 2506.13131, section B.12)."""
    replies = recording("circle_packing.files.evolve").replies
    with ModelServer(replies) as server:
        folder = tmp_path / "campaign"
        folder.mkdir()
        for part in (ROOT / "examples" / "circle_packing").glob("*.*"):
            text = part.read_text("utf-8")
            if part.name == "campaign.toml":
                text += f'\n[models]\napi_base = "{server.url}"\n'
            (folder / part.name).write_text(text)
        ending = metasearch.run(
            folder,
            model="openai/recorded",
            evaluations=4,
            concurrency=1,
            archive=tmp_path / "archive.db",
        )
    assert ending.report.best is not None
    assert ending.report.best.scores["sum_radii"] > 2.635
