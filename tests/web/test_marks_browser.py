"""What a person does with one candidate, in a real browser: mark, branch, copy and reproduce."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from metasearch.archive import Archive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.program import Program
from metasearch.web import Workshop, create_app
from tests.web.kit import Serve, Visit, add_run

pytestmark = pytest.mark.slow


class Desk(NamedTuple):
    """A window at a server that may make folders, over a run with two scored candidates."""

    visit: Visit
    archive: Path
    root: Path

    @property
    def page(self) -> Page:
        return self.visit.page

    def said(self) -> list[str]:
        with Archive.open(self.archive, read_only=True) as archive:
            return [str(each.command) for each in archive.campaign("two").commands()]


@pytest.fixture
def desk(tmp_path: Path, browser: Browser, serve: Serve) -> Iterator[Desk]:
    root, path = tmp_path / "campaigns", tmp_path / "a.db"
    root.mkdir()
    with Archive.open(path, create=True) as archive:
        run = add_run(archive, "two")
        for number in range(2):
            step = run.open_step()
            program = Program(files={"program.py": f"x = {number}\n"})
            parents = range(number)
            run.queue_candidate(step.number, 0, program, operator="o", parents=parents)
            scores = {"score": Score(value=number, low=number, high=number)}
            stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.1)
            run.settle(number, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,)))
            run.end_step(step.number)
    with serve(path, app=create_app(path, None, Workshop(path, [root], {}))) as client:
        context = browser.new_context(
            base_url=str(client.base_url), permissions=["clipboard-read", "clipboard-write"]
        )
        desk = Desk(Visit(context.new_page()), path, root)
        yield desk
        context.close()
    assert not desk.visit.faults, desk.visit.faults


def test_a_candidate_is_marked_and_the_mark_is_taken_back(desk: Desk) -> None:
    page = desk.page
    page.goto("/c/two/0")
    expect(page.get_by_role("button", name="Favourite")).to_be_visible()
    expect(page.get_by_role("button", name="Veto…")).to_have_count(0)  # it is the seed

    page.goto("/c/two/1")
    page.get_by_role("button", name="Favourite").click()
    expect(page.locator("#marks")).to_contain_text("★ favourite")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("button", name="Favourite")).to_be_visible()

    page.get_by_role("button", name="Veto…").click()
    page.get_by_label("Reason; models are told").fill("<b>too slow</b>")
    assert desk.visit.accessibility() == []
    page.get_by_role("button", name="Veto", exact=True).click()
    expect(page.locator("#marks")).to_contain_text("vetoed: <b>too slow</b>")
    expect(page.locator("#veto-form")).to_be_hidden()
    page.reload()
    expect(page.locator("#marks")).to_contain_text("vetoed: <b>too slow</b>")
    assert [words.split()[0] for words in desk.said()] == ["favourite", "unmark", "veto"]


@pytest.mark.timeout(120)
def test_a_campaign_branches_off_a_candidate(desk: Desk) -> None:
    page = desk.page
    page.goto("/c/two/1")
    page.get_by_role("button", name="Branch…").click()
    form = page.locator("#branch-form")
    form.get_by_label("Name").fill("no/name")
    form.get_by_role("button", name="Make it").click()
    expect(form).to_be_visible()  # the browser refuses the name
    assert not list(desk.root.iterdir())
    assert desk.visit.accessibility() == []

    form.get_by_label("Name").fill("twig")
    form.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/new?folder=*", timeout=60_000)
    assert (desk.root / "twig" / "program.py").read_text() == "x = 1\n"
    expect(page.locator("#text")).to_contain_text("branched_from")
    assert desk.visit.accessibility() == []

    page.goto("/new")
    expect(page.get_by_role("link", name="twig")).to_be_visible()
    assert desk.visit.accessibility() == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert desk.visit.sideways() == 0

    page.goto("/c/two/1")
    page.get_by_role("button", name="Branch…").click()
    form.get_by_label("Name").fill("twig")
    form.get_by_role("button", name="Make it").click()
    expect(form.get_by_role("alert")).to_contain_text("twig", timeout=60_000)
    desk.visit.forgive(409, form.get_attribute("hx-post") or "")


def test_a_program_is_copied_downloaded_and_reproduced(desk: Desk) -> None:
    page = desk.page
    page.goto("/c/two/1")
    copied = "navigator.clipboard.readText()"
    page.get_by_role("button", name="Copy program").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate(copied) == "x = 1\n"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text() == "x = 1\n"
    assert download.value.suggested_filename == "1_program.py"

    page.locator("summary", has_text="Commands").click()
    told = {}
    for row in page.locator("dl.commands dd").all():
        row.get_by_role("button", name="Copy").click()
        expect(row.get_by_role("button", name="Copied")).to_be_visible()
        command = page.evaluate(copied)
        assert command == row.locator("code").inner_text()
        told[command.split()[1]] = shlex.split(command)[1:]
    assert "show" in told
    found = subprocess.run(
        [sys.executable, "-m", "metasearch", *told["show"]], capture_output=True, check=True
    )
    assert b"x = 1" in found.stdout
