"""A key in the environment is found nowhere afterwards, and nothing but the model is called."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.exchange import ExchangeState, Message
from metasearch.testing.model_server import Break, Fault, ModelServer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

CANARY = "canary-8d41f7c3be5512aa"

CAMPAIGN = """
name = "keys"
task = "Find what is hidden."
concurrency = 4
lanes = 2
[objectives]
secrets = "maximize"
[models]
default = "openai/test"
api_base = "{url}"
retries = {retries}
[budget]
evaluations = 10
"""

# Looks for the key without holding it: by the digest of whatever it can get hold of.
SNOOPER = """
import glob
import hashlib
import os

NUMBER = 0


def snoop():
    texts = [*os.environ.values(), "control"]
    for file in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
        try:
            with open(file, "rb") as stream:
                words = stream.read().decode("latin-1").replace("=", "\\0").split("\\0")
        except OSError:
            continue
        texts += words
    print(texts)
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]
"""

EVALUATOR = f'''
async def evaluate(candidate):
    found = await candidate.call("snoop")
    if "{sha256(b"control").hexdigest()}" not in found:
        raise ValueError("the snooper does not work")
    return {{"secrets": float("{sha256(CANARY.encode()).hexdigest()}" in found)}}
'''

FORMATS = ("folder", "jsonl", "csv", "calls")


def metasearch(*words: object, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "metasearch", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": CANARY, "COLUMNS": "200", **environment},
        timeout=100,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def talkative() -> ModelServer:
    """A provider that knows the key and repeats it wherever it can."""
    numbers = itertools.count(1)

    def answer(messages: Sequence[Message]) -> str:
        program = SNOOPER.replace("NUMBER = 0", f"NUMBER = {next(numbers)}")
        return f"Your key is {CANARY}.\n```python\n# {CANARY}\n{program}```\n"

    says = f"The key {CANARY} has asked too much"
    faults = [None, Fault(status=429, message=says), Fault(Break.LENGTH), Fault(status=500)]
    return ModelServer(answer, key=CANARY, faults=[*faults, Fault(status=400, message=says)])


def write(folder: Path, server: ModelServer, retries: int = 6) -> Path:
    folder.mkdir()
    (folder / "campaign.toml").write_text(CAMPAIGN.format(url=server.url, retries=retries))
    (folder / "program.py").write_text(SNOOPER)
    (folder / "evaluator.py").write_text(EVALUATOR)
    return folder


def test_a_key_is_found_nowhere_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    printed = []
    with talkative() as server:
        folder = write(tmp_path / "keys", server)
        printed.append(metasearch("run", folder, "--archive", file, "--json"))
        printed.append(metasearch("run", folder, "--archive", file))
    assert set(server.keys) == {CANARY}  # it was really used
    assert server.counts.outcomes.keys() >= {"200", "429", "length", "500", "400"}

    for form in FORMATS:
        target = tmp_path / f"export-{form}"
        printed.append(
            metasearch("export", "keys", "--format", form, "--to", target, "--archive", file)
        )
    for command in ("status", "cost", "best", "lineage"):
        words = ("keys#1",) if command == "lineage" else ("keys",)
        printed.append(metasearch(command, *words, "--archive", file))
    with Archive.open(file, read_only=True) as archive:
        campaign = archive.campaign("keys")
        candidates = list(campaign.candidates())
        exchanges = list(campaign.all_exchanges())
        printed += [repr(candidates), repr(exchanges), repr(list(campaign.events()))]
        printed += [repr(campaign.output(c)) for c in candidates]
        printed += [repr(campaign.program(c)) for c in candidates if c.digest]
        printed.append(campaign.resolved().model_dump_json())
    scored = [c for c in candidates if c.scored]
    assert len(scored) >= 10
    assert {c.scores["secrets"] for c in scored} == {0.0}  # nor inside a sandbox
    assert any("[OPENAI_API_KEY]" in e.reply for e in exchanges)
    assert any("[OPENAI_API_KEY]" in e.error for e in exchanges if e.state is ExchangeState.FAILED)

    assert [text for text in printed if CANARY in text] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > len(FORMATS)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("status", [401, 402, 404, 503])
def test_a_run_that_fails_does_not_show_the_key(tmp_path: Path, status: int) -> None:
    fault = Fault(status=status, message=f"No. Your key was {CANARY}.", retry_after=0.01)
    file = tmp_path / "archive.db"
    with ModelServer(key=CANARY, faults=lambda number: fault) as server:
        folder = write(tmp_path / "keys", server, retries=0)
        words = [sys.executable, "-m", "metasearch", "run", str(folder), "--archive", str(file)]
        environment = {**os.environ, "OPENAI_API_KEY": CANARY}
        log = tmp_path / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(words, stdout=stream, stderr=stream, env=environment)
            while process.poll() is None and "[OPENAI_API_KEY]" not in log.read_text():
                time.sleep(0.1)
            if status == 503:  # else it ends by itself; now it waits for its provider
                process.terminate()
            process.wait(60)
        text = log.read_text()
    assert "[OPENAI_API_KEY]" in text
    assert CANARY not in text + metasearch("status", "keys", "--archive", file)


WATCH = """
import os
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        target = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        with open(os.environ["WATCHED"], "a") as stream:
            stream.write(repr(target) + "\\n")

sys.addaudithook(watch)
"""


@pytest.mark.parametrize("offline", [True, False])
def test_nothing_but_the_models_own_address_is_called(tmp_path: Path, offline: bool) -> None:
    """litellm looks for prices and more on the network when it is imported, unless told not to."""
    hooks, watched = tmp_path / "hooks", tmp_path / "watched"
    hooks.mkdir()
    watched.touch()
    (hooks / "sitecustomize.py").write_text(WATCH)
    with talkative() as server:
        folder = write(tmp_path / "keys", server)
        model = ("--model", "offline/evolve") if offline else ()
        words = ("run", folder, "--archive", tmp_path / "archive.db", "--evaluations", 3, *model)
        metasearch(*words, "--json", PYTHONPATH=str(hooks), WATCHED=str(watched))
        address = server.url.removeprefix("http://").removesuffix("/v1")
    called = [line for line in watched.read_text().splitlines() if "/" not in line]
    host, port = address.split(":")
    ours = {repr((host, int(port))), repr(host), repr("localhost")}
    assert set(called) <= ours
    assert bool(called) is not offline
