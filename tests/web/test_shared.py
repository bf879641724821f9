"""Answers that all viewers get alike are made once, and never from before the news."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.web import feed
from metasearch.web.pages import campaign as page
from metasearch.web.standing import Standing, standing
from tests.web.kit import Serve, add_run, settle_one

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Iterator[CampaignArchive]:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "live")
        settle_one(run, 0)
        yield run


@pytest.fixture
def client(run: CampaignArchive, tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    with serve(tmp_path / "archive.db") as client:
        yield client


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the strip is made: the candidates that it knows of."""
    found: list[int] = []

    def counted(run: CampaignArchive) -> Standing:
        now = standing(run)
        found.append(sum(now.summary.outcomes.values()))
        return now

    monkeypatch.setattr(page, "standing", counted)
    return found


@contextmanager
def watching(client: httpx.Client, run: CampaignArchive) -> Iterator[Iterator[str]]:
    """A viewer who has heard where the campaign stands; gives the kinds of later messages."""
    address = f"{client.base_url}/api/campaigns/{run.id}/stream"
    with httpx.stream("GET", address, timeout=20) as stream:
        kinds = (line[7:] for line in stream.iter_lines() if line.startswith("event: "))
        assert next(kinds) == "status"
        time.sleep(0.2)  # until it follows the feed
        yield kinds


def ask_at_once(client: httpx.Client, path: str, many: int = 20) -> set[bytes]:
    """Different bodies that so many get who ask at the same moment."""
    barrier = threading.Barrier(many)

    def ask() -> bytes:
        with httpx.Client(base_url=client.base_url) as own:
            barrier.wait()
            return own.get(path).raise_for_status().content

    with ThreadPoolExecutor(many) as pool:
        return {asked.result() for asked in [pool.submit(ask) for _ in range(many)]}


def test_one_answer_serves_all_who_ask_for_it(
    client: httpx.Client, run: CampaignArchive, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.web.shared.FRESH", 30.0)
    with watching(client, run) as kinds:
        assert len(ask_at_once(client, f"/c/{run.id}/strip")) == 1
        assert made == [1]
        settle_one(run, 1)
        assert next(kinds) == "events"
        ask_at_once(client, f"/c/{run.id}/strip")
        assert made == [1, 2]


def test_an_answer_is_never_older_than_the_news(
    client: httpx.Client, run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.web.shared.FRESH", 30.0)
    path = f"/api/campaigns/{run.id}"
    with watching(client, run) as kinds:
        for number in range(1, 6):
            client.get(path)  # kept, and old as soon as there is news
            settle_one(run, number)
            assert next(kinds) == "events"
            assert client.get(path).json()["outcomes"]["crashed"] == number + 1
            assert next(kinds) == "status"


def test_a_command_begins_new_answers(
    client: httpx.Client, run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.web.shared.FRESH", 30.0)
    monkeypatch.setattr(feed, "INTERVAL", 60.0)
    path = f"/api/campaigns/{run.id}/commands"
    with watching(client, run):
        assert client.get(path).json() == []
        body = {"kind": "hint", "text": "Try hexagons."}
        asked = client.post(path, json=body, headers={"X-Metasearch": "1"})
        assert asked.is_success, asked.text
        assert len(client.get(path).json()) == 1


def test_what_nobody_watches_is_read_each_time(
    client: httpx.Client, run: CampaignArchive, made: list[int]
) -> None:
    for _ in range(3):
        client.get(f"/c/{run.id}/strip")
    assert len(made) == 3


def test_answers_for_one_viewer_are_not_shared(
    client: httpx.Client, run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasearch.web.shared.FRESH", 30.0)
    path = f"/api/campaigns/{run.id}"
    with watching(client, run):
        tag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
        assert client.get(path).status_code == 200
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})
        plain = client.get(path, headers={"Accept-Encoding": "identity"})
        assert packed.json() == plain.json()
        assert "content-encoding" not in plain.headers
        with watching(client, run):  # its own stream, at the same address
            pass


def test_more_viewers_are_told_less_often(
    client: httpx.Client, run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "VIEWERS_PER_SECOND", 1)
    with watching(client, run) as kinds, watching(client, run):
        settle_one(run, 1)
        assert next(kinds) == "events"
        told = time.monotonic()
        assert next(kinds) == "status"
        settle_one(run, 2)
        assert next(kinds) == "events"
        assert time.monotonic() - told > 1.5
