"""Commands by the API and by the controls of the page, to a real engine that asks a real server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from metasearch.archive import Archive, CampaignSummary
from metasearch.exchange import Message
from metasearch.testing.model_server import ModelServer
from metasearch.web import Access, Workshop, create_app
from metasearch.web.workshop import digest
from tests.web.kit import Serve, Visit, add_run, settle_one

SAYING = {"X-Metasearch": "1"}


@pytest.fixture
def resting(tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    """A server over a campaign with two candidates and no engine."""
    with Archive.open(tmp_path / "a.db", create=True) as archive:
        run = add_run(archive, "resting")
        settle_one(run, 0)
        settle_one(run, 1)
    with serve(tmp_path / "a.db") as client:
        yield client


def test_a_command_is_stored_and_told(resting: httpx.Client, tmp_path: Path) -> None:
    address = "/api/campaigns/resting/commands"
    hint = {"kind": "hint", "text": "<b>Think</b> of primes.", "below": 1, "expires": 3}
    given = resting.post(address, json=hint, headers=SAYING)
    assert given.status_code == 201
    assert given.json()["who"] == "web"
    assert given.json()["answered"] is None
    with Archive.open(tmp_path / "a.db", read_only=True) as archive:
        (stored,) = archive.campaign("resting").commands()
    assert stored.command.model_dump(exclude_defaults=True) == {k: hint[k] for k in list(hint)[1:]}
    assert resting.get(f"{address}/0").json() == given.json()
    assert resting.get(address).json() == [given.json()]
    assert resting.get(f"{address}/1").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ({"kind": "pause"}, 409, "No engine runs"),
        ({"kind": "stop"}, 409, "No engine runs"),
        ({"kind": "veto", "candidate": 7}, 422, "no candidate #7"),
        ({"kind": "veto", "candidate": 0}, 422, "seed"),
        ({"kind": "extend", "evaluations": 3}, 422, "100 already"),
        ({"kind": "extend"}, 422, "at least one limit"),
        ({"kind": "withdraw", "hint": 9}, 422, "no hint 9"),
        ({"kind": "hint", "text": " "}, 422, "text"),
        ({"kind": "hint", "text": "x" * 4001}, 422, "4000"),
        ({"kind": "format"}, 422, "kind"),
    ],
)
def test_what_cannot_be_is_refused(
    resting: httpx.Client, body: dict[str, object], status: int, part: str
) -> None:
    refused = resting.post("/api/campaigns/resting/commands", json=body, headers=SAYING)
    assert (refused.status_code, part in refused.json()["error"]) == (status, True), refused.text
    form = {name: str(value) for name, value in body.items()}
    refused = resting.post("/c/resting/commands", data=form, headers=SAYING)
    assert refused.status_code == status
    assert "HX-Trigger" not in refused.headers
    assert resting.get("/api/campaigns/resting/commands").json() == []


def test_only_this_site_commands(resting: httpx.Client) -> None:
    for address in ("/api/campaigns/resting/commands", "/c/resting/commands", "/c/resting/start"):
        assert resting.post(address, json={"kind": "idea", "text": "x"}).status_code == 403
        foreign = SAYING | {"Origin": "http://elsewhere.example"}
        assert resting.post(address, data={"kind": "stop"}, headers=foreign).status_code == 403
    assert resting.get("/api/campaigns/resting/commands").json() == []


def test_the_controls_say_what_there_is_to_do(resting: httpx.Client) -> None:
    text = resting.get("/c/resting/commands").text
    assert "No engine runs it." in text
    assert "metasearch run /campaigns/resting" in text
    assert ">Pause<" not in text
    form = {"kind": "hint", "text": "<script>alert(1)</script>\u202e"}
    given = resting.post("/c/resting/commands", data=form, headers=SAYING)
    assert given.headers["HX-Trigger"] == "commanded"
    text = resting.get("/c/resting/commands").text
    assert "asked, waits for an engine" in text
    assert "1 hint in force" in text
    assert "<script>alert" not in text
    assert "\u202e" not in text


class Desk:
    """A root with one campaign that a real model server answers for, and a server over it."""

    def __init__(self, folder: Path, model: ModelServer) -> None:
        self.root = folder / "campaigns"
        self.archive = folder / "archive.db"
        numbers = self.root / "numbers"
        numbers.mkdir(parents=True)
        (numbers / "program.py").write_text("def answer():\n    return 0\n")
        (numbers / "evaluator.py").write_text(
            "def evaluate(candidate):\n    return {'score': float(candidate.call('answer'))}\n"
        )
        (numbers / "campaign.toml").write_text(
            'task = "Answer a large number."\nconcurrency = 2\n[objectives]\nscore = "maximize"\n'
            '[strategy]\nname = "best_of_n"\n[budget]\nevaluations = 400\n'
            '[sandbox]\nprovider = "none"\n'
            f'[models]\ndefault = "openai/test"\napi_base = "{model.url}"\n'
        )
        Archive.open(self.archive, create=True).close()

    def summary(self) -> CampaignSummary:
        with Archive.open(self.archive, read_only=True) as archive:
            return archive.find("numbers")

    def wait(self, reached: Callable[[CampaignSummary], bool]) -> CampaignSummary:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            now = self.summary()
            if reached(now):
                return now
            time.sleep(0.05)
        raise AssertionError(f"not reached within a minute: {self.summary()}")

    def end(self) -> None:
        with Archive.open(self.archive, read_only=True) as archive:
            held = [each.holder for each in archive.campaigns() if each.holder]
        for holder in held:
            os.kill(int(re.findall(r"process (\d+)", holder)[0]), signal.SIGKILL)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    replies = iter(range(1, 10**6))

    def grow(_: Sequence[Message]) -> str:
        return f"Longer.\n```python\ndef answer():\n    return {next(replies)}\n```\n"

    with ModelServer(grow, latency=0.3) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    desk = Desk(tmp_path, model)
    yield desk
    desk.end()


def app_of(desk: Desk, access: Access | None = None) -> FastAPI:
    workshop = Workshop(desk.archive, [desk.root], {})
    return create_app(desk.archive, access, workshop)


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(240)
def test_a_campaign_is_run_from_the_page(
    browser: Browser, desk: Desk, model: ModelServer, serve: Serve
) -> None:
    access = Access(token="a token of the tests")
    with serve(desk.archive, app=app_of(desk, access)) as client:
        gone = str(client.base_url)
        context = browser.new_context(base_url=gone)
        visit = Visit(context.new_page())
        page = visit.page
        page.goto("/new?folder=0/numbers")
        page.get_by_label("Token").fill("a token of the tests")
        page.get_by_role("button", name="Log in").click()

        page.get_by_role("button", name="Check").click()
        expect(page.locator("#check")).to_contain_text("The seed program scores score 0")
        assert len(model.prompts) == 0
        page.get_by_label("Evaluations").fill("500")
        page.get_by_label("Evaluations").blur()
        expect(page.locator("#text")).to_have_value(re.compile("evaluations = 500"))
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**/c/numbers-*")
        summary = desk.wait(lambda s: s.evaluations >= 2)
        assert summary.settings.budget.evaluations == 500

        page.goto(f"/c/{summary.id}/commands")
        page.get_by_role("button", name="Steer…").click()
        page.get_by_label("Words").fill("Think of primes.")
        page.get_by_role("button", name="Show its place").click()
        expect(page.locator(".preview mark")).to_have_text("Think of primes.", timeout=60_000)
        assert not visit.accessibility()
        page.get_by_role("button", name="Give it").click()
        expect(page.locator("#commands")).to_contain_text("is the first to see it")
        expect(page.locator("#steer-form")).to_be_hidden()
        asked, seen = len(model.prompts), desk.summary().evaluations
        desk.wait(lambda s: s.evaluations >= seen + 6)
        later = list(model.prompts)[asked + 2 :]
        assert sum(any("Think of primes." in m.content for m in p) for p in later) > 1

        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Continue")).to_be_visible()
        assert desk.summary().state == "paused"
        page.get_by_role("button", name="Extend…").click()
        page.get_by_label("Evaluations, now 500").fill("900")
        page.get_by_role("button", name="Extend", exact=True).click()
        expect(page.locator("#commands")).to_contain_text("taken before step")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        before = desk.summary().evaluations
    # The server has gone, and the engine goes on.
    going = desk.wait(lambda s: s.evaluations > before + 2)
    assert going.state == "running"
    with serve(desk.archive, app=app_of(desk, access)) as client:
        address = str(client.base_url).rstrip("/")
        page.goto(f"{address}/c/{summary.id}/commands")
        page.get_by_role("button", name="Stop…").click()
        page.get_by_role("button", name="Stop it").click()
        desk.wait(lambda s: not s.holder)
        expect(page.get_by_role("button", name="Continue")).to_be_visible()
        assert not visit.accessibility()
        page.set_viewport_size({"width": 390, "height": 800})
        assert visit.sideways() == 0
        rested = desk.summary().evaluations
        page.get_by_role("button", name="Continue").click()
        desk.wait(lambda s: s.evaluations > rested)
        page.wait_for_url("**/c/numbers-*")
        context.close()
    # The page outlived the first server, and said so; nothing else was amiss.
    lost = re.compile(
        f"(net::ERR_|Failed to fetch|network error).* at {re.escape(gone)}", re.DOTALL
    )
    assert not [fault for fault in visit.faults if not lost.search(fault)], visit.faults


@pytest.mark.slow
@pytest.mark.sandbox
def test_an_engine_that_cannot_start_says_why(desk: Desk, serve: Serve) -> None:
    file = desk.root / "numbers" / "campaign.toml"
    text = file.read_text().replace('provider = "none"', 'provider = "docker"\nruntime = "nope"')
    file.write_text(text)
    with serve(desk.archive, app=app_of(desk)) as client:
        form = {"text": text, "known": digest(text)}
        begun = client.post("/new/start?folder=0/numbers", data=form, headers=SAYING)
        assert begun.headers["HX-Redirect"] == "/started?folder=0%2Fnumbers", begun.text
        until = time.monotonic() + 60
        while "exit code" not in (page := client.get("/started?folder=0/numbers").text):
            assert time.monotonic() < until, page
            time.sleep(0.2)
    assert "Error: " in page
    assert list(desk.archive.with_name("archive.db.logs").glob("numbers-*.log"))


def test_a_server_without_roots_makes_nothing(resting: httpx.Client) -> None:
    assert resting.get("/new").status_code == 404
    assert resting.post("/new", data={"name": "x"}, headers=SAYING).status_code == 404
    assert resting.post("/c/resting/start", headers=SAYING).status_code == 409


@pytest.mark.slow
def test_a_log_of_an_engine_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "from pathlib import Path\nfrom metasearch.cli.bounded_log import BoundedLog\n"
        f"log = BoundedLog(Path({str(log)!r}), limit=10_000)\n"
        "for n in range(5000): log.write(f'line {n}\\n')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    lines = log.read_text().splitlines()
    assert log.stat().st_size <= 10_000
    assert lines == [f"line {n}" for n in range(5000 - len(lines), 5000)]
