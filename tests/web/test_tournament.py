"""The tournament of ideas, over facts that hostile models may have written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.facts import AnyFact, Idea, Match, Origin, Overview, Plan, Review, Turn
from metasearch.program import Program
from tests.web.kit import Serve, Visit, add_run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x1b[31m"


def tell(run: CampaignArchive, *facts: AnyFact) -> list[int]:
    """Record facts in a step of their own; their numbers."""
    step = run.open_step()
    numbers = [recorded.number for recorded in run.record_all(step.number, facts)]
    run.end_step(step.number)
    return numbers


def ideas(run: CampaignArchive, many: int) -> list[int]:
    """So many ideas of which the earlier one always wins, and the last one is discarded."""
    tell(run, Plan(goal="A goal.", criteria=(HOSTILE,)))
    numbers = tell(
        run,
        *(
            Idea(title=f"Idea {n} {HOSTILE}", claim=HOSTILE, operator="explore")
            for n in range(many)
        ),
    )
    tell(run, *(Review(idea=n, method="initial", verdict="pass", text=HOSTILE) for n in numbers))
    tell(run, Review(idea=numbers[-1], method="deep", verdict="fail", text="It repeats."))
    for place, a in enumerate(numbers):
        for b in numbers[place + 1 :]:
            debate = (Turn(speaker="one", text=HOSTILE), Turn(speaker="two", text="No."))
            tell(
                run,
                Match(
                    between="ideas",
                    contestants=(b, a),
                    shares=(0.0, 1.0),
                    mode="debate",
                    transcript=debate,
                    rationale=HOSTILE,
                    judge="openai/judge",
                ),
            )
    tell(run, Overview(purpose="summary", text=f"All in all. {HOSTILE}", ideas=tuple(numbers[:2])))
    return numbers


def build(run: CampaignArchive, idea: int, value: float) -> None:
    """A program of an idea, which is measured."""
    step = run.open_step()
    program = Program(files={"p.py": f"x = {value}"})
    candidate = run.queue_candidate(step.number, 0, program, operator="implement")
    run.record(step.number, 0, Origin(candidate=candidate.number, ideas=(idea,)))
    score = Score(value=value, low=value, high=value)
    stage = StageResult(stage="evaluate", scores={"score": score}, passed=True, seconds=0.1)
    run.settle(candidate.number, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,)))
    run.end_step(step.number)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "a.db", create=True) as archive:
        yield archive


@pytest.fixture
def client(archive: Archive, tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    with serve(tmp_path / "a.db") as client:
        yield client


def test_ratings_follow_the_matches_and_meet_the_scores(
    archive: Archive, client: httpx.Client
) -> None:
    run = add_run(archive, "thinks")
    assert "No idea is recorded yet" in client.get("/c/thinks/tournament").text
    numbers = ideas(run, 4)
    told = client.get("/api/campaigns/thinks/ideas").json()
    assert [each["number"] for each in told["ideas"]] == numbers
    assert [each["state"] for each in told["ideas"]] == ["admitted"] * 3 + ["discarded"]
    assert (told["ideas"][0]["won"], told["ideas"][0]["lost"]) == (3, 0)
    assert told["correlation"] is None
    for idea, value in zip(numbers[:3], (1.0, 2.0, 3.0), strict=True):
        build(run, idea, value)
    told = client.get("/api/campaigns/thinks/ideas").json()
    assert told["correlation"] == pytest.approx(-1)
    assert [each["score"] for each in told["ideas"]] == [1.0, 2.0, 3.0, None]
    judged = Match(
        between="ideas",
        contestants=(numbers[0], numbers[2]),
        shares=(0.2, 0.8),
        purpose="calibration",
    )
    tell(run, judged)
    assert client.get("/api/campaigns/thinks/ideas").json()["agreement"] == 1
    text = client.get("/c/thinks/tournament").text
    assert "-1.00 over 3 ideas" in text
    assert "on 100 % of 1 pairs" in text


def test_what_models_wrote_is_inert(archive: Archive, client: httpx.Client) -> None:
    run = add_run(archive, "thinks")
    numbers = ideas(run, 3)
    matches = [f.number for f in run.all_facts() if f.fact.kind == "match"]
    addresses = [f"/c/thinks/ideas/{n}" for n in numbers]
    addresses += [f"/c/thinks/matches/{n}" for n in matches]
    for address in ["/c/thinks/tournament", *addresses]:
        answer = client.get(address)
        assert answer.status_code == 200
        for raw in ("<script>alert", "<img src=x", "\u202e", "\x1b"):
            assert raw not in answer.text, (address, raw)
    assert client.get("/c/thinks/ideas/999").status_code == 404
    assert client.get(f"/c/thinks/ideas/{matches[0]}").status_code == 404
    assert client.get(f"/c/thinks/matches/{numbers[0]}").status_code == 404


def between(run: CampaignArchive, *contestants: int, **told: object) -> int:
    """A match of candidates; its number."""
    debate = (Turn(speaker="advocate", text=HOSTILE),)
    match = {"between": "candidates", "contestants": contestants, "transcript": debate, **told}
    return tell(run, Match.model_validate({"rationale": HOSTILE, "judge": "a/judge"} | match))[0]


def test_a_match_of_candidates_has_the_page_that_one_of_ideas_has(
    archive: Archive, client: httpx.Client
) -> None:
    run = add_run(archive, "tied")
    for value in (1.0, 2.0, 3.0):
        build(run, 0, value)
    two = between(run, 1, 0, shares=(1.0, 0.0), mode="debate", purpose="tie")
    open_ = between(run, 0, 1, shares=None)
    panel = between(run, 0, 1, 2, shares=(0.2, 0.2, 0.6), mode="panel")
    gone = between(run, 0, 77, shares=(0.0, 1.0))

    page = client.get(f"/c/tied/matches/{two}").text
    assert "<b>the first wins</b>. Debate, for tie: it enters no rating; judged by" in page
    assert page.index("Shown first, won 100 %") < page.index("Shown second, won 0 %")
    assert page.count('class="card winner"') == 1
    assert f'href="/c/{run.id}/1"' in page
    assert "<h2>Debate</h2>" in page
    assert "<h2>What decided</h2>" in page
    assert "no valid verdict" in client.get(f"/c/tied/matches/{open_}").text
    of_three = client.get(f"/c/tied/matches/{panel}").text
    assert of_three.count("won 20 %") == 2
    assert "as number 3, won 60 %" in of_three
    assert client.get(f"/c/tied/matches/{gone}").status_code == 200
    assert client.get(f"/c/tied/matches/{two - 1}").status_code == 404

    for address in ("/c/tied/0/facts", "/c/tied/tournament"):
        listed = client.get(address).text
        for number in (two, open_, panel):
            assert f"/c/{run.id}/matches/{number}" in listed, address
        assert "<script>alert" not in listed
    assert "No idea is recorded" not in client.get("/c/tied/tournament").text
    assert "<script>alert" not in page


def test_a_campaign_of_ideas_alone_leads_to_its_tournament(
    archive: Archive, client: httpx.Client
) -> None:
    run = add_run(archive, "dreams", objectives={}, strategy={"name": "co_scientist"})
    ideas(run, 3)
    for tab in ("", "/candidates", "/lineage", "/operators", "/health", "/strip"):
        led = client.get(f"/c/dreams{tab}")
        assert (led.status_code, led.headers["location"]) == (303, f"/c/{run.id}/tournament"), tab
    text = client.get(f"/c/{run.id}/tournament").text
    assert "ideas alone" in text
    assert "Measured" not in text
    for tab, told in (("events", "recorded"), ("settings", "co_scientist")):
        page = client.get(f"/c/dreams/{tab}")
        assert page.status_code == 200
        assert "ideas alone" in page.text
        assert told in page.text.partition("</nav>")[2]
        for other in ("tournament", "events", "settings"):
            mark = ' aria-current="page"' if other == tab else ""
            assert f'<a href="/c/{run.id}/{other}"{mark}' in page.text, (tab, other)
    assert "Digest of the evaluator" not in client.get("/c/dreams/settings").text
    assert client.get("/api/campaigns/dreams/lineage").json()["total"] == 0
    assert client.get("/compare?c=dreams,dreams").status_code == 422
    assert client.get("/").status_code == 200


@pytest.mark.slow
def test_the_pages_in_a_browser(archive: Archive, client: httpx.Client, browser: Browser) -> None:
    run = add_run(archive, "thinks")
    for idea in ideas(run, 8)[:4]:
        build(run, idea, 1.0 + idea)
    context = browser.new_context(base_url=str(client.base_url), color_scheme="dark")
    visit = Visit(context.new_page())
    page = visit.page
    page.goto("/c/thinks/tournament")
    assert not visit.accessibility()
    page.set_viewport_size({"width": 390, "height": 800})
    assert visit.sideways() == 0
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Reviews")).to_be_visible()
    assert not visit.accessibility()
    assert visit.sideways() == 0
    page.locator("a[href*='/matches/']").first.click()
    expect(page.get_by_role("heading", name="Debate")).to_be_visible()
    assert not visit.accessibility()
    assert visit.sideways() == 0
    ideas(add_run(archive, "dreams", objectives={}, strategy={"name": "co_scientist"}), 2)
    for tab in ("events", "settings"):
        page.goto(f"/c/dreams/{tab}")
        assert not visit.accessibility()
        assert visit.sideways() == 0
    context.close()
    assert not visit.faults, visit.faults
