"""Prompts in parts: what fits stays whole, what does not gives way in the order that was said."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.errors import ContextOverflow
from metasearch.exchange import Message
from metasearch.prompts import Draft, Part, Prompts, estimated_tokens, extended, fit, shrinking

RENDER = Prompts().render
TASK = Message(role="system", content="The task.")


def draft(*parts: Part) -> list[Message]:
    return [TASK, Draft.of([Part(text="The program."), *parts, Part(text="Now do it.")])]


PARTS = (
    Part(text="result " * 100, priority=1, name="result", shorter=("result " * 10,)),
    Part(text="other " * 100, priority=2, name="inspiration #1"),
    Part(text="another " * 100, priority=2, name="inspiration #2"),
    Part(text="printed " * 100, priority=5, name="printed output", shorter=("printed " * 10,)),
)


def test_a_prompt_that_fits_is_sent_as_it_is() -> None:
    whole = fit(draft(*PARTS), 10_000, RENDER)
    assert whole.cut == ()
    assert [type(message) for message in whole.messages] == [Message, Message]
    assert [m.content for m in whole.messages] == [m.content for m in draft(*PARTS)]


def test_parts_give_way_from_the_least_important_up() -> None:
    seen: list[tuple[str, ...]] = []
    for tokens in range(1_200, 60, -1):
        cut = fit(draft(*PARTS), tokens, RENDER).cut
        if not seen or seen[-1] != cut:
            seen.append(cut)
    printed, second, first = "printed output", "inspiration #2", "inspiration #1"
    assert seen == [
        (),
        (printed,),
        (second, printed),
        (first, second, printed),
        ("result", first, second, printed),
    ]


def test_the_prompt_says_what_is_not_there_in_full_before_its_last_word() -> None:
    shortened = fit(draft(*PARTS), 950, RENDER).messages[-1].content
    assert shortened.endswith(
        "(To keep this prompt short, shortened: printed output.)\n\nNow do it."
    )
    dropped = fit(draft(*PARTS), 600, RENDER).messages[-1].content
    assert "left out: inspiration #2, printed output.)" in dropped
    assert "another" not in dropped
    assert dropped.count("other") == 100


def test_what_cannot_be_cut_is_an_error_with_both_sizes() -> None:
    with pytest.raises(ContextOverflow, match=r"about \d+ tokens.*and 10 are allowed") as caught:
        fit(draft(*PARTS), 10, RENDER)
    assert caught.value.limit == 10
    assert caught.value.requested is not None
    assert caught.value.requested > 10


def test_a_paragraph_more_keeps_the_parts() -> None:
    _, asked = draft(*PARTS)
    longer = extended(asked, "Answer in JSON.")
    assert longer.content == f"{asked.content}\n\nAnswer in JSON."
    least = fit([longer], 100, RENDER).messages[0].content
    assert least.startswith("The program.")
    assert least.endswith("Now do it.\n\nAnswer in JSON.")


WORDS = st.text(alphabet="ab {%}\n", max_size=200)
NAMES = st.text(alphabet="xyz #{%}", min_size=1, max_size=12)
FIXED = st.builds(lambda text, n: Part(text=f"<{n}>{text}<{n}/>"), WORDS, st.integers(0, 9))
LOOSE = st.builds(
    lambda text, priority, name, shorter: Part(
        text=text,
        priority=priority,
        name=name,
        shorter=tuple(text[: len(text) // n] for n in shorter),
    ),
    WORDS,
    st.integers(1, 5),
    NAMES,
    st.lists(st.integers(2, 5), max_size=2),
)
DRAFTS = st.builds(Draft.of, st.lists(st.one_of(FIXED, LOOSE), max_size=8))
PLAIN = st.builds(Message, role=st.just("user"), content=WORDS)


@given(st.lists(st.one_of(DRAFTS, PLAIN), min_size=1, max_size=3), st.integers(1, 1_000))
def test_a_shrunk_prompt_fits_and_keeps_all_that_is_fixed(
    messages: list[Message], tokens: int
) -> None:
    fixed = [
        [part.text for part in message.parts if part.priority == 0]
        if isinstance(message, Draft)
        else [message.content]
        for message in messages
    ]
    try:
        fitted = fit(messages, tokens, RENDER)
    except ContextOverflow:
        least = [Message(role="user", content="\n\n".join(texts)) for texts in fixed]
        names = [part.name for m in messages if isinstance(m, Draft) for part in m.parts]
        note = 100 + sum(len(name) + 2 for name in names)
        assert estimated_tokens(least) + note > tokens
        return
    assert estimated_tokens(fitted.messages) == fitted.tokens <= tokens
    for message, texts in zip(fitted.messages, fixed, strict=True):
        place = 0
        for text in texts:
            place = message.content.index(text, place) + len(text)


@given(st.lists(st.one_of(DRAFTS, PLAIN), min_size=1, max_size=3))
def test_each_prompt_to_fall_back_on_takes_at_most_half(messages: list[Message]) -> None:
    found = list(shrinking(messages, 10_000, RENDER))
    assert 1 <= len(found) <= 3
    for longer, shorter in itertools.pairwise(found):
        assert shorter.tokens <= longer.tokens // 2
