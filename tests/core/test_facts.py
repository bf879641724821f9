from __future__ import annotations

from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from metasearch.facts import (
    KINDS,
    AnyFact,
    Fact,
    Idea,
    Insight,
    Match,
    Operation,
    Origin,
    Overview,
    Phrasing,
    Plan,
    Review,
    Selection,
    Setting,
    Shortcut,
    Value,
)

EXAMPLES: tuple[AnyFact, ...] = (
    Plan(goal="Pack circles.", criteria=("novel",)),
    Idea(title="Rings", claim="Rings pack well.", operator="explore", parents=(0,), predicted=0.1),
    Review(idea=1, method="initial", verdict=None, text="?", novelty=5),
    Match(between="ideas", contestants=(1, 2), shares=(0.75, 0.25), mode="debate"),
    Value(candidate=3, score=-20, explanation="It overlaps."),
    Selection(operator="expand", candidates=(3,), generation=2),
    Origin(candidate=3, ideas=(1,), insights=(7,)),
    Insight(
        text="Shake at the end.",
        evidence=(3,),
        shortcut=Shortcut(name="shake", sequence=(Operation(name="append"),)),
    ),
    Setting(temperature=0.4, acceptance=-0.5, evaluations=3, budget=10, reflects=True),
    Overview(purpose="feedback", text="Too many rings."),
    Phrasing(prompt="complex, expert", text="Rethink it.", generation=2),
)


def test_every_kind_is_known_and_comes_back_from_json_as_it_was() -> None:
    assert sorted(KINDS) == sorted(e.kind for e in EXAMPLES) == sorted({*KINDS})
    assert {type(e) for e in EXAMPLES} == set(get_args(AnyFact))
    adapter: TypeAdapter[AnyFact] = TypeAdapter(Fact)
    for example in EXAMPLES:
        assert adapter.validate_json(example.model_dump_json()) == example
        assert str(example).strip()


def test_what_a_model_wrote_is_cut_and_made_valid() -> None:
    value = Value(candidate=0, score=None, explanation="a\ud800" + "b" * 10_000)
    assert value.explanation.startswith("a?bbb")
    assert value.explanation.endswith("(10002 characters)")
    assert len(value.explanation) == 4_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "value", "candidate": 0, "score": 101, "explanation": ""},
        {"kind": "value", "candidate": 0, "score": float("nan"), "explanation": ""},
        {"kind": "value", "candidate": -1, "score": 0, "explanation": ""},
        {"kind": "match", "between": "ideas", "contestants": [1], "shares": [1]},
        {"kind": "match", "between": "ideas", "contestants": [1, 2], "shares": [1.5, 0]},
        {"kind": "selection", "operator": "x", "candidates": list(range(101))},
        {"kind": "review", "idea": 0, "method": "initial", "verdict": "maybe", "text": ""},
        {"kind": "idea", "title": "t", "claim": "c", "operator": "o", "mood": "good"},
        {"kind": "gossip"},
    ],
)
def test_what_is_out_of_bounds_or_unknown_is_refused(wrong: dict[str, object]) -> None:
    adapter: TypeAdapter[AnyFact] = TypeAdapter(Fact)
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)
