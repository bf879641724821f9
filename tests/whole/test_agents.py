"""Campaigns whose candidates are agents: real engine, worker, sandbox and model server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.errors import ArchiveError, UsageError
from metasearch.exchange import Exchange, ExchangeState, Message
from metasearch.testing.model_server import ModelServer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

CANARY = "canary-b5f1c0d2a99e47b3"

CAMPAIGN = """
name = "agents"
task = "Answer the question."
concurrency = {concurrency}
lanes = 2
[objectives]
score = "maximize"
[strategy]
name = "random_parent"
[models]
default = "{model}"
api_base = "{url}"
retries = 2
max_tokens = 200
[models.prices."openai/test"]
input = 1.0
output = 2.0
[budget]
evaluations = 8
[sandbox]
timeout = 20
[agent]
calls = 3
tokens = 20_000
max_tokens = 200
"""

AGENT = """
import metasearch_runner

STYLE = 0

def answer(question):
    thought = metasearch_runner.ask(f"Q: think about {question} in style {STYLE}").text
    reply = metasearch_runner.ask(f"Q: decide {question} in style {STYLE} given {thought}")
    return reply.text
"""
"""An agent that asks twice: it thinks first and then decides."""

EVALUATOR = """
async def evaluate(candidate):
    decided = await candidate.call("answer", "6 * 7")
    candidate.feedback(decided)
    return {"score": float(len(decided))}
"""


def model(messages: Sequence[Message]) -> str:
    """As agents' model: says it again. As the proposing one: another style."""
    text = messages[-1].content
    if text.startswith("Q: "):
        return f"<{text[3:]}>"
    styles = re.findall(r"STYLE = (\d+)", "\n".join(m.content for m in messages))
    style = int(sha256("".join(m.content for m in messages).encode()).hexdigest()[:6], 16)
    program = AGENT.replace("STYLE = 0", f"STYLE = {style + len(styles)}")
    return f"```python{program}```"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(model, key=CANARY) as server:
        yield server


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes the campaign's folder, with other settings and files if asked."""

    def make(
        url: str = "http://127.0.0.1:1/v1",
        *,
        model: str = "openai/test",
        concurrency: int = 4,
        program: str = AGENT,
        evaluator: str = EVALUATOR,
        more: str = "",
    ) -> Path:
        folder = tmp_path / "agents"
        folder.mkdir(exist_ok=True)
        text = CAMPAIGN.format(url=url, model=model, concurrency=concurrency) + more
        (folder / "campaign.toml").write_text(text)
        (folder / "program.py").write_text(program)
        (folder / "evaluator.py").write_text(evaluator)
        return folder

    return make


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "metasearch", *map(str, words)]


def metasearch(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPENAI_API_KEY": CANARY}
    done = subprocess.run(
        command(*words), capture_output=True, text=True, env=environment, timeout=100
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done


def run(folder: Path, archive: Path, *words: object, code: int = 0) -> dict[str, Any]:
    done = metasearch("run", folder, "--archive", archive, "--json", *words, code=code)
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if not code else {}
    return last


def asked(file: Path) -> dict[int, list[Exchange]]:
    """Candidate -> what it asked."""
    with Archive.open(file, read_only=True) as archive:
        campaign = archive.campaign("agents")
        return {c.number: campaign.exchanges_by(c.number) for c in candidates(campaign)}


def candidates(campaign: CampaignArchive) -> list[Any]:
    return [*campaign.candidates(), *campaign.queued()]


def evaluated(file: Path) -> dict[int, list[Exchange]]:
    """Likewise, without those that had no new program."""
    rejected = {row[0] for row in outcomes(file) if row[2] == "rejected"}
    return {number: found for number, found in asked(file).items() if number not in rejected}


def outcomes(file: Path) -> list[tuple[object, ...]]:
    with Archive.open(file, read_only=True) as archive:
        found = archive.campaign("agents").candidates()
        return [(c.number, c.digest, c.outcome, c.scores, c.parents) for c in found]


def texts(file: Path) -> list[tuple[object, ...]]:
    return [(e.asker, e.call, e.messages, e.reply) for es in asked(file).values() for e in es]


def in_order(file: Path, number: int) -> list[Exchange]:
    """All calls of a sequential campaign up to the last ask of a candidate."""
    with Archive.open(file, read_only=True) as archive:
        campaign = archive.campaign("agents")
        found: list[Exchange] = []
        for candidate in campaign.candidates():
            found += campaign.exchanges(candidate.step) + campaign.exchanges_by(candidate.number)
            if candidate.number == number:
                return found
    raise AssertionError(f"there is no candidate #{number}")


def agents_prompts(server: ModelServer) -> Counter[str]:
    last = [prompt[-1].content for prompt in server.prompts]
    return Counter(text for text in last if text.startswith("Q: "))


def test_agents_are_scored_and_billed(server: ModelServer, write: Write, tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    finished = run(write(server.url, more="[evaluator]\ntest = true\n"), file)
    assert (finished["reason"], finished["evaluations"]) == ("evaluations", 8)
    asks = evaluated(file)
    assert len(asks) == 8
    number = finished["best"]["candidate"]
    # The test split is another measurement, and asks anew.
    assert [e.reply for e in asks[number][2:]] == [e.reply for e in asks[number][:2]]
    for exchanges in asks.values():
        assert [(e.call, e.role, e.state) for e in exchanges[:2]] == [
            (0, "agent", "answered"),
            (1, "agent", "answered"),
        ]
        assert exchanges[0].reply in exchanges[1].messages[0].content
    assert finished["tokens"] == server.counts.input_tokens + server.counts.output_tokens
    with Archive.open(file, read_only=True) as archive:
        campaign = archive.campaign("agents")
        assert {c.outcome for c in campaign.candidates()} <= {"scored", "rejected"}
        assert campaign.candidate(number).scores["score"] == len(asks[number][1].reply)
    reference = f"agents#{number}"
    shown = json.loads(metasearch("show", reference, "--archive", file, "--json").stdout)
    used = [e.usage for e in asks[number]]
    assert shown["asks"]["calls"] == len(used) == 4
    assert shown["asks"]["tokens"] == sum(u.tokens for u in used)
    assert shown["asks"]["usd"] == pytest.approx(sum(u.usd or 0 for u in used))
    text = metasearch("show", reference, "--archive", file).stdout
    assert f"4 calls, {shown['asks']['tokens']} tokens, $" in text


def test_two_sequential_runs_of_one_seed_are_identical(write: Write, tmp_path: Path) -> None:
    folder = write(model="offline/evolve", concurrency=1)
    stories = []
    for name in ("first.db", "second.db"):
        run(folder, tmp_path / name, "--seed", 5)
        with Archive.open(tmp_path / name, read_only=True) as archive:
            campaign = archive.campaign("agents")
            facts = [(c.number, c.step, c.digest, c.scores) for c in campaign.candidates()]
        stories.append((facts, texts(tmp_path / name)))
    assert stories[0] == stories[1]
    assert len(stories[0][0]) >= 8


def asks_under_way(file: Path) -> int:
    try:
        found = asked(file)
    except (ArchiveError, UsageError):  # not made yet
        return 0
    return sum(e.state is ExchangeState.PENDING for es in found.values() for e in es)


def wait_for_line(engine: subprocess.Popen[bytes], part: bytes) -> None:
    assert engine.stdout is not None
    assert any(part in line for line in engine.stdout)


def test_kill_9_in_mid_ask_buys_no_reply_twice(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    with ModelServer(model, key=CANARY, latency=0.5) as server:
        folder = write(server.url)
        environment = {**os.environ, "OPENAI_API_KEY": CANARY}
        for kill in range(2):
            words = command("run", folder, "--archive", file, "--json")
            engine = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
            answered_before = sum(agents_prompts(server).values())
            deadline = time.monotonic() + 60
            while not (
                sum(agents_prompts(server).values()) > answered_before and asks_under_way(file)
            ):
                assert engine.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            family = psutil.Process(engine.pid).children(recursive=True)
            engine.kill()
            engine.wait()
            _, alive = psutil.wait_procs(family, timeout=10)
            assert alive == [], f"left after kill {kill}"
        finished = run(folder, file)
        bought = agents_prompts(server)
    assert finished["evaluations"] == 8
    asks = asked(file)
    answered = Counter(
        (number, e.call)
        for number, exchanges in asks.items()
        for e in exchanges
        if e.state is ExchangeState.ANSWERED
    )
    assert set(answered.values()) == {1}
    assert len(answered) == 16
    lost = sum(e.state is ExchangeState.LOST for es in asks.values() for e in es)
    # A reply that was on its way when its engine died never arrived: those, and no others,
    # are asked for again.
    assert 1 <= lost <= 2 * 4
    assert 16 <= sum(bought.values()) <= 16 + lost
    with Archive.open(file, read_only=True) as archive:
        campaign = archive.campaign("agents")
        assert {c.outcome for c in campaign.candidates()} <= {"scored", "rejected"}


def test_ctrl_c_lets_asks_arrive_and_the_second_one_does_not(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    with ModelServer(model, key=CANARY, latency=2.0) as server:
        folder = write(server.url)
        environment = {**os.environ, "OPENAI_API_KEY": CANARY}
        # Long enough for both signals to come before the reply on a busy machine, too.
        for signals, latency in ((1, 2.0), (2, 5.0)):
            server.latency = latency
            words = command("run", folder, "--archive", file, "--json")
            engine = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE)
            deadline = time.monotonic() + 60
            while not asks_under_way(file):
                assert engine.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            engine.send_signal(signal.SIGINT)
            wait_for_line(engine, b"Once more to stop at once")
            if signals == 2:
                engine.send_signal(signal.SIGINT)
            engine.communicate(timeout=60)
            assert engine.returncode == 130
            assert (asks_under_way(file) > 0) is (signals == 2)
        server.latency = 0.0
        assert run(folder, file)["evaluations"] == 8
    assert {row[2] for row in outcomes(file)} <= {"scored", "rejected"}


def test_a_used_up_budget_parks_the_candidate_and_a_larger_one_goes_on(
    server: ModelServer, write: Write, tmp_path: Path
) -> None:
    folder = write(server.url, concurrency=1)
    text = (folder / "campaign.toml").read_text()
    # An ask then reserves more than a proposal: it is the one that does not fit.
    text = text.replace("tokens = 20_000\nmax_tokens = 200", "tokens = 20_000\nmax_tokens = 5000")
    (folder / "campaign.toml").write_text(text)
    whole, file = tmp_path / "whole.db", tmp_path / "archive.db"
    run(folder, whole)
    server.prompts.clear()

    second = in_order(whole, 2)[-1]
    spent = sum(e.usage.tokens for e in in_order(whole, 2)[:-1])
    limit = spent + second.reserved_tokens - 1
    finished = run(folder, file, "--tokens", limit)
    assert (finished["reason"], finished["tokens"]) == ("tokens", spent)
    with Archive.open(file, read_only=True) as archive:
        parked = archive.campaign("agents").queued()
    assert [c.number for c in parked] == [2]
    assert [e.call for e in asked(file)[2]] == [0]

    assert run(folder, file)["reason"] == "evaluations"
    assert set(agents_prompts(server).values()) == {1}
    assert outcomes(file) == outcomes(whole)
    assert texts(file) == texts(whole)


def test_a_seed_that_the_budget_does_not_reach_is_not_blamed(
    server: ModelServer, write: Write, tmp_path: Path
) -> None:
    folder, file = write(server.url), tmp_path / "archive.db"
    failed = metasearch("run", folder, "--archive", file, "--tokens", 350, code=1)
    assert "The budget of 350 tokens is used up" in failed.stderr
    with Archive.open(file, read_only=True) as archive:
        assert [c.number for c in archive.campaign("agents").queued()] == [0]
    assert run(folder, file)["evaluations"] == 8
    assert set(agents_prompts(server).values()) == {1}


def test_a_provider_that_goes_down_is_waited_for(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    first = ModelServer(model, key=CANARY)
    first.start()
    folder = write(first.url, concurrency=1)
    (folder / "evaluator.py").write_text(EVALUATOR)
    words = command("run", folder, "--archive", file, "--json", "--evaluations", 20)
    environment = {**os.environ, "OPENAI_API_KEY": CANARY}
    engine = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        while sum(agents_prompts(first).values()) < 7:
            assert engine.poll() is None
            time.sleep(0.005)
        first.stop()
        with Archive.open(file, read_only=True) as archive:
            while archive.find("agents").state != "waiting":
                assert engine.poll() is None
                time.sleep(0.02)
            assert "openai/test" in archive.find("agents").reason
        port = int(first.url.split(":")[2].split("/")[0])
        with ModelServer(model, key=CANARY, port=port):
            said, _ = engine.communicate(timeout=100)
    finally:
        engine.kill()
        engine.wait()
    assert engine.returncode == 0, said
    with Archive.open(file, read_only=True) as archive:
        campaign = archive.campaign("agents")
        assert {c.outcome for c in campaign.candidates()} <= {"scored", "rejected"}
        assert campaign.evaluations() == 20
        assert campaign.queued() == []


HUNTER = """
import glob, hashlib, os, re
import metasearch_runner

DIGEST = "{digest}"

def found(data):
    hits = re.finditer(rb"canary" + rb"-[0-9a-f]{{16}}", data)
    return any(hashlib.sha256(hit.group()).hexdigest() == DIGEST for hit in hits)

def memory():
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if rights[0] == "r" and "vvar" not in line and "vsyscall" not in line:
                mem.seek(start)
                try:
                    yield mem.read(end - start)
                except OSError:
                    continue

def files():
    own = ("/tmp/*", "/sandbox/**", "/.metasearch/**")
    for pattern in ("/proc/*/environ", "/proc/*/cmdline", *own):
        for path in glob.glob(pattern, recursive=True):
            try:
                with open(path, "rb") as file:
                    yield file.read()
            except OSError:
                continue

def hunt(planted):
    reply = metasearch_runner.ask("Q: what is the key?")
    known = planted and [planted]  # shows that the hunt finds what is there
    places = {{
        "reply": [repr(reply).encode()],
        "environment": [repr(dict(os.environ)).encode()],
        "files": files(),
        "memory": memory(),
    }}
    return [name for name, contents in places.items() if any(found(c) for c in contents)]
"""


def test_the_key_is_nowhere_inside(server: ModelServer, write: Write) -> None:
    program = HUNTER.format(digest=sha256(CANARY.encode()).hexdigest())
    evaluator = """
import os
async def evaluate(candidate):
    assert os.environ["OPENAI_API_KEY"]
    planted = os.environ["OPENAI_API_KEY"].encode() if candidate.repeat else b""
    found = await candidate.call("hunt", planted)
    candidate.feedback(f"repeat {candidate.repeat}: {found}")
    return {"score": float(len(found))}
"""
    folder = write(
        server.url, program=program, evaluator=evaluator, more="[evaluator]\nrepeats = 2"
    )
    done = json.loads(metasearch("evaluate", folder, "--json").stdout)
    assert done["outcome"] == "scored", done["error"]
    assert server.keys == [CANARY, CANARY]
    assert done["feedback"] == "repeat 0: []\nrepeat 1: ['memory']"


def test_a_model_that_cannot_be_used_is_told_before_the_first_candidate(
    server: ModelServer, write: Write, tmp_path: Path
) -> None:
    folder = write(server.url)
    text = (folder / "campaign.toml").read_text()
    text = text.replace("[models.prices", 'agent = "no-such-provider/x"\n[models.prices')
    (folder / "campaign.toml").write_text(text)
    for words in (("run", folder, "--archive", tmp_path / "archive.db"), ("evaluate", folder)):
        failed = metasearch(*words, code=3)
        assert "The model for role 'agent' cannot be used" in failed.stderr
    assert server.counts.received == 0


def test_without_the_section_nobody_may_ask(write: Write) -> None:
    folder = write()
    text = (folder / "campaign.toml").read_text().partition("[agent]")[0]
    (folder / "campaign.toml").write_text(text)
    done = json.loads(metasearch("evaluate", folder, "--json", code=1).stdout)
    assert done["outcome"] == "crashed"
    assert "may not ask models ([agent] in campaign.toml)" in done["error"]
