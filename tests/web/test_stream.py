"""The stream: what happens arrives, and after a gap nothing is missing or doubled."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive, CampaignArchive
from tests.web.kit import Serve, add_run, settle_one

pytestmark = pytest.mark.slow

Message = tuple[str, str, dict[str, object]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def run(path: Path) -> Iterator[CampaignArchive]:
    with Archive.open(path, create=True) as archive:
        yield add_run(archive, "live")


@pytest.fixture
def client(run: CampaignArchive, path: Path, serve: Serve) -> Iterator[httpx.Client]:
    with serve(path) as client:
        yield client


def messages(answer: httpx.Response) -> Iterator[Message]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


def watch(
    client: httpx.Client, until: int, headers: dict[str, str] | None = None, query: str = ""
) -> tuple[list[int], str]:
    """The events up to one, by one connection, and the last id."""
    seen: list[int] = []
    last = ""
    address = f"/api/campaigns/live/stream{query}"
    with client.stream("GET", address, headers=headers, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for event, id_, data in messages(answer):
            if event == "events":
                events = data["events"]
                assert isinstance(events, list)
                seen += [found["seq"] for found in events]
                last = id_
                assert int(last) == seen[-1]
                if seen[-1] >= until:
                    break
    return seen, last


def test_what_happens_arrives_once(client: httpx.Client, run: CampaignArchive, path: Path) -> None:
    """Over two connections, while candidates are added."""

    def work(numbers: range) -> None:
        with Archive.open(path) as archive:
            own = archive.campaign(run.id)
            for number in numbers:
                settle_one(own, number)

    before = run.version()[0]
    seen: list[int] = []
    last = str(before)
    for numbers in (range(20), range(20, 40)):
        worker = threading.Thread(target=work, args=(numbers,))
        worker.start()  # each candidate is four facts
        found, last = watch(client, before + 4 * numbers.stop, {"Last-Event-ID": last})
        worker.join()
        seen += found
    assert seen == [event.seq for event in run.events(before, 10_000)]


def test_a_page_goes_on_from_what_it_shows(client: httpx.Client, run: CampaignArchive) -> None:
    for number in range(300):
        settle_one(run, number)
    seen, _ = watch(client, run.version()[0], query="?after=3")
    assert seen == [event.seq for event in run.events(3, 10_000)]


def test_the_state_is_told_when_it_changes(client: httpx.Client, run: CampaignArchive) -> None:
    with client.stream("GET", "/api/campaigns/live/stream", timeout=20) as answer:
        found = messages(answer)
        assert next(found)[2]["state"] == "paused"
        time.sleep(1)
        run.finish("target")
        states = []
        for event, _, data in found:
            if event == "status":
                states.append(data["state"])
                break
    assert states == ["finished"]


def test_many_viewers_are_one_reader(client: httpx.Client, run: CampaignArchive) -> None:
    counts: list[int] = []

    def view() -> None:
        with httpx.Client(base_url=client.base_url) as own:
            counts.append(len(watch(own, before + 20, query=f"?after={before}")[0]))

    before = run.version()[0]
    viewers = [threading.Thread(target=view) for _ in range(50)]
    for viewer in viewers:
        viewer.start()
    time.sleep(3)
    for number in range(10):
        settle_one(run, number)
    for viewer in viewers:
        viewer.join(20)
    assert len(counts) == 50
    assert min(counts) >= 20


def test_a_campaign_that_is_gone_ends_its_stream(
    client: httpx.Client, run: CampaignArchive, path: Path
) -> None:
    with client.stream("GET", "/api/campaigns/live/stream", timeout=20) as answer:
        found = messages(answer)
        assert next(found)[0] == "status"
        time.sleep(1)
        path.unlink()
        Archive.open(path, create=True).close()
        assert list(found) == []
    assert client.get("/api/campaigns/live/stream").status_code == 404


def test_an_unknown_campaign_has_no_stream(client: httpx.Client) -> None:
    assert client.get("/api/campaigns/lives/stream").status_code == 404
    assert client.get("/api/campaigns/live/stream?after=x").status_code == 422
