"""Structured replies: forgiving of form, never of content."""

from __future__ import annotations

import json
from enum import StrEnum

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from metasearch.exchange import Usage
from metasearch.operators.structured import LONGEST, read, schema_text
from metasearch.step import Refused, Reply


class Choice(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"


class Verdict(BaseModel):
    choice: Choice
    score: int = Field(ge=1, le=10)
    reasons: list[str]
    comment: str | None


GIVEN = {"choice": "accept", "score": 7, "reasons": ["short", "a {} b"], "comment": None}
WANTED = Verdict(choice=Choice.ACCEPT, score=7, reasons=["short", "a {} b"], comment=None)
PLAIN = json.dumps(GIVEN)


def reply(text: str, finish_reason: str = "stop") -> Reply:
    return Reply(text, Usage(), finish_reason, replayed=False, model="scripted")


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        json.dumps(GIVEN, indent=2),
        f"Here it is:\n```json\n{PLAIN}\n```\nI hope that helps.",
        f"The set {{1, 2}} leads me to this: {PLAIN} as you see.",
        f"{PLAIN}\nOnce more:\n{PLAIN}",
        f'<think>First I thought {{"choice": "reject"}}.</think>\n{PLAIN}',
        PLAIN[:-1] + ",}",
        PLAIN.replace('", "', '" "'),
        PLAIN.replace("null", "None"),
    ],
)
def test_the_form_is_forgiven(text: str) -> None:
    assert read(reply(text), Verdict) == WANTED


class Note(BaseModel):
    text: str
    sure: bool


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("{'text': 'it is', 'sure': True}", "it is"),
        ('{text: "two\nlines", sure: true}', "two\nlines"),
        ('{"text": "he said "no" to it", "sure": true,}', 'he said "no" to it'),
        ('{"text": "caf\\u00e9 \\n \\"x\\"", "sure": true,}', 'café \n "x"'),
    ],
)
def test_quotes_and_line_ends_are_forgiven(text: str, note: str) -> None:
    assert read(reply(text), Note) == Note(text=note, sure=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("I accept it.", "no JSON object"),
        ('{"choice": "accept", "score": 7, "reasons": []}', "comment: Field required"),
        (PLAIN.replace("accept", "maybe"), "choice: Input should be 'accept' or 'reject'"),
        (PLAIN.replace("7", "11"), "score: Input should be less than or equal to 10"),
        (PLAIN.replace("7", '"7"'), "score: Input should be a valid integer"),
        (PLAIN.replace("7", ""), "no valid JSON"),
        (PLAIN.replace("7", "7 out of 10"), "no valid JSON"),
        (PLAIN.replace("7", "7, // of 10"), "no valid JSON"),
        (PLAIN.replace("7", "7, 8"), "no valid JSON"),
        (PLAIN.replace("7", '7, "score": 8'), "no valid JSON"),
        (PLAIN.replace('"short"', '"short", ...'), "no valid JSON"),
        (f"{PLAIN}\nor rather\n{PLAIN.replace('7', '8')}", "2 objects that differ"),
        (f"[{PLAIN}, {PLAIN[:-20]}", "cut off"),
        ('{"choice":' + "[" * 100_000, "cut off"),
        ("{" * 100_000, "cut off"),
        (" " * LONGEST + PLAIN, "at most"),
        (PLAIN.replace("7", "1" * 10_000), "score: Input should be a valid integer"),
    ],
)
def test_the_content_is_not(text: str, reason: str) -> None:
    answer = read(reply(text), Verdict)
    assert isinstance(answer, Refused)
    assert reason in answer.reason
    assert len(answer.reason) < 2_000


def test_a_reply_that_was_cut_is_not_mended() -> None:
    mendable = PLAIN[:-1] + ",}"
    assert read(reply(mendable), Verdict) == WANTED
    assert isinstance(read(reply(mendable, "length"), Verdict), Refused)
    assert read(reply(PLAIN, "length"), Verdict) == WANTED


TEXTS = st.text(alphabet=st.sampled_from("ab \"'{}[]:,\\\n“é`"), max_size=30)
NOTES = st.builds(Note, text=TEXTS, sure=st.booleans())


@given(NOTES, st.data(), st.sampled_from(["%s", "```json\n%s\n```", "so: %s"]))
@example(Note(text='"}', sure=True), None, "%s")
@settings(max_examples=300)
def test_no_beginning_of_an_answer_is_an_answer(
    note: Note, data: st.DataObject | None, form: str
) -> None:
    whole = note.model_dump_json()
    assert read(reply(form % whole), Note) == note
    ends = range(len(whole)) if data is None else [data.draw(st.integers(0, len(whole) - 1))]
    for end in ends:
        cut = (form % whole[:end]).removesuffix("\n```")
        assert isinstance(read(reply(cut), Note), Refused)


@given(NOTES, st.integers(0, 80), st.text(alphabet="ab1{}[]\":,'", max_size=3))
@settings(max_examples=300)
def test_what_is_read_from_a_damaged_answer_stands_in_it(
    note: Note, place: int, damage: str
) -> None:
    whole = note.model_dump_json()
    damaged = whole[:place] + damage + whole[place + len(damage) :]
    answer = read(reply(damaged), Note)
    if isinstance(answer, Note):
        assert str(answer.sure).lower() in damaged
        letters = [letter for letter in answer.text if letter.isalnum()]
        for letter in letters:
            assert damaged.count(letter) >= answer.text.count(letter)


def test_a_schema_with_a_default_is_refused_before_anything_is_asked() -> None:
    class Inner(BaseModel):
        grade: int = 5

    class Outer(BaseModel):
        inner: Inner

    with pytest.raises(TypeError, match=r"Inner\.grade has a default"):
        schema_text(Outer)
