"""The page of a candidate: what failed, what changed, where it comes from, and how it was made."""

from __future__ import annotations

import hashlib
import io
import re
import time
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import Artifact, EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.facts import Idea, Origin
from metasearch.program import Program
from metasearch.web.pages.candidate_calls import cards, labels
from metasearch.web.pages.candidate_diff import differences
from tests.web.kit import Serve, add_run

pytestmark = pytest.mark.slow

LONG = "\n".join(f"def f{n}(x):\n    return x + {n}  # the {n}th" for n in range(1500)) + "\n"
SEED = {"program.py": "import math\nx = 1\ny = 2\n", "notes.md": "# Notes\n"}
CHILD = {"program.py": "import math\nx = 1\ny = 20 + 2\nz = 3\n", "notes.md": "# Notes\n"}
USAGE = Usage(input_tokens=1200, output_tokens=30, usd=0.5, seconds=2.0)


def _talk(run: CampaignArchive, step: int) -> None:
    """A draft that cannot be used, its repair, a reflection, and a judgement."""
    system = Message(role="system", content="Be brief.")
    first = (system, Message(role="user", content="Improve it."))
    replies = ["no program", "```python\nx = 1\n```", "better **now**"]
    talk: tuple[Message, ...] = first
    for call, reply in enumerate(replies):
        run.begin_exchange(step, call, role="propose", model="offline/replay:r", messages=talk)
        run.answer_exchange(step, call, reply=reply, usage=USAGE)
        if call == 0:
            run.refuse_exchange(step, call, reason="There is no code in it.")
        answer = Message(role="assistant", content=reply)
        talk = (*talk, answer, Message(role="user", content=f"Again, {call}."))
    run.begin_exchange(step, 3, role="value", model="judge", messages=first)
    run.answer_exchange(step, 3, reply="7", usage=USAGE)


def _settle(run: CampaignArchive, files: dict[str, str], value: float | None, *parents: int) -> int:
    step = run.open_step()
    if parents == (0,):
        _talk(run, step.number)
    found = run.queue_candidate(
        step.number, 0, Program(files=files), operator="evolve", parents=parents, thought="Try z."
    )
    error = "\n".join(f"line {n}" for n in range(50))
    result = EvaluationResult(outcome=Outcome.CRASHED, error=error, stderr="oops")
    if value is not None:
        scores = {"score": Score(value=value, low=value - 0.5, high=value + 0.5, samples=4)}
        stage = StageResult(
            stage="full", scores=scores, passed=True, seconds=1, examples={"score": (value,) * 4}
        )
        artifacts = (
            Artifact(name="t.txt", media_type="text/plain", content=b"attached text"),
            Artifact(name="w.txt", media_type="text/plain", content=b"x" * 70_000),
        )
        result = EvaluationResult(
            outcome=Outcome.SCORED,
            stages=(stage,),
            artifacts=artifacts,
            stdout="printed",
            memory=41_500_000,
        )
    run.settle(found.number, result)
    run.end_step(step.number)
    return found.number


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[httpx.Client]:
    """#0 the seed, #1 better, #2 crashed and made from both, #3 of 3,000 lines; another run."""
    path = tmp_path_factory.mktemp("candidate") / "archive.db"
    with Archive.open(path, create=True) as archive:
        for name in ("other", "made"):
            run = add_run(archive, name, evaluator={"keep_artifacts": "elites"})
            _settle(run, SEED, 1.0)
            _settle(run, CHILD, 2.0, 0)
            _settle(run, {**CHILD, "more.py": "more = 1\n"}, None, 1, 0)
            _settle(run, {"program.py": LONG}, 0.5, 1)
        idea = run.record(1, 0, Idea(title="Add z", claim="It helps.", operator="explore"))
        run.record(1, 1, Origin(candidate=1, ideas=(idea.number,)))
    with serve(path) as client:
        client.base_url = client.base_url.join("/c/made/")
        yield client


def _text(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text[:500]
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())
    return text.replace(" ,", ",").replace(" :", ":").replace(" ;", ";")


def test_the_strip_tells_score_interval_and_change(pages: httpx.Client) -> None:
    text = _text(pages.get("1"))
    assert "● scored the best" in text
    assert "score, higher is better 2 1.5 to 2.5, n = 4 +1 since parent" in text
    assert "$2.00 4920 tokens" in text  # the draft, its repair, the reflection and the judgement
    assert "metasearch show" in text
    assert 'rel="prev"' in pages.get("1").text


def test_a_failure_begins_with_the_end_of_its_error(pages: httpx.Client) -> None:
    text = _text(pages.get("2"))
    assert "✕ crashed" in text
    assert "line 49" in text
    assert "line 12" not in text
    assert text.index("line 49") < text.index("Try z.")
    assert "line 12" in _text(pages.get("2/logs"))


@pytest.mark.parametrize(
    ("against", "base", "counts"),
    [("parent", 1, "+1 -0"), ("second", 0, "+2 -1"), ("seed", 0, "+2 -1"), ("#1", 1, "+1 -0")],
)
def test_a_diff_against_any(pages: httpx.Client, against: str, base: int, counts: str) -> None:
    text = _text(pages.get("2/diff", params={"against": against}))
    assert f"From #{base} to #2" in text
    assert counts in text


def test_what_a_diff_is_against_must_be_there(pages: httpx.Client) -> None:
    assert pages.get("1/diff", params={"against": "second"}).status_code == 404
    assert pages.get("1/diff", params={"against": "99"}).status_code == 404
    assert pages.get("1/diff", params={"against": "x"}).status_code == 422
    assert pages.get("0/diff").status_code == 404
    assert pages.get("9").status_code == 404
    assert pages.get("1/nothing").status_code == 404


def test_words_are_marked_and_unchanged_lines_fold() -> None:
    old = "".join(f"line {n}\n" for n in range(40))
    new = old.replace("line 20", "line twenty")
    (file,) = differences({"p": old}, {"p": new})
    assert [(block.kind, block.left_out) for block in file.blocks] == [
        ("gap", 17),
        ("kept", 0),
        ("change", 0),
        ("kept", 0),
        ("gap", 16),
    ]
    for line, word in zip(file.blocks[2].lines, ("20", "twenty"), strict=True):
        (marked,) = (part for part in line.parts if part.changed)
        assert "".join(piece.text for piece in marked.pieces) == word


def test_a_long_diff_is_read_in_parts() -> None:
    new = LONG.replace("return", "yield")
    seen = 0
    start: int | None = 0
    while start is not None:
        (file,) = differences({"p.py": LONG}, {"p.py": new}, only=0, start=start)
        seen += sum(line.kind == "added" for block in file.blocks for line in block.lines)
        assert start == 0 or file.following is None or file.following > start
        start = file.following
    assert seen == 1500


def test_two_candidates_also_of_two_campaigns(pages: httpx.Client) -> None:
    text = _text(pages.get("diff", params={"a": "0", "b": "#1"}))
    assert "From #0 to #1" in text
    assert "score higher is better 1 2 +1" in text
    text = _text(pages.get("diff", params={"a": "other#3", "b": "1"}))
    assert "to #1" in text
    assert "+4 -3000" in text
    assert "From #0 to #1" in _text(pages.get("diff"))
    assert pages.get("diff", params={"a": "one"}).status_code == 422
    assert pages.get("diff", params={"a": "nowhere#1"}).status_code == 404


def test_a_long_program_is_read_in_parts(pages: httpx.Client) -> None:
    seen: list[str] = []
    address: str | None = "3/source"
    while address is not None:
        answer = pages.get(address)
        assert len(answer.content) < 250_000
        seen += re.findall(r'id="L(\d+)"', answer.text)
        more = re.search(r'href="/c/[^/]+/(3/source\?[^"]*start=(\d+))">The next', answer.text)
        address = unescape(more[1]) if more else None
    assert seen == [str(n + 1) for n in range(3000)]


def test_a_program_is_downloaded_as_it_is(pages: httpx.Client) -> None:
    answer = pages.get("3/program")
    assert answer.text == LONG
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    with zipfile.ZipFile(io.BytesIO(pages.get("1/program").content)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == CHILD
    assert pages.get("1/program/1").text == CHILD["notes.md"]
    assert pages.get("1/program/7").status_code == 404


def test_calls_are_named_by_their_place(pages: httpx.Client, archive_of: CampaignArchive) -> None:
    calls = archive_of.conversation(1, 0, 10)
    assert list(labels(calls)) == ["draft", "repair 1", "reflection 1", "value"]
    shown = cards(calls, 0, "rendered")
    assert [said.repeats for said in shown[1].said] == ["draft", "draft", "draft", "", ""]
    assert "<strong>now</strong>" in str(shown[2].said[-1].markup)
    assert shown[0].replayed
    assert not shown[3].replayed


@pytest.fixture
def archive_of(tmp_path: Path) -> Iterator[CampaignArchive]:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "made")
        _settle(run, SEED, 1.0)
        _settle(run, CHILD, 2.0, 0)
        yield run


def test_the_conversation_has_three_readings(pages: httpx.Client) -> None:
    text = _text(pages.get("1/conversation"))
    assert text.count("Be brief.") == 1
    assert "Not usable: There is no code in it." in text
    assert "1200 in, 30 out · $0.5 · 2.0s" in text
    assert "replayed" in text
    assert "5 messages shown before, in draft, repair 1; then: user Again, 1." in text
    plain = pages.get("1/conversation", params={"reading": "plain"})
    assert "better **now**" in plain.text
    request = _text(pages.get("1/conversation", params={"reading": "request"}))
    assert '"model": "judge"' in request
    assert "Back to the conversation Again, 0." in _text(pages.get("1/conversation/2/3"))
    assert pages.get("1/conversation/2/99").status_code == 404


def test_what_was_attached_and_not_kept_is_told_of(pages: httpx.Client) -> None:
    elite, other = (_text(pages.get(f"{number}/artifacts")) for number in (1, 0))
    assert "w.txt text/plain, 70 kB, its beginning download" in elite
    digest = hashlib.sha256(b"x" * 70_000).hexdigest()
    assert f"w.txt text/plain, 70 kB content not kept; SHA-256 {digest}" in other
    assert "attached text" in other
    api = pages.base_url.join("/api/campaigns/made/candidates/")
    (_, large) = pages.get(api.join("0")).json()["artifacts"]
    assert (large["digest"], large["kept"]) == (digest, False)
    assert pages.get(api.join("1/artifacts/1")).content == b"x" * 70_000
    gone = pages.get(api.join("0/artifacts/1"))
    assert gone.status_code == 404
    assert "The content of artifact 1 of #0 was not kept." in gone.text


def test_the_strip_tells_time_and_memory(pages: httpx.Client) -> None:
    assert "Evaluation 0.0s 41.5 MB of memory" in _text(pages.get("1"))
    assert "of memory" not in _text(pages.get("2"))


def test_a_lineage_goes_up_and_down(pages: httpx.Client) -> None:
    text = _text(pages.get("1/lineage"))
    assert "2 candidates descend from it; the best of them is #3 with 0.5" in text
    assert text.index("#0") < text.index("Children, the best first")
    assert text.index("#3", text.index("Children")) < text.rindex("#2")
    assert "Also made from #0" in _text(pages.get("2/lineage"))


def test_other_tabs_show_what_there_is(pages: httpx.Client) -> None:
    assert "full" in _text(pages.get("1/scores"))
    assert "1.5 to 2.5" in _text(pages.get("1/scores"))
    assert "score by example: 4 from 2 to 2" in _text(pages.get("1/scores"))
    assert "attached text" in _text(pages.get("1/artifacts"))
    assert "printed" in _text(pages.get("1/logs"))
    assert "Add z" in _text(pages.get("1/facts"))
    assert '"outcome": "crashed"' in _text(pages.get("2/raw"))
    tabs = _text(pages.get("2"))
    assert "Artifacts" not in tabs
    assert "Facts" not in tabs


def test_a_candidate_in_evaluation_is_shown_and_refreshed(tmp_path: Path, serve: Serve) -> None:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "made")
        step = run.open_step()
        run.queue_candidate(step.number, 0, Program(files=SEED), operator="seed")
        rejected = "It does not parse."
        run.queue_candidate(step.number, 1, None, operator="evolve", rejection=rejected)
    with serve(tmp_path / "archive.db") as client:
        waiting = client.get("/c/made/0")
        assert "○ waiting" in _text(waiting)
        assert 'hx-trigger="every 3s"' in waiting.text
        refused = client.get("/c/made/1")
        assert "Why it was rejected It does not parse." in _text(refused)
        assert 'hx-trigger="every' not in refused.text
        assert client.get("/c/made/1/source").status_code == 404


def test_the_pages_are_quick_and_small(pages: httpx.Client) -> None:
    for path in ("1", "3", "3/source", "1/conversation", "3/lineage", "1/facts"):
        pages.get(path)
        times = []
        for _ in range(3):
            started = time.process_time()  # client and server are this process
            answer = pages.get(path)
            times.append(time.process_time() - started)
        assert len(answer.content) < 250_000
        assert min(times) < 0.3
