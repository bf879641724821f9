"""The test server itself: what it counts, and that it runs as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from metasearch.testing.model_replies import tokens_of
from metasearch.testing.model_server import Fault, ModelServer


def post(url: str, text: str, key: str = "k") -> dict[str, Any]:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def test_replies_may_be_a_function_of_the_prompt() -> None:
    with ModelServer(lambda messages: messages[-1].content.upper()) as server:
        answer = post(server.url, "hello")
    assert answer["choices"][0]["message"]["content"] == "HELLO"
    assert answer["usage"]["completion_tokens"] == tokens_of("HELLO") == server.counts.output_tokens
    assert [prompt[-1].content for prompt in server.prompts] == ["hello"]


def test_faults_come_in_order_and_are_counted() -> None:
    with ModelServer(faults=[Fault(status=429, retry_after=3), None]) as server:
        with pytest.raises(HTTPError) as caught:
            post(server.url, "x")
        caught.value.close()
        post(server.url, "x")
    assert (caught.value.code, caught.value.headers["Retry-After"]) == (429, "3")
    assert server.counts.outcomes == {"429": 1, "200": 1}
    assert (server.counts.requests, server.counts.answered) == (2, 1)


def test_wrong_key_is_refused() -> None:
    with ModelServer(key="right") as server:
        post(server.url, "x", key="right")
        with pytest.raises(HTTPError, match="401") as caught:
            post(server.url, "x", key="wrong")
        caught.value.close()


@pytest.mark.slow
def test_runs_as_a_process_with_replies_from_files(tmp_path: Path) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for file in files:
        file.write_text(file.stem * 3)
    command = [sys.executable, "-m", "metasearch.testing.model_server"]
    command += ["--latency", "0.01", "--reply", *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        texts = [post(url, "x")["choices"][0]["message"]["content"] for _ in range(3)]
        process.terminate()
        assert process.wait(10) == 0
    assert texts == ["aaa", "bbb", "aaa"]
