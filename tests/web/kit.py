"""What the tests of the web share: servers, runs made by hand, and a page that takes notice."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import ConsoleMessage, Error, Page, Request

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, CampaignFile
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.cli.listening import listen
from metasearch.program import Program
from metasearch.web import Access, create_app

VENDOR = Path(__file__).parent / "vendor"

Serve = Callable[..., AbstractContextManager[httpx.Client]]


@contextmanager
def serving(
    archive: Path, access: Access | None = None, app: FastAPI | None = None
) -> Iterator[httpx.Client]:
    """A server of its own, and a client to it."""
    listener = listen("127.0.0.1", 0, None)
    config = uvicorn.Config(
        app or create_app(archive, access), log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    port = listener.getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)


def add_run(archive: Archive, name: str, **settings: object) -> CampaignArchive:
    """A run with one line of program, and nothing in it yet."""
    raw = {"task": "t", "objectives": {"score": "maximize"}, **settings}
    campaign = Campaign(
        name=name,
        folder=Path("/campaigns") / name,
        settings=CampaignFile.model_validate(raw),
        seed_program=Program(files={"program.py": "x = 1\n"}),
        evaluator_files={"evaluator.py": "def evaluate(candidate): ...\n"},
    )
    return archive.create(campaign)


def settle_one(run: CampaignArchive, number: int) -> None:
    """One more candidate, which crashes, in a step of its own."""
    step = run.open_step()
    run.queue_candidate(step.number, 0, Program(files={"p.py": f"x = {number}"}), operator="o")
    run.settle(number, EvaluationResult(outcome=Outcome.CRASHED, error="e"))
    run.end_step(step.number)


def settle_scored(run: CampaignArchive, number: int, **values: float) -> None:
    """One more candidate, made from the one before, with these scores."""
    step = run.open_step()
    program = Program(files={"p.py": f"x = {number}"})
    parents = range(number)[-1:]
    run.queue_candidate(step.number, 0, program, operator="o", parents=parents)
    scores = {name: Score(value=value, low=value, high=value) for name, value in values.items()}
    stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.1)
    run.settle(number, EvaluationResult(outcome=Outcome.SCORED, stages=(stage,)))
    run.end_step(step.number)


class Visit:
    """A page of the browser that takes notice of everything that must not happen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) => console.error("
            "`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"
        )
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)

    def forgive(self, status: int, path: str) -> None:
        """Expect that the console told of this status of this address, and of no other."""
        told = [fault for fault in self.faults if _refusal(fault) == (status, path)]
        assert told, self.faults
        self.faults = [fault for fault in self.faults if fault not in told]

    def accessibility(self) -> list[str]:
        """What axe finds: rule, impact and element."""
        self.page.evaluate((VENDOR / "axe-core-4.14.1" / "axe.min.js").read_text("utf-8"))
        found = self.page.evaluate("axe.run()")
        return [
            f"{violation['id']} ({violation['impact']}): {node['target']} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def wait_until(self, expression: str, seconds: float = 20) -> None:
        """Wait until an expression holds in the page.

        The driver's own waiting evaluates text inside the page, which the policy forbids.
        """
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"not within {seconds} s: {expression}"
            self.page.wait_for_timeout(50)

    def sideways(self) -> int:
        """Pixels by which the page is wider than its window."""
        element = "document.documentElement"
        width = self.page.evaluate(f"{element}.scrollWidth - {element}.clientWidth")
        return int(width)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} at {message.location['url']}")

    def _error(self, error: Error) -> None:
        self.faults.append(f"script: {error}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.faults.append(f"request to another host: {request.url}")


def _refusal(fault: str) -> tuple[int, str] | None:
    """Status, and path with query, of an answer that the console told of."""
    found = re.fullmatch(r"console: .* status of (\d+) .* at http://[^/]+(/.*)", fault)
    return None if found is None else (int(found[1]), found[2])
