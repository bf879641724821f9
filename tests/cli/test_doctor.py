from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from metasearch.errors import PrerequisiteError, UsageError
from metasearch.sandboxes.gpus.book import UNITS, Book
from metasearch.testing.fake_devices import MEMORY, FakeDevices
from metasearch.testing.model_server import ModelServer

Invoke = Callable[..., Result]


class FakeProvider:
    def __init__(self, problem: str | None) -> None:
        self.problem = problem
        self.closed = False

    async def check(self) -> None:
        if self.problem:
            raise PrerequisiteError(self.problem)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeProvider]:
    found: dict[str, FakeProvider] = {"good": FakeProvider(None)}

    def open_provider(name: str) -> FakeProvider:
        if name not in found:
            raise UsageError(name)
        return found[name]

    monkeypatch.setattr("metasearch.sandboxes.open_provider", open_provider)
    monkeypatch.setattr("metasearch.sandboxes.providers", lambda: list(found))
    return found


def findings(result: Result) -> dict[str, Any]:
    return {f["subject"]: f for f in json.loads(result.stdout)["findings"]}


def test_a_machine_with_one_good_sandbox_can_run(
    invoke: Invoke, sandboxes: dict[str, FakeProvider]
) -> None:
    sandboxes["other"] = FakeProvider("apt-get install \x1b[2Jother")
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = findings(result)
    assert found["sandbox good"]["verdict"] == "ok"
    assert found["sandbox other"]["verdict"] == "missing"
    assert found["litellm"]["verdict"] == "ok"
    assert "cores" in found["lanes"]["detail"]
    assert sandboxes["good"].closed
    assert "apt-get install ␛[2Jother" in invoke("doctor").stdout


def test_a_machine_without_a_sandbox_exits_3_and_says_the_remedy(
    invoke: Invoke, sandboxes: dict[str, FakeProvider]
) -> None:
    sandboxes["good"].problem = "bubblewrap is missing: apt-get install bubblewrap"
    result = invoke("doctor")
    assert result.exit_code == 3
    assert "apt-get install bubblewrap" in result.stdout
    assert "cannot run here" in result.stdout


def test_keys_are_named_and_never_shown(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("MISTRAL_API_KEY", "")
    for words in (("doctor",), ("doctor", "--json")):
        result = invoke(*words)
        assert "OPENAI_API_KEY" in result.stdout
        assert "MISTRAL_API_KEY" not in result.stdout
        assert "sk-very-secret" not in result.output


def test_a_foreign_archive_is_a_finding_not_a_crash(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], tmp_path: Path
) -> None:
    file = tmp_path / "notes.db"
    file.write_text("shopping list")
    result = invoke("doctor", "--archive", file, "--json")
    assert result.exit_code == 3
    assert findings(result)["archive"]["verdict"] == "failed"
    assert "not a metasearch archive" in findings(result)["archive"]["detail"]
    assert file.read_text() == "shopping list"


def test_an_archive_is_described(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], stored: Path
) -> None:
    detail = findings(invoke("doctor", "--archive", stored, "--json"))["archive"]["detail"]
    assert detail.startswith(f"{stored}: 1 runs, ")


@pytest.mark.slow
def test_a_model_without_its_key_or_of_an_unknown_provider_is_refused_with_the_remedy(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    refused = invoke("doctor", "--model", "openai/gpt-4o-mini", "--json")
    assert refused.exit_code == 3
    assert "set the environment variable OPENAI_API_KEY" in findings(refused)["model"]["detail"]
    unknown = invoke("doctor", "--model", "opanai/gpt-4o-mini", "--json")
    assert "Did you mean openai/gpt-4o-mini?" in findings(unknown)["model"]["detail"]
    assert "http://" in invoke("doctor", "--model", "openai/x", "--api-base", "host:1").stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "path", "key", "price", "limits"),
    [
        ("openai/gpt-4o-mini", "/v1", "OPENAI_API_KEY", (0.15, 0.6, 0.075), (128_000, 16_384)),
        ("anthropic/claude-sonnet-4-5", "", "ANTHROPIC_API_KEY", (3, 15, 0.3), (200_000, 64_000)),
        ("openai/my-own", "/v1", "OPENAI_API_KEY", None, (None, None)),
    ],
)
def test_a_model_is_asked_once_over_http_and_described(
    invoke: Invoke,
    sandboxes: dict[str, FakeProvider],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    path: str,
    key: str,
    price: tuple[float, float, float] | None,
    limits: tuple[int | None, int | None],
) -> None:
    monkeypatch.setenv(key, "sk-very-secret")
    with ModelServer("ready", latency=0.05) as server:
        address = server.url.removesuffix("/v1") + path
        result = invoke("doctor", "--model", model, "--api-base", address, "--json")
        shown = invoke("doctor", "--model", model, "--api-base", address)
        assert server.counts.answered == 2
        assert server.keys == ["sk-very-secret"] * 2
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)["model"]
    assert (told["problem"], told["key"]) == ("", key)
    assert 0.05 <= told["seconds"] < 30
    assert told["usage"]["input_tokens"] > 0
    assert (told["context_window"], told["longest_reply"]) == limits
    rates = told["price"] and tuple(told["price"][name] for name in ("input", "output", "cached"))
    assert rates == price
    assert told["features"]["prompt caching"] is (None if price is None else True)
    assert f"found in {key}" in shown.stdout
    assert "sk-very-secret" not in result.output + shown.output


@pytest.mark.slow
def test_a_model_that_cannot_be_used_says_why(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with ModelServer("ready", key="another") as server:
        wrong = invoke("doctor", "--model", "openai/m", "--api-base", server.url, "--json")
        address = server.url
    away = invoke("doctor", "--model", "openai/m", "--api-base", address, "--json")
    assert (wrong.exit_code, away.exit_code) == (3, 3)
    assert "refuses the key" in findings(wrong)["model"]["detail"]
    assert "OPENAI_API_KEY" in findings(wrong)["model"]["detail"]
    assert "sk-very-secret" not in wrong.output
    assert "cannot connect to" in findings(away)["model"]["detail"]


@pytest.mark.slow
def test_the_offline_model_answers_here(invoke: Invoke, sandboxes: dict[str, FakeProvider]) -> None:
    told = json.loads(invoke("doctor", "--model", "offline/evolve", "--json").stdout)["model"]
    assert (told["problem"], told["provider"], told["price"]["input"]) == ("", "offline", 0)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDevices:
    devices = FakeDevices(5)
    monkeypatch.setattr("metasearch.sandboxes.gpus.nvml.NvmlDevices", lambda: devices)
    monkeypatch.setattr("metasearch.sandboxes.gpus.book.machine_folder", lambda: tmp_path / "book")
    return devices


def test_gpus_are_shown_with_name_memory_uuid_and_state(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], gpus: FakeDevices, tmp_path: Path
) -> None:
    book = Book(tmp_path / "book")
    booking = book.book("GPU-fake-1", UNITS // 4)
    assert booking is not None
    gpus.processes["GPU-fake-2"] = {1: None}
    gpus.memory["GPU-fake-2"] = 2 * 10**9
    book.quarantine("GPU-fake-3", "XID 79")
    gpus.broken["GPU-fake-4"] = "NVML: GPU is lost"
    result = invoke("doctor", "--json")
    booking.close()
    assert result.exit_code == 0, "campaigns that ask for no GPU can run"
    listed = json.loads(result.stdout)["gpus"]
    assert [gpu["state"] for gpu in listed] == [
        "free",
        "leased",
        "used",
        "quarantined",
        "unusable",
    ]
    assert {gpu["name"] for gpu in listed} == {"Fake GPU"}
    assert {gpu["memory"] for gpu in listed} == {MEMORY}
    assert listed[1]["reason"] == "25% of it to campaigns"
    assert listed[2]["used"] == 2 * 10**9
    assert "process 1 (" in listed[2]["reason"]
    assert str(book.note("GPU-fake-3")) in listed[3]["reason"]
    shown = findings(result)
    assert [shown[f"gpu {n}"]["verdict"] for n in range(5)] == [
        "ok",
        "ok",
        "ok",
        "failed",
        "failed",
    ]
    assert "Fake GPU, " in shown["gpu 0"]["detail"]
    assert "GPU-fake-0: free" in shown["gpu 0"]["detail"]


def test_without_a_gpu_the_reason_is_shown_and_campaigns_can_run(
    invoke: Invoke, sandboxes: dict[str, FakeProvider], gpus: FakeDevices
) -> None:
    gpus.devices.clear()
    result = invoke("doctor", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["gpus"] == []
    assert findings(result)["gpus"]["detail"] == "none. no driver was found"


def test_lanes_are_shown_with_their_reasons(
    invoke: Invoke, sandboxes: dict[str, FakeProvider]
) -> None:
    detail = findings(invoke("doctor", "--json"))["lanes"]["detail"]
    assert "(cores: " in detail
    assert "memory: " in detail
    assert "devices: none asked" in detail
