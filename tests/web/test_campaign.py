"""The pages of one campaign, as a program sees them: what they show, and what they leave out."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.facts import Insight
from metasearch.program import Program
from tests.web.kit import Serve, add_run, settle_one

pytestmark = pytest.mark.slow

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\u202e'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def archive(path: Path) -> Iterator[Archive]:
    with Archive.open(path, create=True) as archive:
        yield archive


@pytest.fixture
def own(archive: Archive, path: Path, serve: Serve) -> Iterator[httpx.Client]:
    with serve(path) as client:
        yield client


def score_one(
    run: CampaignArchive,
    parents: tuple[int, ...] = (),
    *,
    operator: str = HOSTILE,
    island: int | None = None,
    model: str = "",
    **values: float,
) -> int:
    """One more scored candidate, in a step of its own."""
    step = run.open_step()
    if model:
        asked = [Message(role="user", content="x")]
        run.begin_exchange(step.number, 0, role="propose", model=model, messages=asked)
        run.answer_exchange(step.number, 0, reply="r", usage=Usage(usd=0.25))
    number = run.queue_candidate(
        step.number,
        0,
        Program(files={"p.py": f"x = {step.number}"}),
        parents=parents,
        operator=operator if parents else "seed",
        island=island,
        name=HOSTILE,
        thought=HOSTILE,
    ).number
    scores = {name: Score(value=value, low=value, high=value) for name, value in values.items()}
    stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.1)
    run.settle(number, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,), seconds=0.1))
    run.end_step(step.number)
    return number


def counted(client: httpx.Client, address: str) -> str:
    """A page as it is when all candidates are read."""
    until = time.monotonic() + 30
    while "read for the first time" in (text := client.get(address).text):
        assert time.monotonic() < until
        time.sleep(0.1)
    return text


def tabs_of(text: str) -> list[str]:
    bar = text.partition('class="tabs"')[2].partition("</nav>")[0]
    return re.findall(r">([^<>]+)</a>", html.unescape(bar))


def test_the_first_page_tells_where_the_campaign_stands(
    client: httpx.Client, campaign: str
) -> None:
    told = client.get(f"/api/campaigns/{campaign}").json()
    text = client.get(f"/c/{campaign}").text
    best = told["best"]["candidate"]
    assert f'<a href="/c/{campaign}/{best}">#{best}</a>' in text
    assert "<b>20</b> of 20" in text
    assert "is better" in text
    assert "since the seed" in text
    newest = client.get(f"/api/campaigns/{campaign}/candidates").json()["candidates"][0]
    assert f'id="candidate-{newest["number"]}"' in text


@pytest.mark.parametrize(
    "part",
    [
        *("candidates", "lineage", "lineage?view=tree", "grid", "islands", "operators"),
        *("insights", "health", "events", "settings", "now", "strip"),
    ],
)
def test_every_part_answers(client: httpx.Client, campaign: str, part: str) -> None:
    assert client.get(f"/c/{campaign}/{part}").status_code == 200
    assert client.get(f"/c/nobody/{part}").status_code == 404


def test_parts_without_facts_are_absent(client: httpx.Client, campaign: str) -> None:
    shown = tabs_of(client.get(f"/c/{campaign}").text)
    assert shown == [
        *("Overview", "Candidates", "Lineage", "Grid", "Islands"),
        *("Operators & models", "Health", "Events", "Settings"),
    ]
    assert client.get(f"/c/{campaign}/front").status_code == 404


def test_a_campaign_shows_the_parts_that_it_has(archive: Archive, own: httpx.Client) -> None:
    run = add_run(
        archive,
        "two",
        objectives={"score": "maximize", "cost": "minimize"},
        strategy={"name": "hill_climb"},
    )
    score_one(run, score=1.0, cost=1.0)
    step = run.open_step()
    run.record(step.number, 0, Insight(text=HOSTILE, evidence=(0,)))
    run.end_step(step.number)
    shown = tabs_of(own.get("/c/two").text)
    assert shown == [
        *("Overview", "Candidates", "Lineage", "Front", "Operators & models"),
        *("Insights", "Health", "Events", "Settings"),
    ]
    assert own.get("/c/two/grid").status_code == 404
    text = own.get("/c/two/insights").text
    assert "&lt;script&gt;alert(1)" in text


def test_the_front_is_what_nothing_beats(archive: Archive, own: httpx.Client) -> None:
    run = add_run(archive, "two", objectives={"score": "maximize", "cost": "minimize"})
    for values in ((1, 1), (3, 3), (2, 5), (0.5, 2)):
        score_one(run, score=values[0], cost=values[1])
    text = counted(own, "/c/two/front")
    table = text.partition('id="front"')[2]
    assert re.findall(r"data-open href=\"/c/[^\"]+/(\d+)\"", table) == ["1", "0"]
    assert own.get("/c/two/front?a=nothing").status_code == 422


def test_text_of_candidates_is_inert_everywhere(archive: Archive, own: httpx.Client) -> None:
    run = add_run(archive, "bad", objectives={"score": "maximize", "cost": "minimize"})
    score_one(run, score=1.0, cost=1.0)
    score_one(run, (0,), score=2.0, cost=1.0)
    for part in ("", "/candidates", "/lineage", "/front", "/operators", "/events", "/now"):
        answer = own.get(f"/c/bad{part}")
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "\u202e" not in answer.text


def test_a_campaign_without_candidates_says_so(archive: Archive, own: httpx.Client) -> None:
    add_run(archive, "new", objectives={"score": "maximize", "cost": "minimize"})
    assert "No candidate yet" in own.get("/c/new").text
    for part in ("candidates", "lineage", "front", "grid", "operators", "health", "events"):
        assert own.get(f"/c/new/{part}").status_code == 200, part


def test_a_search_that_fails_says_why(archive: Archive, own: httpx.Client) -> None:
    run = add_run(archive, "bad")
    score_one(run, score=1.0)
    with run.hold():
        for number in range(1, 31):
            settle_one(run, number)
        assert "1 of the last 31 scored: 30 were crashed" in own.get("/c/bad").text


def test_the_filter_names_the_wrong_term(client: httpx.Client, campaign: str) -> None:
    answer = client.get(f"/c/{campaign}/candidates", params={"q": "operatr:evolve"})
    assert answer.status_code == 422
    assert "Did you mean operator?" in answer.text
    fine = client.get(f"/c/{campaign}/candidates", params={"q": "operator:seed"})
    assert re.findall(r'id="candidate-(\d+)"', fine.text) == ["0"]


def test_the_list_goes_on_where_it_ended(archive: Archive, own: httpx.Client) -> None:
    run = add_run(archive, "long")
    for number in range(7):
        settle_one(run, number)
    seen = []
    address = "/c/long/candidates?limit=3"
    while address:
        text = own.get(address).text
        seen += re.findall(r'id="candidate-(\d+)"', text)
        found = re.search(r'<a href="([^"]+)" rel="next">', text)
        address = html.unescape(found[1]) if found else ""
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_lineage_lists_ancestors_and_children(archive: Archive, own: httpx.Client) -> None:
    run = add_run(archive, "tree")
    score_one(run, score=1.0)
    score_one(run, (0,), score=2.0)
    score_one(run, (1,), score=1.5)
    score_one(run, (1,), score=3.0)
    text = own.get("/c/tree/lineage?focus=1").text
    above, below = text.partition('id="relatives"')[2].split("Children of #1")
    assert re.findall(r"data-open>#(\d+)", above) == ["0"]
    assert re.findall(r"data-open>#(\d+)", below) == ["3", "2"]
    tree = own.get("/api/campaigns/tree/lineage?focus=1").json()
    assert tree["parent"] == [-1, 0, 1, 1]
    assert tree["lane"] == [0, 0, 0, 1]
    assert own.get("/c/tree/lineage?focus=99").status_code == 404


def test_operators_are_counted(archive: Archive, own: httpx.Client) -> None:
    run = add_run(archive, "ops")
    score_one(run, score=1.0)
    score_one(run, (0,), score=2.0)
    score_one(run, (0,), score=0.5)
    settle_one(run, 3)
    text = counted(own, "/c/ops/operators")
    row = text.partition("alert(1)")[2].partition("</tr>")[0]
    cells = [re.sub(r"<[^>]+>", "", cell).split() for cell in re.findall(r"<td.*?</td>", row, re.S)]
    assert cells[:4] == [["2"], ["2"], ["2"], ["1", "50", "%"]]


def test_operators_meet_models_where_there_are_several(archive: Archive, own: httpx.Client) -> None:
    for name in ("alone", "pairs"):
        run = add_run(archive, name)
        score_one(run, score=1.0)
        for model, value in (("small", 2.0), ("small", 0.5), ("large", 0.5)):
            score_one(run, (0,), operator="mutate", model=model, score=value)
    score_one(run, (0,), operator="cross <b>", model=HOSTILE, score=3.0)
    assert "Operators with models" not in counted(own, "/c/alone/operators")
    text = html.unescape(counted(own, "/c/pairs/operators").partition("Operators with models")[2])
    rows = [
        [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall("<td.*?</td>", row)]
        for row in re.findall(r"<tr>.*?</tr>", text.replace("\n", " "))
    ]
    each = "100 % 1 of 1 $0.25, $0.25 each"
    assert rows[1:] == [
        ["50 % 1 of 2 $0.5, $0.5 each", "0 % 0 of 1 $0.25", "never"],
        ["never", "never", each],
    ]
    link = re.findall(r'href="(/c/pairs[^"]*/candidates[^"]+)"', text)[0]
    assert re.findall(r'id="candidate-(\d+)"', own.get(link).text) == ["2", "1"]
    found = own.get("/api/campaigns/pairs/operators").json()
    assert found["operators"]["mutate"]["tried"] == 3
    assert {(p["operator"], p["model"]): p["brought"]["improved"] for p in found["pairs"]} == {
        ("mutate", "small"): 1,
        ("mutate", "large"): 0,
        ("cross <b>", HOSTILE): 1,
    }


def test_migrations_are_marked_on_the_island_that_they_reach(
    archive: Archive, own: httpx.Client
) -> None:
    options = {"islands": 3, "migration_interval": 4, "topology": "ring"}
    run = add_run(archive, "sea", strategy={"name": "map_elites", "options": options})
    score_one(run, score=1.0)
    assert "A tick" not in counted(own, "/c/sea/islands")
    for island, value in ((0, 1.5), (1, 9.0), (2, 2.0)):
        score_one(run, (0,), island=island, score=value)
    text = counted(own, "/c/sea/islands")
    words = " ".join(re.sub(r"<[^>]+>", "", text).split())
    assert "A tick at the lower edge" in words
    assert "numbers from 0 to 3" in words
    first, second, third = re.split(r"Island \d:", words)[1:]
    assert "1 came in, last #3 from island 2 after #3" in first
    assert "came in" not in second  # its own is better
    assert "1 came in, last #2 from island 1 after #3" in third
    assert re.findall(r'class="ticks" d="([^"]+)"', text) == ["M238 62V72"] * 2


def test_settings_tell_what_is_no_default(client: httpx.Client, campaign: str) -> None:
    text = client.get(f"/c/{campaign}/settings").text
    bold = re.findall(r'class="bold"><td class="mono"><bdi[^>]*>([^<]+)', text)
    assert "budget.evaluations" in bold
    assert "objectives.error" in bold
    assert "sandbox.pids" not in bold


def test_a_short_campaign_has_curves_of_its_health(client: httpx.Client, campaign: str) -> None:
    text = counted(client, f"/c/{campaign}/health")
    assert "10 settled candidates at a time" in text
    assert text.count('class="small-chart"') == 5
    told = client.get(f"/api/campaigns/{campaign}/health", params={"window": 10}).json()
    assert len(told["windows"]) == 2
    for window in told["windows"]:
        assert f"#{window['first']} to #{window['last']}" in text


def test_the_events_may_be_of_one_kind(client: httpx.Client, campaign: str) -> None:
    every = client.get(f"/c/{campaign}/events").text
    settled = client.get(f"/c/{campaign}/events?kind=settled").text
    assert "queued" in every.partition("<tbody>")[2]
    assert "queued" not in settled.partition("<tbody>")[2]
