"""Keys are found nowhere: not in errors, logs, records or prompts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.errors import ModelError, ModelSetupError
from metasearch.exchange import Message
from metasearch.models import ModelClient, Redactor, redact
from metasearch.models.memory_journal import MemoryJournal
from metasearch.testing.model_server import Fault, ModelServer

CANARY = "canary+4f9a/77c1==e2"
MakeClient = Callable[..., ModelClient]


def test_values_of_key_variables_are_replaced_by_their_names(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials.json"
    credentials.touch()
    redactor = Redactor(
        {
            "SOME_API_KEY": CANARY,
            "DB_PASSWORD": "hunter2hunter2",
            "TOKENIZERS_PARALLELISM": "perhaps-not",
            "MONKEY": "banana-banana",
            "SHORT_KEY": "on",
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
        }
    )
    text = f"{CANARY} hunter2hunter2 perhaps-not banana-banana on {credentials}"
    assert redactor.values(text) == (
        f"[SOME_API_KEY] [DB_PASSWORD] perhaps-not banana-banana on {credentials}"
    )
    assert redactor.values("?key=canary%2B4f9a%2F77c1%3D%3De2") == "?key=[SOME_API_KEY]"


def test_longer_key_is_replaced_before_one_that_it_contains() -> None:
    redactor = Redactor({"A_KEY": "12345678", "B_KEY": "12345678-abcdef"})
    assert redactor.values("12345678-abcdef 12345678") == "[B_KEY] [A_KEY]"


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcd**********wxyz",
        "sk-proj-abcdef0123456789",
        "AIzaSyA0123456789abcdef",
        "gsk_0123456789ab",
    ],
)
def test_what_is_shaped_like_a_key_leaves_no_error(text: str) -> None:
    assert redact(f"Incorrect API key: {text}.") in (
        "Incorrect API key: [key]",
        "Incorrect API key: [key].",
    )


def test_ordinary_text_stays() -> None:
    text = "the task-scheduler-of-many-things asks disk-drives-and-more in tokens"
    assert redact(text) == text


@pytest.mark.parametrize("status", [401, 400, 500])
async def test_canary_is_found_nowhere(
    make_client: MakeClient,
    journal: MemoryJournal,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    status: int,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    caplog.set_level(logging.DEBUG)
    fault = Fault(status=status, message=f"The key {CANARY} is no good")
    messages = [Message(role="user", content=f"the program printed {CANARY}")]
    with ModelServer(f"you said {CANARY}", faults=[None, fault, fault]) as server:
        async with make_client(server, retries=1) as client:
            reply = await client.ask(step=0, call=0, role="propose", messages=messages)
            with pytest.raises(ModelError) as caught:
                await client.ask(step=1, call=0, role="propose", messages=messages)
    assert server.keys[0] == CANARY  # it was really used
    printed = capfd.readouterr()
    shown = [
        reply.text,
        str(caught.value),
        repr(journal.records),
        repr(server.prompts),
        printed.out,
        printed.err,
        caplog.text,
    ]
    assert [text for text in shown if CANARY in text] == []
    assert isinstance(caught.value, ModelSetupError) is (status == 401)
    assert caught.value.__suppress_context__
    assert "[OPENAI_API_KEY]" in str(caught.value)
