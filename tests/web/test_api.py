"""The API says what the archive says, with versions, pages and the sandbox of artifacts."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Artifact, EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.program import Program
from metasearch.web.points import COLUMNS
from tests.web.kit import Serve, add_run, settle_one

pytestmark = pytest.mark.slow

SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def run(archive_file: Path, campaign: str) -> Iterator[CampaignArchive]:
    with Archive.open(archive_file, read_only=True) as archive:
        yield archive.campaign(campaign)


@pytest.fixture
def base(campaign: str) -> str:
    return f"/api/campaigns/{campaign}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[httpx.Client]:
    """A run with a hostile artifact, a huge line, a score out of range and two files."""
    path = tmp_path_factory.mktemp("made") / "archive.db"
    with Archive.open(path, create=True) as archive:
        run = add_run(archive, "made", evaluator={"metrics": ["density"]})
        artifacts = (
            Artifact(name="a.svg", media_type="image/svg+xml", content=SCRIPT),
            Artifact(name="../x\r\nSet-Cookie: a=b", media_type="text/html", content=SCRIPT),
        )
        for number, value in enumerate((1.0, 1e300, 3.0)):
            step = run.open_step()
            prompt = [Message(role="user", content="x" * 2_000_000)]
            run.begin_exchange(step.number, 0, role="propose", model="m", messages=prompt)
            usage = Usage(input_tokens=10, output_tokens=5, usd=0.25)
            run.answer_exchange(step.number, 0, reply="reply", usage=usage)
            files = {"program.py": f"x = {number}\n", "notes.md": "y" * 100_000}
            run.queue_candidate(
                step.number, 0, Program(files=files), operator="o", parents=range(number)[-1:]
            )
            measured = {"score": value, "density": 0.5}
            scores = {name: Score(value=v, low=v, high=v) for name, v in measured.items()}
            stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.1)
            result = EvaluationResult(
                outcome=Outcome.SCORED, stages=(stage,), artifacts=artifacts, stdout="out\x1b[2J"
            )
            run.settle(number, result)
            run.end_step(step.number)
    with serve(path) as client:
        client.base_url = client.base_url.join("/api/campaigns/made")
        yield client


def test_a_campaign_stands_where_the_archive_says(
    client: httpx.Client, base: str, run: CampaignArchive
) -> None:
    told = client.get(base).json()
    summary = run.summary()
    assert summary.best is not None
    assert told["best"] == {"candidate": summary.best.number, "scores": summary.best.scores}
    assert told["seed"] == run.candidate(0).scores
    assert told["evaluations"] == summary.evaluations
    assert told["settings"]["task"] == summary.settings.task
    assert client.get(f"/api/campaigns/{summary.name}").json()["id"] == run.id


def test_candidates_come_in_pages_without_gaps(
    client: httpx.Client, base: str, run: CampaignArchive
) -> None:
    everything = {candidate.number: candidate for candidate in run.candidates()}
    orders = {
        "newest": sorted(everything, reverse=True),
        "oldest": sorted(everything),
        "best": [candidate.number for candidate in run.best(1000)],
    }
    for order, expected in orders.items():
        seen: list[int] = []
        after = ""
        while after is not None:
            parameters: dict[str, str | int] = {"sort": order, "limit": 4, "after": after}
            page = client.get(f"{base}/candidates", params=parameters).json()
            seen += [found["number"] for found in page["candidates"]]
            after = page["next"]
        assert seen == expected
    worst = client.get(f"{base}/candidates", params={"sort": "worst"}).json()["candidates"]
    assert sorted(found["number"] for found in worst) == sorted(orders["best"])


@pytest.mark.parametrize(
    ("q", "holds"),
    [
        ("outcome:scored", lambda c: c.outcome == "scored"),
        ("-outcome:scored", lambda c: c.outcome != "scored"),
        ("operator:evolve number>3", lambda c: c.operator == "evolve" and c.number > 3),
        ("score<40", lambda c: c.scores.get("error", 99) < 40),
        ("error>=40 island:1", lambda c: c.scores.get("error", 0) >= 40 and c.island == 1),
        ('text:"a CONSTANT"', lambda c: "a constant" in (c.thought + c.error).lower()),
        ("-constant", lambda c: "constant" not in (c.thought + c.error).lower()),
        ("parent:#0", lambda c: 0 in c.parents),
        ("100%_", lambda c: False),
    ],
)
def test_the_filter_finds_what_it_says(
    client: httpx.Client, base: str, run: CampaignArchive, q: str, holds: object
) -> None:
    assert callable(holds)
    expected = [c.number for c in sorted(run.candidates(), key=lambda c: -c.number) if holds(c)]
    answer = client.get(f"{base}/candidates", params={"q": q, "limit": 500}).json()
    assert [found["number"] for found in answer["candidates"]] == expected
    assert q == "100%_" or expected


def test_one_candidate_with_all_its_records(
    client: httpx.Client, base: str, run: CampaignArchive
) -> None:
    best = run.best()[0]
    told = client.get(f"{base}/candidates/{best.number}").json()
    assert told["scores"] == best.scores
    assert told["parents"] == list(best.parents)
    assert told["thought"] == best.thought
    program = run.program(best).files
    assert [file["path"] for file in told["files"]] == list(program)
    files = client.get(f"{base}/candidates/{best.number}/files").json()
    assert {file["path"]: file["text"] for file in files} == program
    calls = client.get(f"{base}/candidates/{best.number}/exchanges").json()
    exchanges = run.exchanges_of(best.number)
    assert calls["total"] == told["calls"] == len(exchanges)
    assert calls["calls"][0]["reply"] == exchanges[0].reply
    difference = client.get(f"{base}/candidates/{best.number}/diff").json()
    assert difference["before"] == best.parents[0]
    (file,) = difference["files"]
    lines = program["program.py"].splitlines()
    for line in file["lines"]:
        if line["after"] is not None:
            assert lines[line["after"] - 1] == line["text"]
    assert file["added"] >= 1


def test_what_is_not_there_is_told(client: httpx.Client, base: str) -> None:
    for path in ("/candidates/999", "/candidates/0/artifacts/7", "x", "/candidates/999/diff"):
        answer = client.get(base + path)
        assert answer.status_code == 404
        assert answer.json()["error"]
    answer = client.get(f"{base}x").json()
    assert answer["nearest"][0].startswith("/c/formula")
    assert client.get(f"{base}/candidates/0/diff").status_code == 404
    assert client.get(f"{base}/points?metric=nothing").status_code == 422


def test_a_known_version_is_not_sent_again(client: httpx.Client, base: str) -> None:
    for path in ("", "/candidates", "/candidates/0", "/points", "/points?format=binary"):
        answer = client.get(base + path)
        tag = answer.headers["etag"]
        again = client.get(base + path, headers={"If-None-Match": f'"other", {tag}'})
        assert again.status_code == 304
        assert again.content == b""
        assert client.get(base + path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_what_is_kept_for_a_while_has_no_version(client: httpx.Client, base: str) -> None:
    for path in ("/costs", "/health"):
        assert "etag" not in client.get(base + path).headers


def test_many_requests_at_once_while_an_engine_writes(tmp_path: Path, serve: Serve) -> None:
    paths = ("", "/candidates", "/candidates/0", "/candidates/0/files", "/points", "/health")

    def ask(turn: int) -> int:
        path = f"/api/campaigns/busy{paths[turn % len(paths)]}"
        answer = client.get(path)
        if path.endswith("/points"):
            assert answer.json()["number"] == list(range(answer.json()["count"]))
        return answer.status_code

    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "busy")
        settle_one(run, 0)
        with serve(tmp_path / "archive.db") as client, ThreadPoolExecutor(16) as threads:
            answers = threads.map(ask, range(200))
            for number in range(1, 60):
                settle_one(run, number)
            assert set(answers) == {200}


def test_events_go_back_to_the_beginning(
    client: httpx.Client, base: str, run: CampaignArchive
) -> None:
    seen: list[int] = []
    before: int | None = 2**62
    while before is not None:
        page = client.get(f"{base}/events", params={"before": before, "limit": 50}).json()
        seen += [event["seq"] for event in page["events"]]
        before = page["next"]
    assert seen == [event.seq for event in run.events(limit=10_000)][::-1]
    only = client.get(f"{base}/events", params={"kind": ["created", "finished"]}).json()
    assert [event["kind"] for event in only["events"]] == ["finished", "created"]


def test_costs_add_up(client: httpx.Client, base: str, run: CampaignArchive) -> None:
    for by in ("model", "role", "operator"):
        told = client.get(f"{base}/costs", params={"by": by}).json()
        assert told["complete"]
        tokens = sum(group["input_tokens"] + group["output_tokens"] for group in told["costs"])
        assert tokens == run.usage().tokens


def test_health_is_folded_to_the_end(client: httpx.Client, base: str) -> None:
    told = client.get(f"{base}/health", params={"window": 5}).json()
    assert told["complete"]
    assert len(told["windows"]) >= 4


def test_points_are_the_settled_candidates(
    client: httpx.Client, base: str, run: CampaignArchive
) -> None:
    expected = list(run.candidates())
    every = {"columns": COLUMNS}
    points = client.get(f"{base}/points", params=every).json()
    assert points["count"] == len(expected)
    assert "usd" not in client.get(f"{base}/points").json()
    assert points["number"] == [candidate.number for candidate in expected]
    outcomes = [points["outcomes"][code] for code in points["outcome"]]
    assert outcomes == [candidate.outcome for candidate in expected]
    operators = [points["operators"][code] for code in points["operator"]]
    assert operators == [candidate.operator for candidate in expected]
    for value, candidate in zip(points["value"], expected, strict=True):
        score = candidate.scores.get("error")
        assert value == (score if score is None else pytest.approx(min(score, 3.4028e38), 1e-4))
    records = [n for n, record in zip(points["number"], points["record"], strict=True) if record]
    assert records == [point.candidate for point in run.curve()]
    assert points["evaluations"][-1] == run.evaluations()
    assert points["tokens"][-1] == run.usage().tokens
    later = client.get(f"{base}/points", params={"after": expected[-3].seq}).json()
    assert later["number"] == [candidate.number for candidate in expected[-2:]]


def test_binary_points_say_the_same(client: httpx.Client, base: str) -> None:
    as_json = client.get(f"{base}/points", params={"columns": COLUMNS}).json()
    every = {"columns": COLUMNS, "format": "binary"}
    body = client.get(f"{base}/points", params=every).content
    (length,) = struct.unpack_from("<I", body)
    head = json.loads(body[4 : 4 + length])
    assert (4 + length) % 8 == 0
    for name, place in head["columns"].items():
        start = 4 + length + place["offset"]
        assert start % 8 == 0
        dtype = np.dtype(place["type"]).newbyteorder("<")
        column = np.frombuffer(body, dtype, head["count"], start)
        told = [np.nan if value is None else value for value in as_json[name]]
        np.testing.assert_array_equal(column, np.array(told, dtype))


def test_numbers_out_of_range_are_drawn_at_the_edge(made: httpx.Client) -> None:
    points = made.get("/points", params={"columns": ["value", "usd"]}).json()
    assert points["value"] == [1.0, pytest.approx(3.4028e38, rel=1e-4), 3.0]
    assert points["usd"] == [0.25, 0.5, 0.75]
    density = made.get("/points", params={"metric": "density"}).json()
    assert density["value"] == [0.5, 0.5, 0.5]


def test_an_artifact_can_do_nothing(made: httpx.Client) -> None:
    first, second = made.get("/candidates/0").json()["artifacts"]
    answer = made.get(f"/candidates/0/artifacts/{first['position']}")
    assert answer.content == SCRIPT
    assert len(SCRIPT) == first["size"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "image/svg+xml"
    answer = made.get(f"/candidates/0/artifacts/{second['position']}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in answer.headers


def test_long_texts_are_cut(made: httpx.Client) -> None:
    (call,) = made.get("/candidates/0/exchanges").json()["calls"]
    assert len(call["messages"][0]["content"]) < 1_001_000
    assert call["messages"][0]["content"].endswith("[1000000 more characters]")
    difference = made.get("/candidates/1/diff").json()
    assert [file["status"] for file in difference["files"]] == ["changed", "same"]
