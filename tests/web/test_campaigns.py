"""The first page and its API: the same campaigns, found, sorted and paged the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive
from metasearch.facts import Idea
from metasearch.web.sparklines import step_line
from tests.web.kit import Serve, add_run

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>\u202egnp.exe\x1b[2J"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[httpx.Client]:
    """Seven campaigns that have not run; one of them hostile."""
    path = tmp_path_factory.mktemp("many") / "archive.db"
    with Archive.open(path, create=True) as archive:
        for name in ("ant", "bee", "cat", "dog", "eel"):
            add_run(archive, name)
        add_run(archive, "fox", strategy={"name": "random_sampling"})
        add_run(archive, "gnu", strategy={"name": HOSTILE}, models={"default": "other/model"})
    with serve(path) as client:
        yield client


def names(client: httpx.Client, **parameters: str | int | bool) -> list[str]:
    answer = client.get("/api/campaigns", params=parameters)
    assert answer.status_code == 200, answer.text
    listed = [run["name"] for run in answer.json()["campaigns"]]
    page = client.get("/", params=parameters).text
    places = [page.index(f'id="run-{name}-') for name in listed]
    assert places == sorted(places)
    assert page.count("data-row") == len(listed)
    return listed


def test_the_real_campaign_is_shown_as_it_is(
    client: httpx.Client, campaign: str, archive_file: Path
) -> None:
    with Archive.open(archive_file, read_only=True) as archive:
        summary = archive.find(campaign)
        seed = archive.campaign(campaign).candidate(0)
    assert summary.best is not None
    (run,) = client.get("/api/campaigns").json()["campaigns"]
    objective = run["objective"]
    best = summary.best.scores[objective]
    assert run["id"] == campaign
    assert run["state"] == summary.state == "finished"
    assert run["best"] == {
        "candidate": summary.best.number,
        "score": best,
        "change": best - seed.scores[objective],
    }
    assert run["evaluations"] == summary.evaluations
    assert run["outcomes"] == summary.outcomes
    assert run["tokens"] == summary.usage.tokens
    page = client.get("/").text
    assert f"{best:.6g}" in page
    assert f'href="/c/{campaign}"' in page
    assert "<polyline" in page


def test_an_empty_archive_names_the_commands(tmp_path: Path, serve: Serve) -> None:
    Archive.open(tmp_path / "archive.db", create=True).close()
    with serve(tmp_path / "archive.db") as client:
        page = client.get("/").text
    assert "metasearch init" in page
    assert "metasearch run" in page


def test_newest_first_or_as_asked(many: httpx.Client) -> None:
    everything = ["gnu", "fox", "eel", "dog", "cat", "bee", "ant"]
    assert names(many) == everything
    assert names(many, rising=True) == everything[::-1]
    assert names(many, sort="name", rising=True) == everything[::-1]
    assert names(many, sort="evaluations") == everything
    assert names(many, sort="best", rising=True) == everything


def test_found_by_words_state_and_strategy(many: httpx.Client) -> None:
    assert names(many, q="EEL") == ["eel"]
    assert names(many, q="random fox") == ["fox"]
    assert names(many, q="other/model") == ["gnu"]
    assert names(many, strategy="random_sampling") == ["fox"]
    assert len(names(many, state="paused")) == 7
    assert names(many, state="running") == []
    assert len(names(many, state="", strategy="", q="")) == 7
    assert "none matches" in many.get("/", params={"q": "zebra"}).text


def test_pages_follow_each_other(many: httpx.Client) -> None:
    seen: list[str] = []
    after = ""
    while after is not None:
        answer = many.get("/api/campaigns", params={"limit": 3, "after": after}).json()
        seen += [run["name"] for run in answer["campaigns"]]
        after = answer["next"]
    assert seen == ["gnu", "fox", "eel", "dog", "cat", "bee", "ant"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("sort", "color"), ("state", "asleep"), ("limit", "0"), ("limit", "9999"), ("q", "x" * 300)],
)
def test_a_wrong_value_is_named(many: httpx.Client, name: str, value: str) -> None:
    answer = many.get("/api/campaigns", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{name}: ")
    assert many.get("/", params={name: value}).status_code == 422


def test_hostile_names_are_inert(many: httpx.Client) -> None:
    page = many.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;U+202E&gt;gnp.exe␛[2J" in page
    seen = re.sub(r'<option value="[^"]*"', "", page)  # what a form sends back is never shown
    assert "\u202e" not in seen
    assert "\x1b" not in seen


@pytest.mark.parametrize("path", ["/api/campaign", "/formulb", "/c/formulb-zz", "/nothing/at/all"])
def test_an_unknown_address_is_told(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    if "formul" in path:
        assert 'href="/c/formula' in answer.text


def test_an_archive_that_cannot_be_read_tells_no_paths(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "archive.db"
    with serve(path) as client:
        for address in ("/", "/api/campaigns"):
            answer = client.get(address)
            assert answer.status_code == 503
            assert str(tmp_path) not in answer.text
        with Archive.open(path, create=True) as archive:
            add_run(archive, "late")
        assert "late-" in client.get("/").text
        path.unlink()
        with Archive.open(path, create=True) as archive:
            add_run(archive, "other")
        assert "late-" not in client.get("/").text


def test_the_best_so_far_is_a_step_line() -> None:
    assert step_line([], 10) == ""
    line = [tuple(map(float, point.split(","))) for point in step_line([(1, 0), (5, 2)], 9).split()]
    assert line == [(1.5, 14.5), (30.0, 14.5), (30.0, 1.5), (58.5, 1.5)]
    assert step_line([(1, 3.0)], 1)


def test_a_campaign_of_ideas_alone_is_listed_without_a_score(tmp_path: Path, serve: Serve) -> None:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "goal", objectives={}, strategy={"name": "co_scientist"})
        with run.hold():
            step = run.open_step()
            run.record(step.number, 0, Idea(title=HOSTILE, claim="c", operator="explore"))
            run.end_step(step.number)
        with serve(tmp_path / "archive.db") as client:
            assert names(client) == ["goal"]
            (listed,) = client.get("/api/campaigns").json()["campaigns"]
            assert listed["objective"] is None
            assert listed["direction"] is None
            assert listed["best"] is None
            assert "ideas alone" in client.get("/").text
            for path in ("", "/candidates", "/points", "/health", "/curve", "/facts"):
                answer = client.get(f"/api/campaigns/{run.id}{path}")
                assert answer.status_code == 200, (path, answer.text)
